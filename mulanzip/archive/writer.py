"""Pictures -> an archive: groups are coded as they fill, so that memory does not grow with the pixels."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from mulanzip import api, registry
from mulanzip.api import code_length
from mulanzip.archive.groups import CodedGroup, GroupCoder
from mulanzip.encoder.effort import is_fitted
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
from mulanzip.image.channels import group_in_coding_order
from mulanzip.image.picture import Picture
from mulanzip.imageio.png_original import original
from mulanzip.imageio.stored import looks_drawn
from mulanzip.lattice.schedules import SCHEDULE_NAMES
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import NO_LIMITS, Limits, available_cores
from mulanzip.options import EncodeOptions, Execution

#: Bytes of images and of metadata that wait for their groups to fill, at most.
_WAITING = 1 << 25

if TYPE_CHECKING:
    from mulanzip.gaussian.exact.chain import Chain


class ArchiveWriter:
    """Writes an archive to a file, from its first byte to its last: a context whose end completes it.

    Args:
        file: open for writing.
        model: name of a shipped model, or path of a model file.
        schedule: of all groups, one of :data:`mulanzip.lattice.schedules.SCHEDULE_NAMES`.
        process: ``erasure``; ``gaussian``, which codes RGB images of the size that ``gaussian_model`` is for in chains;
            or ``auto``: for each group the smaller one.
        effort, device, limits: as for :func:`mulanzip.encode`; effort is for images that are coded by themselves.
        threads: at most so many, all cores by default; the bytes are the same for any number.

    Raises:
        ModelError: if the model is not there.
        LimitError: if there is not enough memory.
        ValueError: for unknown options.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        model: str = registry.DEFAULT_MODEL,
        effort: int = EncodeOptions.effort,
        schedule: str = "default",
        process: str = "erasure",
        gaussian_model: str = registry.DEFAULT_GAUSSIAN_MODEL,
        device: str = "auto",
        threads: int | None = None,
        limits: Limits = NO_LIMITS,
    ):
        if schedule not in SCHEDULE_NAMES:
            raise ValueError(f"unknown schedule {schedule!r}; use one of {', '.join(SCHEDULE_NAMES)}")
        self._file = file
        self._effort = effort
        self._common: dict[str, Any] = {"model": model, "schedule": schedule, "device": device, "threads": threads}
        self._limits = limits
        info = registry.find(model)
        runtime = api.open_for_coding(info, _WAITING, Execution(device, threads, limits))
        self._coder = GroupCoder(process, runtime, TileSchedules.uniform(schedule), gaussian_model, device)
        #: What became of the chains so far.
        self.chains: list[Chain] = []
        #: Whether what was added before is lost, after an error: then the archive is, too.
        self.failed = False
        self._members: dict[str, Member] = {}
        self._parts: list[ArchiveChunk] = []
        self._waiting: dict[Shape, list[np.ndarray]] = {}
        self._waiting_bytes = 0
        self._numbers: dict[bytes, int] = {}
        self._new_payloads: list[bytes] = []
        self._threads = threads or available_cores()
        self._pool = ThreadPoolExecutor(self._threads)
        # Parts in the order in which they are written; those that are coded in other threads may be late.
        self._queue: deque[Callable[[], CodedGroup]] = deque()
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
        """Add an image, with all its metadata.

        Args:
            name: relative, with ``/``.
            source: the file that it comes from: if that is PNG, and the image is stored by itself, it comes back
                byte for byte.
            modified: time of last change, in ns since 1970; permissions: mode bits.

        Raises:
            MulanzipError: if the name is none, or was given before.
            UnsupportedImageError, LimitError: as :func:`mulanzip.encode`.
        """
        check_name(name)
        modified = modified if modified is not None and 0 <= modified < END_OF_TIME else None
        if name in self._members:
            raise OutputExistsError(f"the archive has an image called {name} already")
        if len(self._members) >= MAX_IMAGES:
            raise LimitError(f"an archive holds {MAX_IMAGES:,} images at most")
        file = self._as_file(picture)
        if file is not None:
            data = (original.keep(file, source, picture) if source else file).pack()
            self._members[name] = Member(name, None, {}, modified, permissions)
            self._put(lambda: CodedGroup(ArchiveChunk(FILE, len(data), 1, digest_of(data)), data))
            return
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

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None:
            self._finish()
        self._pool.shutdown(cancel_futures=True)

    def __len__(self) -> int:
        return len(self._members)

    def _finish(self) -> None:
        """Write what is waiting, and the directory."""
        for shape in list(self._waiting):
            self._flush(shape)
        self._put_metadata()
        while self._queue:
            self._take()
        start = self._position
        self._write(Chunk(DIRECTORY, Directory(tuple(self._parts), tuple(self._members.values())).pack()).pack())
        self._write(pack_end(start))

    def _as_file(self, picture: Picture) -> Container | None:
        """The ``.mzp`` file of an image that is not for a group, else None."""
        height, width = picture.pixels.shape[:2]
        if picture.is_deep or is_fitted(height, width) or not Shape(picture.mode, height, width).is_small:
            return self._encoded(picture, self._effort)
        if looks_drawn(picture):
            data = self._encoded(picture, 1)
            is_stored = data.header.coding is Coding.STORED
            if is_stored and 8 * data.size < code_length(picture.to_array(), **self._common):
                return data
        return None

    def _encoded(self, picture: Picture, effort: int) -> Container:
        common = self._common
        options = EncodeOptions(common["model"], effort, schedule=common["schedule"])
        return api.encode_picture(picture, options, Execution(common["device"], common["threads"], self._limits))

    def _number(self, payload: bytes) -> int:
        """The number of a payload of metadata, which is kept once."""
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
            self._put(lambda: CodedGroup(ArchiveChunk(METADATA, len(data), count, digest_of(data)), data))

    def _flush(self, shape: Shape) -> None:
        """Code a group in another thread."""
        self._put_metadata()
        stack = np.stack(self._waiting.pop(shape))
        self._waiting_bytes -= stack.nbytes
        self._put(self._pool.submit(self._coder.encode, stack, shape).result)

    def _put(self, part: Callable[[], CodedGroup]) -> None:
        self._queue.append(part)
        while len(self._queue) > 2 * self._threads:
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


def pack_arrays(
    arrays: Sequence[np.ndarray] | np.ndarray,
    names: Sequence[str] | None = None,
    **options: Any,
) -> bytes:
    """Compress many images into one archive.

    Args:
        arrays: of the kinds that :func:`mulanzip.encode` takes, of any sizes; or one array ``(N, H, W, ...)``.
        names: relative paths with ``/``, all different; ``0.png``, ``1.png`` and so on if not given.
        options: ``model``, ``effort``, ``schedule``, ``device``, ``threads``, ``limits``, as for
            :func:`mulanzip.encode`; ``process``, ``gaussian_model``, as for :class:`ArchiveWriter`.

    Returns:
        the bytes of an archive; :class:`mulanzip.Archive` reads them.

    Raises:
        MulanzipError: as :func:`mulanzip.encode`, or for names that cannot be kept.
        ValueError: if there are not as many names as arrays.
    """
    if names is None:
        digits = len(str(max(0, len(arrays) - 1)))
        names = [f"{i:0{digits}}.png" for i in range(len(arrays))]
    buffer = io.BytesIO()
    with ArchiveWriter(buffer, **options) as writer:
        for array, name in zip(arrays, names, strict=True):
            writer.add(Picture.from_array(array), name)
    return buffer.getvalue()
