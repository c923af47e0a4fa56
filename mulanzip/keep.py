"""A source file -> the ``.mzp`` file that keeps the most of it in the fewest bytes, and how much that is.

The file itself is kept wherever that can be done: as the images in it and a skeleton, as JPEG XL, or compressed by a
general-purpose library.  Only PNG files are read as a picture, and made again.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from mulanzip import picture_decoder, picture_encoder
from mulanzip.errors import (
    CorruptFileError,
    GradeError,
    MulanzipError,
    UnreadableImageError,
    UnsupportedImageError,
    VerificationError,
)
from mulanzip.format import container
from mulanzip.format.container import (
    ARCHIVE_SIGNATURE,
    IMAGE,
    SIGNATURE,
    SKELETON,
    STREAMS,
    Chunk,
    Coding,
    Container,
    Header,
)
from mulanzip.image.picture import Picture
from mulanzip.imageio import metadata, png
from mulanzip.imageio.png_original import original as png_original
from mulanzip.imageio.reader import read_picture
from mulanzip.limits import Limits
from mulanzip.options import EncodeOptions, Execution, Grade, Keeping
from mulanzip.registry import ID_BYTES
from mulanzip.streams import gzip_member
from mulanzip.whole import general, jpeg, pieces

if TYPE_CHECKING:
    from mulanzip.source.spans import Spans

#: The file itself is tried where a quick estimate of its size is less than this multiple of the other form's.
_MARGIN = 1.5
#: Bytes that the file itself must save: pixels are of more use.
_WORTH = 128
#: The file itself may take this multiple of the form that gives back its content alone.
_SAME_FILE = 1.05
_ANEW = "compressed streams are written anew: all samples and all other bytes come back"
#: Copies of a file that are made while images are taken out of it.
_COPIES = 4


@dataclass(frozen=True)
class Kept:
    """What became of a source.

    Attributes:
        file: the compressed file; its header has the grade.
        lost: names of what does not come back.
        notes: sentences for the user.
        picture: that was coded; None if the file itself is kept.
    """

    file: Container
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    picture: Picture | None = None

    @property
    def grade(self) -> Grade:
        return self.file.header.grade


def keep(
    source: bytes,
    keeping: Keeping = Keeping(),
    encoding: EncodeOptions = EncodeOptions(),
    execution: Execution = Execution(),
    name: PurePath | None = None,
) -> Kept:
    """Compress a file.

    Args:
        source: its bytes.
        keeping: how much of it is kept.
        name: of the file: some formats are known by their suffix alone.

    Raises:
        UnreadableImageError: if it is no image, or a damaged one.
        UnsupportedImageError: if its pixels are asked for, and cannot be kept exactly.
        GradeError: if less is kept than ``keeping`` requires.
        LimitError, ModelError, ValueError: as :func:`mulanzip.encode`.
    """
    if keeping.pixels or keeping.strip:
        kept = _keep_picture(source, *_read(source, keeping, execution), keeping, encoding, execution)
    else:
        kept = _keep_file(source, keeping, encoding, execution, name)
    if kept.grade < keeping.least:
        what = f"; lost: {', '.join(kept.lost)}" if kept.lost else ""
        raise GradeError(
            f"only its {kept.grade.name.lower()} would come back, and --require asks for the {keeping.require}{what}"
        )
    return kept


def verify(kept: Kept, source: bytes, model: str, execution: Execution = Execution()) -> None:
    """Check that a compressed file gives the source back, or what its grade says.

    Args:
        model: to try beside the shipped ones.

    Raises:
        VerificationError: if it does not.
    """
    try:
        file = container.unpack(kept.file.pack())
        if kept.picture is None:
            restored = picture_decoder.restore_file(file, model=model, execution=execution)
        else:
            picture = picture_decoder.decode_container(file, model=model, execution=execution)
            _compare(picture, kept.picture)
            restored = png_original.restore(file, picture)[0] or b""
    except CorruptFileError as error:
        raise VerificationError(f"verification failed: {error}") from error
    if kept.grade is Grade.FILE and restored != source:
        raise VerificationError("verification failed: the restored file has other bytes than the source")


def _compare(restored: Picture, picture: Picture) -> None:
    """Check that a picture has come back, pixels and metadata.

    Raises:
        VerificationError: if it has not.
    """
    # Decoding has compared the pixels with the header's hash, which is the picture's.
    if restored.metadata != picture.metadata or not np.array_equal(restored.pixels, picture.pixels):
        raise VerificationError("verification failed: the file does not decode to the same image")


def holds(file: Container, source: bytes, keeping: Keeping, execution: Execution = Execution()) -> bool:
    """Whether a compressed file is what became of a source.

    Raises:
        MulanzipError: if the source cannot be read.
    """
    found = _file_hash(file)
    if found is not None and not (keeping.pixels or keeping.strip):
        return found == pieces.file_hash(source)
    if file.header.coding.is_file:
        return False
    picture = _read(source, keeping, execution)[0]
    return file.header.pixel_hash == picture.pixel_hash() and picture_decoder.metadata_of(file) == picture.metadata


def _file_hash(file: Container) -> bytes | None:
    """The hash of the file that comes back; None where none is promised."""
    if file.header.coding.is_file:
        return file.header.pixel_hash
    return next((payload[: png_original.HASH_BYTES] for payload in file.of_kind(png_original.KIND)), None)


def _read(source: bytes, keeping: Keeping, execution: Execution) -> tuple[Picture, list[str]]:
    """The picture with the metadata that are to be kept, and notes."""
    picture, notes = read_picture(io.BytesIO(source), execution.limits)
    lost = () if set(keeping.strip) == set(metadata.STRIPPABLE) else picture.lost
    return replace(picture, metadata=metadata.stripped(picture.metadata, keeping.strip), lost=lost), notes


def _keep_picture(
    source: bytes,
    picture: Picture,
    notes: list[str],
    keeping: Keeping,
    encoding: EncodeOptions,
    execution: Execution,
) -> Kept:
    """The form of a picture; a PNG file comes back where a description of it is small."""
    file = picture_encoder.encode_picture(picture, encoding, execution)
    if not keeping.strip:
        file = png_original.keep(file, source, picture)
    if file.header.grade > Grade.SAMPLES:
        return Kept(file, [], notes, picture)
    asked = ["only pixels and known metadata are kept, as asked"] if keeping.pixels else []
    return Kept(file, list(picture.lost), notes + asked, picture)


def _keep_file(
    source: bytes, keeping: Keeping, encoding: EncodeOptions, execution: Execution, name: PurePath | None
) -> Kept:
    if source.startswith((SIGNATURE, ARCHIVE_SIGNATURE)):
        read_picture(io.BytesIO(source))  # Raises an error that says what to do.
    if (jpeg_file := jpeg.scan(source)) is not None:
        execution.limits.check_pixels(*jpeg_file[1][:2])
        file = pieces.pack(source, execution.limits)
        if file.header.width:
            return Kept(file)
    execution.limits.require(_COPIES * len(source))
    found = None if source.startswith(png.SIGNATURE) else _samples_in(source, execution.limits)
    if found is not None:
        kept = _in_skeleton(source, found, encoding, execution)
        if kept.grade is Grade.FILE or _is_read_alike(kept, source, execution):
            return _smaller(kept, source, execution)
        return Kept(pieces.pack(source, execution.limits))
    try:
        picture, notes = _read(source, keeping, execution)
    except (UnreadableImageError, UnsupportedImageError) as error:
        return _store(source, error, keeping, execution, name)
    if source.startswith(png.SIGNATURE):
        kept = _keep_picture(source, picture, notes, keeping, encoding, execution)
        if kept.grade > Grade.SAMPLES:
            return _smaller(kept, source, execution)
    return Kept(pieces.pack(source, execution.limits))


def _samples_in(source: bytes, limits: Limits) -> Spans | None:
    """The images that lie uncompressed in a file, or in streams that can be made again."""
    from mulanzip.source import spans  # Only now: parsers of many formats take time.

    return spans.find(source, limits)


def _in_skeleton(source: bytes, found: Spans, encoding: EncodeOptions, execution: Execution) -> Kept:
    """The images of a file, and its skeleton."""
    from mulanzip.source import holes, table
    from mulanzip.whole.skeleton import Skeleton
    from mulanzip.whole.streams import StreamsChunk

    for picture in found.pictures:
        execution.limits.check_pixels(*picture.pixels.shape[:2])
    total = sum(picture.pixels.size for picture in found.pictures)
    images, done = list[Chunk](), 0
    for picture in found.pictures:
        part = execution.part(done / total, (done + picture.pixels.size) / total)
        images.append(Chunk(IMAGE, picture_encoder.encode_picture(picture, encoding, part).pack()))
        done += picture.pixels.size
    first = found.pictures[0]
    size = found.streams.size if found.streams else len(source)
    is_shown = (found.streams is None or found.streams.takes_any_samples) and _shows(source, first, execution)
    skeleton = Skeleton(size, table.pack(found.holes), found.skeleton, is_shown)
    chunks, grade = [Chunk(SKELETON, skeleton.pack())], Grade.FILE
    if found.streams is not None:
        expanded = holes.restore(found.skeleton, found.holes, [picture.pixels for picture in found.pictures])
        chunks.append(Chunk(STREAMS, StreamsChunk.of(expanded, found.streams).pack()))
        grade = Grade.FILE if found.streams.is_exact else Grade.CONTENT
    header = Header(
        first.mode,
        Coding.SKELETON,
        first.pixels.shape[1],
        first.pixels.shape[0],
        0,
        bytes(ID_BYTES),
        pieces.file_hash(source),
        first.depth,
        first.is_signed,
        first.bands,
        grade,
    )
    return Kept(Container(header, (*chunks, *images)), [], [_ANEW] if grade is Grade.CONTENT else [])


def _is_read_alike(kept: Kept, source: bytes, execution: Execution) -> bool:
    """Whether readers see the same picture in a source and what comes back of it; of gzip files, the same content."""
    try:
        restored = picture_decoder.restore_file(kept.file, execution=execution)
        if gzip_member.is_mine(source):
            members, others = (list(gzip_member.members(data, execution.limits)) for data in (restored, source))
            return [one.content for one in members] == [one.content for one in others]
        _compare(*(read_picture(io.BytesIO(data), execution.limits)[0] for data in (restored, source)))
    except MulanzipError:
        return False
    return True


def _shows(source: bytes, first: Picture, execution: Execution) -> bool:
    """Whether readers of a file show this picture."""
    try:
        picture = read_picture(io.BytesIO(source), execution.limits)[0]
    except MulanzipError:
        return False
    return picture.pixel_hash() == first.pixel_hash() and picture.depth == first.depth


def _smaller(kept: Kept, source: bytes, execution: Execution) -> Kept:
    """What was kept, or the file itself where that is smaller: repetition at a distance is for a general compressor."""
    if general.quick_size(source) < _MARGIN * kept.file.size:
        file = pieces.pack(source, execution.limits)
        allowed = kept.file.size - _WORTH if kept.grade is Grade.FILE else _SAME_FILE * kept.file.size
        if file.size < allowed:
            return Kept(file)
    return kept


def _store(source: bytes, error: MulanzipError, keeping: Keeping, execution: Execution, name: PurePath | None) -> Kept:
    """A file whose pixels cannot be read is kept as it is, or refused."""
    from mulanzip.imageio import foreign

    kind = foreign.kind_of(source, name)
    is_image = isinstance(error, UnsupportedImageError) or kind is not None
    if keeping.only_modelled or not (is_image or keeping.everything):
        raise error
    why = f"{kind} files are not coded by the model" if kind is not None else str(error)
    return Kept(pieces.pack(source, execution.limits), notes=[f"kept as it is: {why}"])
