"""Pictures -> an archive.  Groups are coded as soon as they are full: memory does not grow with the archive."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from mulanzip import api, open_model, picture_encoder, registry
from mulanzip.archive.groups import CodedPart, GroupCoder, GroupOptions
from mulanzip.encoder.effort import is_adapted
from mulanzip.errors import LimitError, OutputExistsError
from mulanzip.format.archive import (
    DIRECTORY,
    END_OF_TIME,
    FILE,
    MAX_IMAGES,
    METADATA,
    ArchiveChunk,
    Directory,
    Member,
    Shape,
    check_name,
    digest_of,
    pack_end,
    pack_metadata,
)
from mulanzip.format.container import Chunk, Coding, Container
from mulanzip.image.channels import colours_of, group_in_coding_order
from mulanzip.image.picture import Picture
from mulanzip.imageio.png_original import original
from mulanzip.imageio.stored import looks_drawn
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution

#: Maximum size of the images, and of the metadata, that wait for their groups to be full, in bytes.
_WAITING = 1 << 25

if TYPE_CHECKING:
    from mulanzip.gaussian.exact.chain import Chain


class ArchiveWriter:
    """A context that writes an archive to a file from its first byte to its last; the end of the context completes it.

    Args:
        file: open for writing.
        model: name of a shipped model, or path of a model file; or ``auto``, with which groups are coded by
            :data:`mulanzip.registry.DEFAULT_MODEL`, whether they have colours or not.
        schedule: of all groups, one of :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`.
        effort: as for :func:`mulanzip.encode`, for images that are coded one by one.
        process, gaussian_model: as for :class:`mulanzip.archive.groups.GroupOptions`.
        device: as for :func:`mulanzip.encode`.
        threads: maximum number of threads, all cores by default; the bytes are the same for any number.
        limits: maximum size of one image, and of the memory for it.

    Attributes:
        chains: the chains that have been written.
        failed: whether images that were added before are lost through an error; the archive is lost then, too.

    Raises:
        ModelError: if the model is not there.
        LimitError: if there is not enough memory.
        ValueError: for unknown options.
    """

    def __init__(  # noqa: PLR0913
        self,
        file: BinaryIO,
        *,
        model: str = EncodeOptions.model,
        effort: int = EncodeOptions.effort,
        schedule: str = EncodeOptions.schedule,
        process: str = GroupOptions.process,
        gaussian_model: str = GroupOptions.gaussian_model,
        device: str = Execution.device,
        threads: int | None = Execution.threads,
        limits: Limits = Execution.limits,
    ):
        if schedule not in SCHEDULE_NAMES:
            raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULE_NAMES)}")
        self._file = file
        self.encoding = EncodeOptions(model, effort, schedule=schedule)
        self.execution = Execution(device, threads, limits)
        self._group_model = registry.DEFAULT_MODEL if model == registry.AUTO else model
        info = registry.find(self._group_model)
        runtime = open_model.open_for_coding(info, _WAITING, self.execution)
        groups = GroupOptions(process, gaussian_model)
        self._coder = GroupCoder(groups, runtime, TileSchedules.uniform(schedule), device)
        self.chains: list[Chain] = []
        self.failed = False
        self._members: dict[str, Member] = {}
        self._parts: list[ArchiveChunk] = []
        self._waiting: dict[Shape, list[np.ndarray]] = {}
        self._waiting_bytes = 0
        self._numbers: dict[bytes, int] = {}
        self._new_payloads: list[bytes] = []
        workers = self.execution.thread_count
        self._pool = ThreadPoolExecutor(workers)
        self._most_queued = 2 * workers
        # Waits for each part, in the order in which they are written.
        self._queue: deque[Callable[[], CodedPart]] = deque()
        self._position = 0
        self._write(self._coder.header(info.model_id).pack())

    def add(
        self,
        picture: Picture,
        name: str,
        *,
        source: bytes = b"",
        modified: int | None = None,
        permissions: int | None = None,
    ) -> None:
        """Add an image with its metadata.

        Args:
            name: a relative path with ``/``.
            source: the file that the image comes from: a PNG file comes back byte for byte if its image is coded by
                itself.
            modified: time of the last change, in ns since 1970.
            permissions: mode bits.

        Raises:
            MulanzipError: if the name cannot be kept, or was given before.
            UnsupportedImageError, LimitError: as :func:`mulanzip.encode`.
        """
        self._check_name(name)
        registry.suited(self._group_model, colours_of(picture.mode))
        file = self._as_file(picture)
        if file is not None:
            file = original.keep(file, source, picture) if source else file
            self.add_file(file, name, modified=modified, permissions=permissions)
            return
        modified = _known_time(modified)
        shape = Shape(picture.mode, *picture.pixels.shape[:2])
        metadata = {kind: self._number(payload) for kind, payload in picture.metadata.items()}
        self._members[name] = Member(name, shape, metadata, modified, permissions)
        group = self._waiting.setdefault(shape, [])
        group.append(group_in_coding_order(picture.pixels, slice(0, shape.channels)).copy())
        self._waiting_bytes += group[-1].nbytes
        if len(group) >= self._coder.most(shape):
            self._flush(shape)
        while self._waiting_bytes > _WAITING:
            self._flush(max(self._waiting, key=lambda shape: sum(planes.nbytes for planes in self._waiting[shape])))

    def add_file(
        self, file: Container, name: str, *, modified: int | None = None, permissions: int | None = None
    ) -> None:
        """Add a ``.mzp`` file of an image, or of any file; arguments and errors as for :meth:`add`."""
        self._check_name(name)
        data = file.pack()
        self._members[name] = Member(name, None, {}, _known_time(modified), permissions)
        self._put(lambda: CodedPart(ArchiveChunk(FILE, len(data), 1, digest_of(data)), data))

    def _check_name(self, name: str) -> None:
        check_name(name)
        if name in self._members:
            raise OutputExistsError(f"the archive has an image called {name} already")
        if len(self._members) >= MAX_IMAGES:
            raise LimitError(f"an archive holds {MAX_IMAGES:,} images at most")

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None:
            self._finish()
        self._pool.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        return len(self._members)

    def _finish(self) -> None:
        """Write the waiting images and the directory."""
        for shape in list(self._waiting):
            self._flush(shape)
        self._put_metadata()
        while self._queue:
            self._take()
        start = self._position
        self._write(Chunk(DIRECTORY, Directory(tuple(self._parts), tuple(self._members.values())).pack()).pack())
        self._write(pack_end(start))

    def _as_file(self, picture: Picture) -> Container | None:
        """The ``.mzp`` file of an image that is coded by itself; None for an image of a group."""
        height, width = picture.pixels.shape[:2]
        if picture.is_deep or is_adapted(height, width) or not Shape(picture.mode, height, width).is_small:
            return picture_encoder.encode_picture(picture, self.encoding, self.execution)
        if looks_drawn(picture):
            file = picture_encoder.encode_picture(picture, replace(self.encoding, effort=1), self.execution)
            if file.header.coding is Coding.STORED and 8 * file.size < self._code_length(picture):
                return file
        return None

    def _code_length(self, picture: Picture) -> float:
        """Bits that an image takes in a group."""
        encoding, execution = self.encoding, self.execution
        return api.code_length(
            picture.to_array(),
            model=self._group_model,
            schedule=encoding.schedule,
            device=execution.device,
            threads=execution.threads,
        )

    def _number(self, payload: bytes) -> int:
        """The number of a payload of metadata; equal payloads are kept once and share it."""
        key = digest_of(payload)
        if key not in self._numbers:
            self._numbers[key] = len(self._numbers)
            self._new_payloads.append(payload)
            if sum(map(len, self._new_payloads)) > _WAITING:
                self._put_metadata()
        return self._numbers[key]

    def _put_metadata(self) -> None:
        if self._new_payloads:
            count, data = len(self._new_payloads), pack_metadata(self._new_payloads)
            self._new_payloads = []
            self._put(lambda: CodedPart(ArchiveChunk(METADATA, len(data), count, digest_of(data)), data))

    def _flush(self, shape: Shape) -> None:
        """Code a group in another thread."""
        self._put_metadata()
        stack = np.stack(self._waiting.pop(shape))
        self._waiting_bytes -= stack.nbytes
        self._put(self._pool.submit(self._coder.encode, stack, shape).result)

    def _put(self, part: Callable[[], CodedPart]) -> None:
        self._queue.append(part)
        while len(self._queue) > self._most_queued:
            self._take()

    def _take(self) -> None:
        self.failed = True
        coded = self._queue.popleft()()
        self._parts.append(coded.part)
        if coded.chain is not None:
            self.chains.append(coded.chain)
        self._write(Chunk(coded.part.kind, coded.payload).pack())
        self.failed = False

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)


def _known_time(modified: int | None) -> int | None:
    return modified if modified is not None and 0 <= modified < END_OF_TIME else None


def pack_arrays(  # noqa: PLR0913
    arrays: Sequence[np.ndarray] | np.ndarray,
    names: Sequence[str] | None = None,
    *,
    model: str = EncodeOptions.model,
    effort: int = EncodeOptions.effort,
    schedule: str = EncodeOptions.schedule,
    process: str = GroupOptions.process,
    gaussian_model: str = GroupOptions.gaussian_model,
    device: str = Execution.device,
    threads: int | None = Execution.threads,
    limits: Limits = Execution.limits,
) -> bytes:
    """Compress many images into one archive.

    Args:
        arrays: images as for :func:`mulanzip.encode`, of any sizes; or one array ``(N, H, W, ...)``.
        names: relative paths with ``/``, all different; ``0.png``, ``1.png`` and so on by default.
        model, effort, schedule, process, gaussian_model, device, threads, limits: as for :class:`ArchiveWriter`.

    Returns:
        the bytes of an archive; :class:`mulanzip.Archive` reads them.

    Raises:
        MulanzipError: as :func:`mulanzip.encode`, or for names that cannot be kept.
        ValueError: if the number of names is not the number of arrays, or for unknown options.
    """
    if names is None:
        digits = len(str(max(0, len(arrays) - 1)))
        names = [f"{i:0{digits}}.png" for i in range(len(arrays))]
    buffer = io.BytesIO()
    with ArchiveWriter(
        buffer,
        model=model,
        effort=effort,
        schedule=schedule,
        process=process,
        gaussian_model=gaussian_model,
        device=device,
        threads=threads,
        limits=limits,
    ) as writer:
        for array, name in zip(arrays, names, strict=True):
            writer.add(Picture.from_array(array), name)
    return buffer.getvalue()
