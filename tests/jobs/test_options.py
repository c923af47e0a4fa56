"""Keyword arguments: every default stands in one class of options, and every argument arrives where it belongs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

import mulanzip
from mulanzip.archive import writer
from mulanzip.archive.groups import GroupOptions
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.jobs import compress, pack, restore, salvage_file
from mulanzip.jobs.files import FileOptions
from mulanzip.options import EncodeOptions, Execution

DEFAULTS = {
    field.name: field.default
    for options in (EncodeOptions, Execution, FileOptions, GroupOptions)
    for field in fields(options)
}
COMPRESSING = (mulanzip.compress_file, mulanzip.pack, mulanzip.pack_arrays, ArchiveWriter)
RESTORING = (mulanzip.decompress_file, mulanzip.salvage_file, mulanzip.unpack, mulanzip.Archive)


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """Keyword arguments and their defaults."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@pytest.mark.parametrize("function", COMPRESSING, ids=lambda function: function.__name__)
def test_defaults_of_compressing(function: Callable[..., Any]) -> None:
    found = keywords(function)
    assert {"model", "effort", "schedule", "device", "threads", "limits"} <= set(found)
    assert {name: DEFAULTS[name] for name in found if name in DEFAULTS} == {
        name: default for name, default in found.items() if name in DEFAULTS
    }


@pytest.mark.parametrize("function", RESTORING, ids=lambda function: function.__name__)
def test_defaults_of_restoring(function: Callable[..., Any]) -> None:
    """A model here is one more to try, and there are two kinds of verification."""
    found = keywords(function)
    assert found.pop("model") is None
    assert found.pop("gaussian_model", None) is None
    assert found.pop("verify", FileOptions.read_back) == FileOptions.read_back
    assert {"device", "threads", "limits"} <= set(found)
    assert {name: DEFAULTS[name] for name in found if name in DEFAULTS} == {
        name: default for name, default in found.items() if name in DEFAULTS
    }


@pytest.mark.parametrize(
    ("module", "inner", "function"),
    [
        (compress, "compress", mulanzip.compress_file),
        (restore, "decompress", mulanzip.decompress_file),
        (salvage_file, "decompress_damaged", mulanzip.salvage_file),
    ],
    ids=["compress", "decompress", "salvage"],
)
def test_arguments_arrive(
    module: Any, inner: str, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: dict[str, Any] = {}

    def see(source: Any, output: Any, files: FileOptions, execution: Execution, **others: Any) -> None:
        for options in (files, files.keeping, execution, others.pop("encoding", None)):
            arrived.update(vars(options) if options else {})
        arrived.update(others)
        arrived.update(source=source, output=output)

    monkeypatch.setattr(module, inner, see)
    given = {name: object() for name in keywords(function)}
    function("source", "output", **given)
    if function is mulanzip.decompress_file:
        given["read_back"] = given.pop("verify")
    assert {name: arrived[name] for name in given} == given
    assert (arrived["source"], arrived["output"]) == ("source", "output")


@pytest.mark.parametrize(("module", "function"), [(pack, mulanzip.pack), (writer, mulanzip.pack_arrays)])
def test_arguments_arrive_at_the_writer(
    module: Any, function: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    class Seen(Exception):
        pass

    def see(file: Any, **arguments: Any) -> None:
        raise Seen(arguments)

    monkeypatch.setattr(module, "ArchiveWriter", see)
    (tmp_path / "a.png").touch()
    given = {name: object() for name in keywords(ArchiveWriter)}
    with pytest.raises(Seen) as seen:
        function([str(tmp_path)], str(tmp_path / "set.mzp"), **given)
    assert seen.value.args[0] == given
