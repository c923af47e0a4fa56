"""The likelihood of subpixels, the correction that learns while it codes, and rANS: integers, in C.

:mod:`mulanzip.native.library`, :mod:`mulanzip.native.network` and :mod:`mulanzip.native.symbols` are what the rest of
the package calls; :mod:`mulanzip.native.binding` says how.  ``mulanzip_native.h`` is the interface, and docs/format.md
the specification.
"""
