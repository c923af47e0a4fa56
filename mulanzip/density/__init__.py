"""The density model, p(subpixel), in integers: the same on every machine and device, for every thread count and batch.

Activations are uint8, and weights are integers in -64..64.  Requantisation multiplies by a power of two per output
channel, rounds once (half to even) and saturates to 0..255.  Every partial sum stays below 2**24, which
:func:`mulanzip.density.model.prove` checks.  So float32 accumulation in any order is exact as well.
"""
