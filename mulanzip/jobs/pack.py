"""Folders of image files <-> archives."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeAlias

from mulanzip import keep
from mulanzip.archive.groups import GroupOptions
from mulanzip.archive.reader import Archive, Opened, named
from mulanzip.archive.writer import ArchiveWriter
from mulanzip.encoder.effort import is_adapted
from mulanzip.errors import (
    MulanzipError,
    NoImageError,
    OutputExistsError,
    UnreadableImageError,
    UnsupportedImageError,
    VerificationError,
)
from mulanzip.format.archive import Member, Shape
from mulanzip.format.container import Header
from mulanzip.image.kinds import Kind
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata
from mulanzip.imageio.reader import read_picture
from mulanzip.imageio.writer import can_write, default_suffix, write_picture
from mulanzip.jobs import atomic
from mulanzip.jobs.batch import Found, OnError, Selection, explain, find, is_image
from mulanzip.jobs.files import FileOptions
from mulanzip.jobs.restore import decompress, restore_kept
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution, Keeping
from mulanzip.progress import Progress
from mulanzip.whole import jpeg

#: Called with a file, and the names of its metadata that could not be kept.
OnMetadataLost: TypeAlias = Callable[[Path, list[str]], None]
#: Permissions that are restored: those to read, write and execute, and no setuid, setgid or sticky bit.
_PERMISSIONS = stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class PackResult:
    """What became of the files of an archive.

    Attributes:
        images: number of images in the archive.
        source_size: bytes of their files.
        size: bytes of the archive.
        chained: number of images in chains of latents.
        initial_images: number of images that the erasure process codes, as the initial bits of chains.
        net_size: bytes that the chained images add.
        initial_bytes_used: bytes of initial bits that the chains use.
    """

    images: int
    source_size: int
    size: int
    chained: int = 0
    initial_images: int = 0
    net_size: int = 0
    initial_bytes_used: int = 0


def pack(  # noqa: PLR0913
    sources: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    model: str = EncodeOptions.model,
    effort: int = EncodeOptions.effort,
    schedule: str = EncodeOptions.schedule,
    process: str = GroupOptions.process,
    gaussian_model: str = GroupOptions.gaussian_model,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    overwrite: bool = FileOptions.overwrite,
    verify: bool = FileOptions.verify,
    strip: Collection[str] = Keeping.strip,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
    report: OnError | None = None,
    lost: OnMetadataLost | None = None,
    leave: Callable[[Path], None] = lambda path: None,
) -> PackResult:
    """Compress image files, and the image files below folders, into one archive.

    Names of images are their paths below the folders.  Hidden files are left out; links to folders are not followed.

    Args:
        model, effort, schedule, device, threads: as for :func:`mulanzip.encode`.
        process, gaussian_model: as for :class:`mulanzip.archive.writer.ArchiveWriter`.
        overwrite: replace an existing archive.
        verify: decode everything and compare hashes before the archive gets its name.
        strip: metadata to leave out, as for :func:`mulanzip.compress_file`.
        limits: maximum size of one image, and of the memory for it.
        progress: called with the share that is done, 0 to 1.
        report: called for each file that cannot be packed; the other files are packed.  Without it, the first error
            ends the work.
        lost: called for each file with metadata that cannot be kept.
        leave: called for each file below folders that is no image, and left out.

    Raises:
        NoImageError: if there is no image to pack.
        MulanzipError, OSError: for the causes of :func:`mulanzip.compress_file`; nothing is written then.
    """
    output = Path(output)
    files = FileOptions(overwrite, verify=verify, keeping=Keeping(strip=strip))
    execution = Execution(device, threads, limits, progress)
    report = report or _raise
    atomic.check(output, files)
    found = list(find(map(Path, sources), Selection(is_image, leave=leave), recursive=True, report=report))
    if not found:
        raise NoImageError(f"there is no image file below {', '.join(map(str, sources))}: no archive was written")
    size = 0
    encoding = execution.part(0, 0.5 if verify else 1).progress

    def check(path: Path) -> None:
        if verify:
            archive = Archive(
                path, model=model, gaussian_model=gaussian_model, device=device, threads=threads, limits=limits
            )
            try:
                archive.check(execution.part(0.5, 1).progress)
            except MulanzipError as error:
                raise VerificationError(f"verification failed: {error}") from error

    with atomic.replacing(output, check) as file:
        with ArchiveWriter(
            file,
            model=model,
            effort=effort,
            schedule=schedule,
            process=process,
            gaussian_model=gaussian_model,
            device=device,
            threads=threads,
            limits=limits,
        ) as writer:
            for done, source in enumerate(found, 1):
                try:
                    size += _add(writer, source, files.keeping, lost)
                except (MulanzipError, OSError, MemoryError) as error:
                    if writer.failed:
                        raise
                    report(source.path, error)
                if encoding is not None:
                    encoding(done / len(found))
            if not len(writer):
                raise MulanzipError("none of the images can be packed: no archive was written")
        count = len(writer)
    chains = [chain for chain in writer.chains if chain.initial_images < chain.images]
    return PackResult(
        count,
        size,
        output.stat().st_size,
        chained=sum(chain.images - chain.initial_images for chain in chains),
        initial_images=sum(chain.initial_images for chain in chains),
        net_size=sum(chain.net for chain in chains),
        initial_bytes_used=sum(chain.initial_bits_used for chain in chains) // 8,
    )


def _add(writer: ArchiveWriter, source: Found, keeping: Keeping, lost: OnMetadataLost | None) -> int:
    """Add a file to an archive; return its size in bytes."""
    with open(source.path, "rb") as file:
        facts = os.fstat(file.fileno())
        writer.execution.limits.require(facts.st_size)
        data = file.read()
    name = source.below.as_posix()
    modified, permissions = facts.st_mtime_ns, stat.S_IMODE(facts.st_mode)
    picture = _small_picture(data, keeping, writer.execution.limits)
    if picture is not None:
        given = b"" if keeping.strip else data
        writer.add(picture, name, source=given, modified=modified, permissions=permissions)
        return facts.st_size
    kept = keep.keep(data, keeping, writer.encoding, writer.execution, source.path)
    writer.add_file(kept.file, name, modified=modified, permissions=permissions)
    if kept.lost and lost is not None:
        lost(source.path, kept.lost)
    return facts.st_size


def _small_picture(data: bytes, keeping: Keeping, limits: Limits) -> Picture | None:
    """The picture of a file that is coded together with others: small, lossless, and nothing of it is lost."""
    if data.startswith(jpeg.SIGNATURE) and not keeping.pixels:
        return None
    try:
        picture, lossy = read_picture(io.BytesIO(data), limits)
    except (UnreadableImageError, UnsupportedImageError):
        return None
    height, width = picture.pixels.shape[:2]
    if lossy or picture.is_deep or not Shape(picture.mode, height, width).is_small or is_adapted(height, width):
        return None
    kept = replace(picture, metadata=metadata.stripped(picture.metadata, keeping.strip))
    return kept if not picture.lost or set(keeping.strip) == set(metadata.STRIPPABLE) else None


@dataclass(frozen=True)
class UnpackResult:
    """What became of the images of an archive.

    Attributes:
        wanted: number of images that were asked for.
        written: number of files that were written.
        size: bytes of these files.
    """

    wanted: int
    written: int
    size: int


def unpack(  # noqa: PLR0913
    source: str | os.PathLike[str] | BinaryIO,
    folder: str | os.PathLike[str],
    *,
    only: Collection[str] = (),
    suffix: str | None = FileOptions.suffix,
    overwrite: bool = FileOptions.overwrite,
    model: str | None = None,
    gaussian_model: str | None = None,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    limits: Limits = Execution.limits,
    progress: Progress | None = Execution.progress,
    report: OnError | None = None,
    lost: OnMetadataLost | None = None,
) -> UnpackResult:
    """Restore the images of an archive as files, with their dates and their permissions to read, write and execute.

    Files get their old names where their format is lossless and can hold the image; else ``.png`` is appended.

    Args:
        folder: names are paths below it; made if missing.
        only: names or patterns (:meth:`mulanzip.Archive.matching`); all images by default.
        suffix: ``.png``, say: format of all files, appended to names that do not have it.
        overwrite: replace existing files.
        model, gaussian_model, device, threads, limits: as for :class:`mulanzip.Archive`.
        progress: called with the share that is done, 0 to 1.
        report: called for each image that is damaged or cannot be written; the other images are restored.  Without
            it, the first error ends the work.
        lost: called for each file whose format cannot hold all metadata of its image.

    Raises:
        MulanzipError, OSError: for the causes of :func:`mulanzip.decompress_file`.
    """
    report = report or _raise
    archive = Archive(source, model=model, gaussian_model=gaussian_model, device=device, threads=threads, limits=limits)
    files = FileOptions(overwrite, make_folder=True, suffix=suffix)
    restorer = _Restorer(Path(folder), files, Execution(device, threads, limits), model)
    done = size = 0
    names = archive.matching(only) if only else archive.names
    for opened in archive.parts(names, progress):
        if opened.error is not None:
            report(Path(named(opened.members)), opened.error)
            continue
        for place, member in enumerate(opened.members):
            try:
                path, missing = restorer.write(opened, place)
            except (MulanzipError, OSError, MemoryError) as error:
                report(Path(member.name), error)
                continue
            done, size = done + 1, size + path.stat().st_size
            if missing and lost is not None:
                lost(path, missing)
    return UnpackResult(len(names), done, size)


class _Restorer:
    """Writes images of an archive below a folder."""

    def __init__(self, folder: Path, files: FileOptions, execution: Execution, model: str | None):
        self._folder = folder
        self._files = files
        self._execution = execution
        self._model = model
        self._owners: dict[Path, str] = {}

    def write(self, opened: Opened, place: int) -> tuple[Path, list[str]]:
        """Write an image of a part.

        Returns:
            the path, and the names of metadata that the file cannot hold.

        Raises:
            MulanzipError, OSError
        """
        member = opened.members[place]
        if opened.file is not None:
            header = Header.unpack(opened.file)
            path = self._path(member, header.kind, is_kept=header.coding.is_file)
            data = io.BytesIO(opened.file)
            work = restore_kept if header.coding.is_file and self._files.suffix is None else decompress
            missing = work(data, path, self._files, self._execution, model=self._model).lost
        else:
            path = self._path(member, opened.pictures[place].kind)
            restored, missing = write_picture(opened.pictures[place], path)
            atomic.write(restored, path, make_folder=True, sync=False)
        if member.permissions is not None:
            path.chmod(member.permissions & _PERMISSIONS)
        if member.modified is not None:
            os.utime(path, ns=(member.modified, member.modified))
        return path, missing

    def _path(self, member: Member, kind: Kind, is_kept: bool = False) -> Path:
        """The path of an image, or of a file that is kept, which has been checked.

        Raises:
            OutputExistsError, OSError
        """
        path, suffix = self._folder.joinpath(*member.name.split("/")), self._files.suffix
        fits = path.suffix.lower() == suffix if suffix else is_kept or can_write(path.suffix, kind)
        path = path if fits else path.with_name(path.name + (suffix or default_suffix(kind)))
        if self._owners.setdefault(path, member.name) != member.name:
            raise OutputExistsError(f"{path} is where {self._owners[path]} goes")
        atomic.check(path, self._files)
        return path


def _raise(path: Path, error: Exception) -> None:
    text = f"{path}: {explain(path, error).text}"
    raise (type(error) if isinstance(error, MulanzipError) else MulanzipError)(text) from error
