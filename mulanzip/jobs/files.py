"""One file: how it is treated, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mulanzip.options import Grade, Keeping

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
        verify: restore a compressed file and compare it with its source before the file gets its name.
        read_back: read a restored file and compare its pixels before the file gets its name.
        keeping: how much of a source file is kept.
        suffix: format of restored pixels, as ``.tif``; None: the file that was kept, or a file of the original format
            where that is lossless, else PNG or TIFF.
    """

    overwrite: bool = False
    make_folder: bool = False
    skip_done: bool = False
    dry_run: bool = False
    verify: bool = True
    read_back: bool = False
    keeping: Keeping = Keeping()
    suffix: str | None = None


@dataclass(frozen=True)
class FileResult:
    """What became of one file.

    Attributes:
        source, output: paths, :data:`STREAM` for open files.
        source_size, output_size: in bytes; 0 where nothing was written.
        notes: sentences for the user.
        lost: names of what could not be kept.
        status: ``done``; ``salvaged``: the output holds the intact parts of a damaged file; ``sound``: there was
            nothing to salvage; ``skipped``: the output was already there and complete; or ``planned`` in a dry run.
        grade: how much of the source a compressed file gives back; None where nothing was compressed.
    """

    source: Path
    output: Path
    source_size: int
    output_size: int = 0
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    status: str = "done"
    grade: Grade | None = None
