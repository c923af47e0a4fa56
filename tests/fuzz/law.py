"""The law for any bytes: only our own exceptions, the right picture or none, within bounds of time and memory."""

from __future__ import annotations

import io
import tempfile
import time
import zlib
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from support.models import ONE_THREAD

from fuzz import seeds
from fuzz.mutation import damaged
from mulanzip import picture_decoder
from mulanzip.archive.reader import Archive
from mulanzip.errors import (
    CorruptFileError,
    MulanzipError,
    UnreadableImageError,
    UnsupportedImageError,
    VerificationError,
)
from mulanzip.format import container
from mulanzip.format.container import ARCHIVE_SIGNATURE, SIGNATURE, STREAMS, Coding, Header
from mulanzip.image.metadata import RESOLUTION
from mulanzip.image.picture import Picture
from mulanzip.imageio.reader import read_picture
from mulanzip.inspect import info, ledger
from mulanzip.inspect.salvage import salvage
from mulanzip.jobs import pack
from mulanzip.jobs.compress import compress_file
from mulanzip.jobs.restore import decompress_file
from mulanzip.limits import Limits
from mulanzip.options import Execution
from mulanzip.source import spans as sources
from mulanzip.source import table
from mulanzip.source.holes import restore
from mulanzip.streams import table as streams_table
from mulanzip.streams.expanded import Streams, remake
from mulanzip.whole import pieces

#: Seconds of processor time that one input may take.
MAX_SECONDS = 20.0
#: Limits for compressed files, and below for images.
_LIMITS = Limits(memory=900 << 20)
_EXECUTION = Execution(threads=1, limits=_LIMITS)
_IMAGE_LIMITS = Limits(memory=256 << 20)
#: Bytes of a file that is made of its expanded form.
_MAX_REMADE = 1 << 24
#: Number of samples; larger images are read, but not compressed.
_MAX_COMPRESSED = 1 << 12


class Violation(AssertionError):
    """The law was broken."""


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Violation(what)


@cache
def _originals() -> dict[bytes, Picture]:
    """Pictures of the seeds, by the hash of their pixels."""
    return {
        p.pixel_hash(): p
        for p in (picture_decoder.decode_picture(d, execution=ONE_THREAD) for d in seeds.compressed().values())
    }


def check(data: bytes) -> str:
    """Use an input in all ways, and describe the outcome in a few words.

    Raises:
        Violation: if the law is broken.  Exceptions that are not our own pass through.
    """
    start = time.process_time()
    if data.startswith(ARCHIVE_SIGNATURE):
        outcome = _check_archive(data)
    else:
        outcome = _check_compressed(data) if data.startswith(SIGNATURE) else _check_image(data)
    seconds = time.process_time() - start
    _require(seconds < MAX_SECONDS, f"it took {seconds:.1f} seconds")
    return outcome


def _check_compressed(data: bytes) -> str:
    try:
        picture = picture_decoder.decode_picture(data, execution=_EXECUTION)
    except MulanzipError as error:
        outcome = _check_error(error)
    else:
        outcome = _check_picture(data, picture)
    _use_otherwise(data, zlib.crc32(data) % 8)
    return outcome


def _check_error(error: MulanzipError, exit_codes: tuple[int, ...] = (4, 5, 6, 7)) -> str:
    """Check an error, by default of a compressed file, and return its name."""
    _require(error.exit_code in exit_codes, f"exit code {error.exit_code}: {error}")
    _require(0 < len(str(error).splitlines()) < 2, f"a message of several lines: {error}")
    return type(error).__name__


def _check_picture(data: bytes, picture: Picture) -> str:
    header = Header.unpack(data)
    promised = header.pixel_hash
    if header.coding.is_file:
        file = container.unpack(data)
        try:
            restored = picture_decoder.restore_file(file, execution=_EXECUTION)
        except MulanzipError as error:  # A picture may be shown without the images behind it.
            return f"the picture of a kept file, then {_check_error(error)}"
        if pieces.file_hash(restored) != promised:
            _require(bool(file.of_kind(STREAMS)), "the file does not have the promised hash")
            return "a kept file with other streams"
        return "a kept file"
    _require(picture.pixel_hash() == promised, "the pixels do not have the promised hash")
    original = _originals().get(promised)
    if original is None:
        return "another picture, whole"
    same = np.array_equal(picture.pixels, original.pixels) and picture.palette == original.palette
    _require(same and picture.mode == original.mode, "a wrong picture under the right hash")
    return "the original picture"


def _use_otherwise(data: bytes, way: int) -> None:
    """Use a compressed file in one more way, which ``way`` chooses."""
    try:
        match way:
            case 0:
                container.read_front(io.BytesIO(data))
            case 1:
                info.describe(container.unpack(data), len(data))
            case 2:
                _check_salvaged(data)
            case 3:
                picture_decoder.decode_picture(data, scale=2 << zlib.crc32(data[::-1]) % 3, execution=_EXECUTION)
            case 4 if container.unpack(data).header.coding is Coding.MODEL:
                ledger.ledger(data, threads=1)
            case 5 | 6 | 7:
                suffix = (".png", ".png", ".tif")[way - 5]
                decompress_file(io.BytesIO(data), io.BytesIO(), suffix=suffix, verify=True, threads=1, limits=_LIMITS)
    except VerificationError:
        raise
    except MulanzipError:
        pass


def _check_salvaged(data: bytes) -> None:
    salvaged = salvage(data, execution=_EXECUTION)
    original = _originals().get(Header.unpack(data).pixel_hash)
    if original is not None and original.pixels.shape == salvaged.picture.pixels.shape:
        trusted = salvaged.trusted
        same = np.array_equal(salvaged.picture.pixels[trusted], original.pixels[trusted])
        _require(same, "salvaged pixels that are not the original's")


@cache
def _packed() -> dict[tuple[bytes, int], np.ndarray]:
    """Pixels of the seeds that are archives, by the hash of their part and their place in it."""
    found = {}
    for archive in (Archive(data, threads=1) for data in seeds.archives().values()):
        for member, part, place in archive.directory.places():
            found[archive.directory.parts[part].digest, place] = archive.picture(member.name).pixels
    return found


def _check_archive(data: bytes) -> str:
    try:
        archive = Archive(data, threads=1, limits=_LIMITS)
    except MulanzipError as error:
        return _check_error(error)
    reasons = set()
    for member, part, place in archive.directory.places():
        try:
            pixels = archive.picture(member.name).pixels
        except MulanzipError as error:
            reasons.add(_check_error(error))
        else:
            original = _packed().get((archive.directory.parts[part].digest, place))
            same = original is None or np.array_equal(pixels, original)
            _require(same, "a wrong picture under the hash of an original's part")
    outcome = f"an archive, {', '.join(sorted(reasons)) or 'whole'}"
    if zlib.crc32(data) % 2:
        return outcome
    try:
        archive.check()
    except MulanzipError as error:
        _check_error(error)
    else:
        _require(not reasons, "a damaged archive passed the check")
    _check_unpacked(data)
    return outcome


def _check_unpacked(data: bytes) -> None:
    """Unpacking writes only below its folder."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "in", "here")
        try:
            pack.unpack(io.BytesIO(data), folder, threads=1, limits=_LIMITS, report=lambda *_: None)
        except MulanzipError as error:
            _check_error(error, (1, 4, 5, 6, 7))
        outside = [path for path in Path(top).rglob("*") if folder not in (path, *path.parents)]
        _require(outside in ([], [folder.parent]), f"files beside the folder: {outside}")


def check_source(data: bytes) -> str:
    """Take a file apart, put it together, and do so with a damaged table.

    Raises:
        Violation: if the law is broken.  Exceptions that are not our own pass through.
    """
    start = time.process_time()
    sources.find(data)
    file = sources.expanded(data)
    spans = sources.take(file.data, sources.stacked(sources.choose(file.data, file.images)))
    outcome = "left whole"
    if spans is not None:
        images = [picture.pixels for picture in spans.pictures]
        holes = table.pack(spans.holes)
        restored = restore(spans.skeleton, table.unpack(holes), images)
        _require(restored == file.data, "another file came back")
        try:
            restore(spans.skeleton, table.unpack(damaged(Random(zlib.crc32(data)), holes, [holes])), images)
        except CorruptFileError as error:
            _check_error(error)
        outcome = "taken apart"
    if file.streams is not None:
        _check_streams(data, file.data, file.streams)
        outcome = "expanded"
    seconds = time.process_time() - start
    _require(seconds < MAX_SECONDS, f"it took {seconds:.1f} seconds")
    return outcome


def _check_streams(data: bytes, expanded: bytes, streams: Streams) -> None:
    """Make a file of its expanded form, and do so with a damaged table."""
    packed = streams_table.pack(streams)
    made = remake(expanded, streams_table.unpack(packed))
    _require(made == data or not streams.is_exact, "other streams came back")
    try:
        broken = streams_table.unpack(damaged(Random(zlib.crc32(data)), packed, [packed]))
        if broken.source_size < _MAX_REMADE:
            remake(expanded, broken)
    except (CorruptFileError, UnsupportedImageError) as error:
        _check_error(error)


def _check_image(data: bytes) -> str:
    try:
        picture, _ = read_picture(io.BytesIO(data), _IMAGE_LIMITS)
        if picture.pixels.size > _MAX_COMPRESSED:
            return "an image"
        compressed, restored = io.BytesIO(), io.BytesIO()
        compress_file(io.BytesIO(data), compressed, effort=1, threads=1)
        compressed.seek(0)
        decompress_file(compressed, restored, suffix=".png", threads=1)
    except VerificationError:
        raise
    except MulanzipError as error:
        return _check_error(error, (1, 6))
    restored.seek(0)
    try:
        again, _ = read_picture(restored)
    except UnreadableImageError as error:
        raise Violation(f"the restored file cannot be read: {error}") from error
    _require(again.pixel_hash() == picture.pixel_hash(), "the restored file has other pixels")
    _require(_rounded(again) == _rounded(picture), "the restored file has other metadata")
    return "restored"


def _rounded(picture: Picture) -> dict[bytes, bytes]:
    """Metadata without the resolution, which PNG rounds to whole pixels per metre."""
    return {kind: payload for kind, payload in picture.metadata.items() if kind != RESOLUTION}
