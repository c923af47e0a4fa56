"""Image files <-> pictures in memory."""
