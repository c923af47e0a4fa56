"""Geometry of the lattice, and noise schedules as data."""
