"""``python -m mulanzip`` is the ``mulanzip`` command."""

from mulanzip.cli.main import run

run()
