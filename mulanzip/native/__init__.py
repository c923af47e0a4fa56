"""The likelihood of subpixels, the correction that learns while it codes, and rANS: integers, in C.

:mod:`mulanzip.native.library` is all that the rest of the package calls.  ``mulanzip_native.h`` is the interface, and
docs/format.md the specification.
"""
