"""An archive -> images, one by one by their names, or all of them group by group."""

from __future__ import annotations

import io
import os
import threading
from bisect import bisect
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import BinaryIO

import numpy as np

from mulanzip import open_model, picture_decoder, registry
from mulanzip.codec.stack import decode_stack, stack_hash
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError, MulanzipError
from mulanzip.format import container
from mulanzip.format.archive import FILE, GROUP, METADATA, Member, digest_of, read_chunk, read_front, unpack_metadata
from mulanzip.image.channels import from_coding_order
from mulanzip.image.picture import Picture
from mulanzip.imageio.metadata import check as check_metadata
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import Limits
from mulanzip.options import Execution
from mulanzip.progress import Progress

#: Number of decoded groups that are kept.
_KEPT = 16


@dataclass(frozen=True)
class Opened:
    """A decoded part of an archive.

    Attributes:
        members: the images of the part that were asked for.
        pictures: their pictures, if the part is a group.
        file: the bytes of a ``.mzp`` file, if the part is one.
        error: the error where the part is damaged; it has neither pictures nor a file then.
    """

    members: list[Member]
    pictures: list[Picture] = field(default_factory=list)
    file: bytes | None = None
    error: CorruptFileError | None = None


class Archive(Mapping[str, np.ndarray]):
    """The images of an archive by name, in the order in which they were packed::

        archive = mulanzip.Archive("set.mzp")
        archive.names, len(archive), archive["a.png"]
        for name, image in archive.items(): ...

    A file is open only while it is read.  A group is decoded when one of its images is asked for, and kept for the
    next ones.

    Several threads may use one archive at the same time.  A file open for reading must not be used by others meanwhile.

    Args:
        source: a path, all bytes, or a file open for reading.
        model, gaussian_model: to try beside the shipped ones.
        device, threads: as for :func:`mulanzip.decode`.
        limits: maximum size of one image, and of the memory for it.

    Raises:
        CorruptFileError: if the archive is damaged: here if its directory is, later if an image is.
        ModelError: if the model that made it is not here; when it is needed.
        LimitError, OSError
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        model: str | None = None,
        gaussian_model: str | None = None,
        device: str = Execution.device,
        threads: int | None = Execution.threads,
        limits: Limits = Execution.limits,
    ):
        self._model, self._gaussian_model = model, gaussian_model
        self._execution = Execution(device, threads, limits)
        self._reading = threading.Lock()
        self._keeping = threading.Lock()
        self._kept: OrderedDict[int, Future[list[Picture]]] = OrderedDict()
        self._source = source
        with self._opened() as file:
            self.header, self.directory = read_front(file, limits)
        self._starts = self.directory.starts()
        self._places = {member.name: (member, part, place) for member, part, place in self.directory.places()}
        # Number of the first payload in each part with metadata, and that of the part.
        self._metadata: list[tuple[int, int]] = []
        first = 0
        for number, part in enumerate(self.directory.parts):
            if part.kind == METADATA:
                self._metadata.append((first, number))
                first += part.count
        #: The names of all images, in order.
        self.names = tuple(self._places)

    def __reduce__(self) -> tuple[Callable[[], Archive], tuple[()]]:
        """A copy in another process reads the source again; that must be a path or bytes."""
        execution = self._execution
        again = partial(
            Archive,
            self._source,
            model=self._model,
            gaussian_model=self._gaussian_model,
            device=execution.device,
            threads=execution.threads,
            limits=execution.limits,
        )
        return again, ()

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> np.ndarray:
        """An image as :func:`mulanzip.decode` gives it.

        Raises:
            KeyError: if there is none of this name.
            CorruptFileError: if it is damaged.
        """
        return self.picture(name).to_array()

    def picture(self, name: str) -> Picture:
        """The same with mode and metadata."""
        member, number, place = self._places[name]
        if member.shape is None:
            return self._decode_file(self._payload(number))
        found = self._with_metadata(self._group(number)[place], member, self._payloads([member]))
        return replace(found, pixels=found.pixels.copy())  # Callers may change them, and the group is kept.

    def _group(self, number: int) -> list[Picture]:
        """A group, from those that are kept if possible; threads that ask for one at the same time decode it once."""
        with self._keeping:
            group = self._kept.get(number)
            is_new = group is None
            if group is None:
                group = self._kept[number] = Future()
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)
        if is_new:
            try:
                group.set_result(self._decode_group(number, self._payload(number)))
            except BaseException as error:
                with self._keeping:
                    if self._kept.get(number) is group:
                        del self._kept[number]
                group.set_exception(error)
        return group.result()

    def matching(self, patterns: Collection[str]) -> list[str]:
        """Names that equal a pattern, or match one with ``*``, ``?`` or ``[...]``; in the order of the archive.

        Raises:
            MulanzipError: if a pattern matches none.
        """
        wanted = set()
        for pattern in patterns:
            found = [name for name in self.names if name == pattern or fnmatchcase(name, pattern)]
            if not found:
                raise MulanzipError(f"the archive has no image {pattern} (mulanzip info -v lists its images)")
            wanted.update(found)
        return [name for name in self.names if name in wanted]

    def parts(self, names: Sequence[str] | None = None, progress: Progress | None = None) -> Iterator[Opened]:
        """Decode the parts that hold the images of these names, in the order of the archive.

        Groups are decoded in several threads; only a few are in memory at a time.  Damaged parts do not stop the rest.

        Args:
            names: all by default.
            progress: called with the share of images that is done, 0 to 1.
        """
        wanted: dict[int, list[tuple[Member, int]]] = {}
        for name in self.names if names is None else names:
            member, number, place = self._places[name]
            wanted.setdefault(number, []).append((member, place))
        total, done = sum(map(len, wanted.values())), 0
        threads = self._runtime.threads if any(self.directory.parts[n].kind == GROUP for n in wanted) else 1
        queue: deque[Callable[[], Opened]] = deque()
        pool = ThreadPoolExecutor(threads)
        try:
            numbers = iter(sorted(wanted))
            while True:
                for number in numbers:
                    queue.append(self._begin(number, wanted[number], pool))
                    if len(queue) > 2 * threads:
                        break
                if not queue:
                    return
                opened = queue.popleft()()
                yield opened
                done += len(opened.members)
                if progress is not None:
                    progress(done / total)
        finally:
            pool.shutdown(cancel_futures=True)

    def check(self, progress: Progress | None = None) -> None:
        """Decode everything and compare all hashes.

        Raises:
            CorruptFileError: naming the images that are damaged.
        """
        self._check_metadata()
        damaged: list[Opened] = []
        for opened in self.parts(progress=progress):
            if opened.file is not None:
                try:
                    file = container.unpack(opened.file)
                    picture_decoder.check_container(file, model=self._model, execution=self._execution)
                except CorruptFileError as error:
                    opened = Opened(opened.members, error=error)
            if opened.error is not None:
                damaged.append(opened)
        if damaged:
            count = sum(len(opened.members) for opened in damaged)
            raise CorruptFileError(f"{count} of {len(self)} images are damaged: {named(damaged[0].members)}, ...")

    def _begin(self, number: int, wanted: list[tuple[Member, int]], pool: ThreadPoolExecutor) -> Callable[[], Opened]:
        """Read a part, and start to decode it; the result waits for it."""
        members = [member for member, _ in wanted]
        try:
            payload = self._payload(number)
            if self.directory.parts[number].kind == FILE:
                return partial(Opened, members, file=payload)
            payloads = self._payloads(members)
        except CorruptFileError as error:
            return partial(Opened, members, error=error)
        run = copy_context().run  # Notes and timings of the group are the caller's.
        return pool.submit(run, self._open_group, number, payload, wanted, payloads).result

    def _open_group(
        self, number: int, payload: bytes, wanted: list[tuple[Member, int]], payloads: dict[int, bytes]
    ) -> Opened:
        members = [member for member, _ in wanted]
        try:
            found = self._decode_group(number, payload)
            return Opened(members, [self._with_metadata(found[place], m, payloads) for m, place in wanted])
        except CorruptFileError as error:
            return Opened(members, error=error)

    @cached_property
    def _runtime(self) -> Runtime:
        info = registry.by_id(self.header.model_id, self._model)
        return open_model.open_for_coding(info, 0, self._execution)

    def _decode_group(self, number: int, payload: bytes) -> list[Picture]:
        part = self.directory.parts[number]
        shape = part.shape
        assert shape is not None
        self._execution.limits.check_pixels(shape.height, shape.width)
        sides = (part.count, shape.height, shape.width, shape.channels)
        schedules = TileSchedules((self.header.schedule,))
        if self.header.has_chains(shape.mode):
            from mulanzip.gaussian.exact.chain import decode_tiles

            model = self._gaussian_model or self._model
            planes = decode_tiles(payload, sides, self._runtime, schedules, model=model, device=self._execution.device)
        else:
            if shape.channels > self._runtime.model.config.colours:
                raise CorruptFileError("images have colours, and the archive names a model of gray images")
            planes = decode_stack(payload, sides, self._runtime, schedules)
        if stack_hash(planes) != part.digest:
            raise CorruptFileError("the samples do not have the hash that the directory promises")
        return [Picture(shape.mode, from_coding_order(p) if shape.channels == 3 else p) for p in planes]

    def _decode_file(self, data: bytes) -> Picture:
        return picture_decoder.decode_picture(data, model=self._model, execution=self._execution)

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        """The archive, open for reading; an open file is one thread's at a time, for its position is shared."""
        if isinstance(self._source, str | os.PathLike):
            with open(self._source, "rb") as file:
                yield file
        elif isinstance(self._source, bytes):
            yield io.BytesIO(self._source)
        else:
            with self._reading:
                yield self._source

    def _payload(self, number: int) -> bytes:
        part = self.directory.parts[number]
        self._execution.limits.require(part.length)
        with self._opened() as file:
            payload = read_chunk(file, self._starts[number], part.kind, part.length)
        if part.kind != GROUP and digest_of(payload) != part.digest:
            raise CorruptFileError("a part of the archive is damaged (its hash is wrong)")
        return payload

    def _payloads(self, members: Sequence[Member]) -> dict[int, bytes]:
        """The metadata that some images need, by number."""
        found: dict[int, bytes] = {}
        for wanted in {number for member in members for number in member.metadata.values()}:
            if wanted not in found:
                first, number = self._metadata[bisect(self._metadata, (wanted, len(self._starts))) - 1]
                found.update(enumerate(self._metadata_in(number), first))
        return found

    def _metadata_in(self, number: int) -> list[bytes]:
        return unpack_metadata(self._payload(number), self.directory.parts[number].count, self._execution.limits)

    def _with_metadata(self, picture: Picture, member: Member, payloads: dict[int, bytes]) -> Picture:
        metadata = {kind: payloads[number] for kind, number in member.metadata.items()}
        check_metadata(metadata, picture.mode)
        return Picture(picture.mode, picture.pixels, metadata=metadata)

    def _check_metadata(self) -> None:
        for _, number in self._metadata:
            self._metadata_in(number)


def named(members: Sequence[Member]) -> str:
    """``a.png``, or ``a.png to z.png``."""
    return members[0].name if len(members) == 1 else f"{members[0].name} to {members[-1].name}"
