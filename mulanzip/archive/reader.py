"""Reading archives: images by name, and all of them group by group."""

from __future__ import annotations

import io
import os
from bisect import bisect
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import BinaryIO

import numpy as np

from mulanzip import api, registry
from mulanzip.codec.stack import decode_stack, stack_hash
from mulanzip.density.runtime import Runtime
from mulanzip.errors import CorruptFileError, MulanzipError
from mulanzip.format.archive import FILE, GROUP, METADATA, Member, digest_of, read_chunk, read_front, unpack_metadata
from mulanzip.image.channels import from_coding_order
from mulanzip.image.picture import Picture
from mulanzip.imageio.metadata import check as check_metadata
from mulanzip.lattice.tile_schedules import TileSchedules
from mulanzip.limits import NO_LIMITS, Limits
from mulanzip.options import Execution
from mulanzip.progress import Progress

#: Groups that are kept decoded.
_KEPT = 16


@dataclass(frozen=True)
class Opened:
    """A part of an archive, decoded.

    Attributes:
        members: the images that are wanted of it.
        pictures: of these, if it is a group.
        file: the ``.mzp`` file that it is.
        error: what is wrong with it; nothing else is there then.
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

    Args:
        source: a path, all bytes, or a file open for reading.
        model, gaussian_model: to try beside the shipped ones.
        device, threads: as for :func:`mulanzip.decode`; limits: what an image may take.

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
        device: str = "auto",
        threads: int | None = None,
        limits: Limits = NO_LIMITS,
    ):
        self._gaussian_model = gaussian_model
        self._model, self._device, self._threads, self._limits = model, device, threads, limits
        self._runtime: Runtime | None = None
        self._kept: OrderedDict[int, list[Picture]] = OrderedDict()
        self._source = io.BytesIO(source) if isinstance(source, bytes) else source
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
        #: Of all images, in order.
        self.names = tuple(self._places)

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
        if number not in self._kept:
            self._kept[number] = self._decode_group(number, self._payload(number))
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        found = self._kept[number][place]
        return self._with_metadata(found, member, self._payloads([member]))

    def matching(self, patterns: Collection[str]) -> list[str]:
        """Names that are one of the patterns, or match one with ``*``, ``?`` or ``[...]``; in order.

        Raises:
            MulanzipError: if a pattern matches none.
        """
        wanted = set()
        for pattern in patterns:
            found = [name for name in self.names if name == pattern or fnmatchcase(name, pattern)]
            if not found:
                raise MulanzipError(f"the archive has no image {pattern} (mulanzip info -v lists them)")
            wanted.update(found)
        return [name for name in self.names if name in wanted]

    def parts(self, names: Sequence[str] | None = None, progress: Progress | None = None) -> Iterator[Opened]:
        """Decode the parts that hold the images that are named, or all, in the order of the file.

        Groups are decoded in several threads; only a few are in memory at a time.  Damaged ones do not stop the rest.

        Args:
            progress: told the share of images that is done.
        """
        wanted: dict[int, list[tuple[Member, int]]] = {}
        for name in self.names if names is None else names:
            member, number, place = self._places[name]
            wanted.setdefault(number, []).append((member, place))
        total, done = sum(map(len, wanted.values())), 0
        threads = self._running().threads if any(self.directory.parts[n].kind == GROUP for n in wanted) else 1
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
                    self._decode_file(opened.file)
                except CorruptFileError as error:
                    opened = Opened(opened.members, error=error)
            if opened.error is not None:
                damaged.append(opened)
        if damaged:
            count = sum(len(opened.members) for opened in damaged)
            raise CorruptFileError(f"{count} of {len(self)} images are damaged: {named(damaged[0].members)}, ...")

    def _begin(self, number: int, wanted: list[tuple[Member, int]], pool: ThreadPoolExecutor) -> Callable[[], Opened]:
        """Read a part, and have it decoded elsewhere."""
        members = [member for member, _ in wanted]
        try:
            payload = self._payload(number)
            if self.directory.parts[number].kind == FILE:
                return partial(Opened, members, file=payload)
            payloads = self._payloads(members)
        except CorruptFileError as error:
            return partial(Opened, members, error=error)
        return pool.submit(self._open_group, number, payload, wanted, payloads).result

    def _open_group(
        self, number: int, payload: bytes, wanted: list[tuple[Member, int]], payloads: dict[int, bytes]
    ) -> Opened:
        members = [member for member, _ in wanted]
        try:
            found = self._decode_group(number, payload)
            return Opened(members, [self._with_metadata(found[place], m, payloads) for m, place in wanted])
        except CorruptFileError as error:
            return Opened(members, error=error)

    def _running(self) -> Runtime:
        if self._runtime is None:
            info = registry.by_id(self.header.model_id, self._model)
            self._runtime = api.open_for_coding(info, 0, Execution(self._device, self._threads, self._limits))
        return self._runtime

    def _decode_group(self, number: int, payload: bytes) -> list[Picture]:
        part = self.directory.parts[number]
        shape = part.shape
        assert shape is not None
        self._limits.check_pixels(shape.height, shape.width)
        sides = (part.count, shape.height, shape.width, shape.channels)
        schedules = TileSchedules((self.header.schedule,))
        if self.header.has_chains(shape.mode):
            from mulanzip.gaussian.exact.chain import decode_tiles

            model = self._gaussian_model or self._model
            planes = decode_tiles(payload, sides, self._running(), schedules, model=model, device=self._device)
        else:
            planes = decode_stack(payload, sides, self._running(), schedules)
        if stack_hash(planes) != part.digest:
            raise CorruptFileError("the samples do not have the hash that the directory promises")
        return [Picture(shape.mode, from_coding_order(p) if shape.channels == 3 else p) for p in planes]

    def _decode_file(self, data: bytes) -> Picture:
        return api.decode_picture(
            data, model=self._model, execution=Execution(self._device, self._threads, self._limits)
        )

    def _opened(self) -> AbstractContextManager[BinaryIO]:
        source = self._source
        return open(source, "rb") if isinstance(source, str | os.PathLike) else nullcontext(source)

    def _payload(self, number: int) -> bytes:
        part = self.directory.parts[number]
        self._limits.require(part.length)
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
        return unpack_metadata(self._payload(number), self.directory.parts[number].count, self._limits)

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
