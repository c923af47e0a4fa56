"""The public names of the package."""

from __future__ import annotations

from importlib import import_module

import pytest

import mulanzip


@pytest.mark.parametrize(("home", "names"), mulanzip._HOMES.items())
def test_names_are_found_where_they_are_defined(home: str, names: tuple[str, ...]) -> None:
    for name in names:
        assert getattr(mulanzip, name) is getattr(import_module(home), name)
        assert getattr(mulanzip, name).__module__ == home


def test_all_lists_every_name() -> None:
    names = [name for names in mulanzip._HOMES.values() for name in names]
    assert mulanzip.__all__ == sorted([*names, "__version__", "timings"])
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mulanzip.nonsense  # noqa: B018
