"""Thousands of hostile inputs: ``make fuzz``, or ``PYTHONPATH=tests python -m fuzz -n 1000 --seed 1``."""
