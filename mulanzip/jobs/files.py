"""One file: how it is treated, and what became of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

#: Stands for the path of a stream: standard input, standard output, or any open file.
STREAM = Path("-")


@dataclass(frozen=True)
class FileOptions:
    """How files are treated.

    Attributes:
        overwrite: replace an existing output.
        make_folder: make the output's folder where it is missing.
        skip_done: do nothing where the output exists, is complete and holds the same image.
        dry_run: check everything that can be checked without the work, and write nothing.
        verify: decode a compressed file and compare it with the image before the file gets its name.
        read_back: read a restored file and compare its pixels before the file gets its name.
        strip: metadata to leave out, from :data:`mulanzip.imageio.metadata.STRIPPABLE`.
        suffix: format of restored files that have no name yet, as ``.tif``; None: the format of the original file
            where it is lossless, else PNG or TIFF.
    """

    overwrite: bool = False
    make_folder: bool = False
    skip_done: bool = False
    dry_run: bool = False
    verify: bool = True
    read_back: bool = False
    strip: Collection[str] = ()
    suffix: str | None = None


@dataclass(frozen=True)
class FileResult:
    """What became of one file.

    Attributes:
        source, output: paths, :data:`STREAM` for open files.
        source_size, output_size: in bytes; 0 where nothing was written.
        notes: sentences for the user.
        lost: names of metadata that could not be kept.
        status: ``done``; ``salvaged``: the output holds the intact parts of a damaged file; ``sound``: there was
            nothing to salvage; ``skipped``: the output was already there and complete; or ``planned`` in a dry run.
    """

    source: Path
    output: Path
    source_size: int
    output_size: int = 0
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    status: str = "done"
