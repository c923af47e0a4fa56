"""Training of denoisers: data, erasure patterns, loss, loop."""
