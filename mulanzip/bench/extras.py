"""Libraries that only the benchmark needs."""

from __future__ import annotations

from importlib import import_module

from mulanzip.errors import MulanzipError


class MissingExtraError(MulanzipError):
    """An optional library is not installed."""


def require(library: str, purpose: str) -> None:
    """Check that a library is installed.

    Raises:
        MissingExtraError: if it is not; the message says how to install it.
    """
    try:
        import_module(library)
    except ImportError:
        raise MissingExtraError(f"{purpose} needs {library}: pip install mulanzip[bench]") from None
