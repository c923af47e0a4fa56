"""The denoiser in integers: the same numbers on every machine, thread count, batch and device.

Activations are uint8, weights integers in -64..64, requantisation is a multiplication by a power of
two per output channel and one rounding (half to even) that saturates to 0..255.  Every partial sum
stays below 2**24, which :func:`mulanzip.density.model.prove` checks, so float32 accumulation in any
order is exact as well.
"""
