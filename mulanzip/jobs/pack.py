"""Folders of image files <-> archives."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mulanzip.archive.reader import Archive, named
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.errors import MulanzipError, NoImageError, OutputExistsError, VerificationError
from mulanzip.format.archive import Member
from mulanzip.format.container import Header
from mulanzip.image.kinds import Kind
from mulanzip.imageio import metadata
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, default_suffix, write_picture
from mulanzip.jobs import atomic
from mulanzip.jobs.batch import Found, explain, find, is_image
from mulanzip.jobs.files import decompress_file
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.progress import Progress, part_of

#: Told of a file, or image of an archive, that was left out, and why.
OnError = Callable[[Path, Exception], None]
#: Told of a file, and the names of what could not be kept of it.
OnMetadataLost = Callable[[Path, list[str]], None]


@dataclass(frozen=True)
class PackResult:
    """What became of some files.

    Attributes:
        images: how many are in the archive.
        source_size: bytes of their files; size: of the archive.
        chained: how many are in chains of latents; seeds: how many the erasure process coded for these to borrow from.
        net_size: bytes of the chained ones; borrowed_size: bytes that were borrowed, all of them of the seeds.
    """

    images: int
    source_size: int
    size: int
    chained: int = 0
    seeds: int = 0
    net_size: int = 0
    borrowed_size: int = 0


def pack(
    sources: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    verify: bool = True,
    strip: Collection[str] = (),
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
    report: OnError | None = None,
    lost: OnMetadataLost | None = None,
    **options: Any,
) -> PackResult:
    """Compress image files, and those below folders, into one archive.

    Images get their paths below the folders as names.  Hidden files are left out, links to folders not followed.

    Args:
        overwrite: replace an existing archive.
        verify: decode everything, and compare hashes, before the archive gets its name.
        strip: metadata to leave out, as for :func:`mulanzip.compress_file`.
        limits: what one image may take.
        progress: told the share that is done.
        report: told of files that cannot be packed; the others are.  Without it, the first one is an error.
        lost: told of metadata that cannot be kept.
        options: ``model``, ``effort``, ``schedule``, ``device``, ``threads``, as for :func:`mulanzip.encode`;
            ``process``, ``gaussian_model``, as for :class:`mulanzip.archive.writer.ArchiveWriter`.

    Raises:
        MulanzipError, OSError: nothing is written then.
    """
    output = Path(output)
    report = report or _raise
    atomic.check(io.BytesIO(), output, overwrite, False, False)
    found = list(find(map(Path, sources), is_image, recursive=True, report=report))
    size = 0
    encoding = part_of(progress, 0, 0.5 if verify else 1)

    def check(path: Path) -> None:
        if verify:
            decoding = {key: options[key] for key in ("model", "gaussian_model", "device", "threads") if key in options}
            try:
                Archive(path, limits=limits, **decoding).check(part_of(progress, 0.5, 1))
            except MulanzipError as error:
                raise VerificationError(f"verification failed: {error}") from error

    with atomic.replacing(output, check) as file:
        with ArchiveWriter(file, limits=limits, **options) as writer:
            for done, source in enumerate(found, 1):
                try:
                    size += _add(writer, source, strip, limits, lost)
                except (MulanzipError, OSError, MemoryError) as error:
                    if writer.failed:
                        raise
                    report(source.path, error)
                if encoding is not None:
                    encoding(done / len(found))
            if not len(writer):
                raise NoImageError("there is no image to pack: nothing was written")
        count = len(writer)
    chains = [chain for chain in writer.chains if chain.initial_images < chain.images]
    return PackResult(
        count,
        size,
        output.stat().st_size,
        chained=sum(chain.images - chain.initial_images for chain in chains),
        seeds=sum(chain.initial_images for chain in chains),
        net_size=sum(chain.net for chain in chains),
        borrowed_size=sum(chain.initial_bits_used for chain in chains) // 8,
    )


def _add(
    writer: ArchiveWriter, source: Found, strip: Collection[str], limits: Limits, lost: OnMetadataLost | None
) -> int:
    """Add a file to an archive: its size."""
    with open(source.path, "rb") as file:
        facts = os.fstat(file.fileno())
        limits.require(facts.st_size)
        data = file.read()
    picture, _ = read_picture(io.BytesIO(data), limits)
    kept = replace(picture, metadata=metadata.stripped(picture.metadata, strip))
    writer.add(
        kept,
        source.below.as_posix(),
        source=b"" if strip else data,
        modified=facts.st_mtime_ns,
        permissions=stat.S_IMODE(facts.st_mode),
    )
    if picture.lost and lost is not None and set(strip) != set(metadata.STRIPPABLE):
        lost(source.path, list(picture.lost))
    return facts.st_size


@dataclass(frozen=True)
class UnpackResult:
    """What became of an archive: how many images were asked for, how many files were written, and their bytes."""

    wanted: int
    written: int
    size: int


def unpack(
    source: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    only: Collection[str] = (),
    suffix: str | None = None,
    overwrite: bool = False,
    model: str | None = None,
    gaussian_model: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    limits: Limits = NO_LIMITS,
    progress: Progress | None = None,
    report: OnError | None = None,
    lost: OnMetadataLost | None = None,
) -> UnpackResult:
    """Restore the images of an archive as files, with their dates and permissions.

    Files have their old names where their format is lossless and holds the image, else ``.png`` is appended.

    Args:
        folder: where names begin; made if missing.
        only: names or patterns (:meth:`mulanzip.Archive.matching`); by default all.
        suffix: ``.png``, say: format of all files, appended to names that do not have it.
        overwrite: replace existing files.
        model, device, threads, limits: as for :func:`mulanzip.decode`; gaussian_model: another model to try.
        progress: told the share that is done.
        report: told of images that are damaged or cannot be written; the others are.  Without it, the first one is
            an error.
        lost: told of metadata that a file cannot hold.

    Raises:
        MulanzipError, OSError
    """
    report = report or _raise
    target = _Targets(Path(folder), suffix, overwrite)
    done = size = 0
    options: dict[str, Any] = {"model": model, "device": device, "threads": threads, "limits": limits}
    archive = Archive(source, gaussian_model=gaussian_model, **options)
    names = archive.matching(only) if only else archive.names
    for opened in archive.parts(names, progress):
        if opened.error is not None:
            report(Path(named(opened.members)), opened.error)
            continue
        for place, member in enumerate(opened.members):
            try:
                if opened.file is not None:
                    path = target.of(member, Header.unpack(opened.file).kind)
                    data = io.BytesIO(opened.file)
                    made = decompress_file(data, path, overwrite=overwrite, make_folder=True, **options)
                    missing = made.lost
                else:
                    path = target.of(member, opened.pictures[place].kind)
                    restored, missing = write_picture(opened.pictures[place], path)
                    atomic.write(restored, path, io.BytesIO(), [], make_folder=True, sync=False)
                _stamp(path, member)
            except (MulanzipError, OSError, MemoryError) as error:
                report(Path(member.name), error)
                continue
            done, size = done + 1, size + path.stat().st_size
            if missing and lost is not None:
                lost(path, missing)
    return UnpackResult(len(names), done, size)


class _Targets:
    """Where images go."""

    def __init__(self, folder: Path, suffix: str | None, overwrite: bool):
        self._folder = folder
        self._suffix = suffix
        self._overwrite = overwrite
        self._owners: dict[Path, str] = {}

    def of(self, member: Member, kind: Kind) -> Path:
        """The path of an image, which can be written.

        Raises:
            OutputExistsError, OSError
        """
        path = self._folder.joinpath(*member.name.split("/"))
        fits = path.suffix.lower() == self._suffix if self._suffix else can_write(path.suffix, kind)
        path = path if fits else path.with_name(path.name + (self._suffix or default_suffix(kind)))
        if self._owners.setdefault(path, member.name) != member.name:
            raise OutputExistsError(f"{path} is where {self._owners[path]} goes")
        atomic.check(io.BytesIO(), path, self._overwrite, True, False)
        return path


def _stamp(path: Path, member: Member) -> None:
    if member.permissions is not None:
        path.chmod(member.permissions)
    if member.modified is not None:
        os.utime(path, ns=(member.modified, member.modified))


def _raise(path: Path, error: Exception) -> None:
    text = f"{path}: {explain(path, error)[0]}"
    raise (type(error) if isinstance(error, MulanzipError) else MulanzipError)(text) from error
