"""Pictures -> ``.mzp`` files: the model's form, or the stored one where that is smaller."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING

from mulanzip import registry
from mulanzip.errors import UnsupportedImageError
from mulanzip.format.container import CHAIN, SEGMENT, STACK, STORED, Chunk, Coding, Container, Header
from mulanzip.image.channels import colours_of
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.image.picture import Picture
from mulanzip.open_model import open_for_coding
from mulanzip.options import EncodeOptions, Execution

if TYPE_CHECKING:
    from mulanzip.encoder.effort import SearchPlan

#: Images with at most this number of samples are tried as stored images, too.
_SMALL = 1 << 14
#: An image is tried as a stored one where its quickly estimated stored size is less than this multiple of the model's.
_QUICK_MARGIN = 1.04
#: Contexts are fitted unless the model without one makes more than this multiple of the stored form.
_OUT_OF_REACH = 1.5
_WITHOUT_MODEL = (Mode.PALETTE, Mode.BILEVEL)


def encode_picture(
    picture: Picture, options: EncodeOptions = EncodeOptions(), execution: Execution = Execution()
) -> Container:
    """Compress a picture and its metadata.

    Raises:
        UnsupportedImageError, LimitError, ModelError, ValueError: as :func:`encode`.
    """
    from mulanzip.encoder.effort import SearchPlan
    from mulanzip.imageio import stored as stored_form

    plan = SearchPlan.of(options)
    metadata = tuple(
        Chunk(kind, zlib.compress(picture.metadata[kind], 9)) for kind in KINDS if kind in picture.metadata
    )
    candidates = []
    is_for_model = picture.mode not in _WITHOUT_MODEL
    is_tried = options.stored and _has_stored_chance(picture)
    is_quick = is_for_model and is_tried and plan.fit_steps(*picture.pixels.shape[:2]) > 0
    if is_for_model:
        candidates.append(
            _encode_with_model(picture, options.model, plan.quick(), execution.silent())
            if is_quick
            else _encode_with_model(picture, options.model, plan, execution)
        )
    if (
        not candidates
        or is_tried
        or (options.stored and stored_form.quick_size(picture) < _QUICK_MARGIN * candidates[0].payload_size)
    ):
        candidates.append(_store(picture, candidates[0].payload_size if candidates else None))
    if is_quick and candidates[0].payload_size < _OUT_OF_REACH * candidates[-1].payload_size:
        candidates[0] = _encode_with_model(picture, options.model, plan, execution)
    best = min(candidates, key=lambda file: file.payload_size)
    if plan.is_judged and best.header.coding is Coding.STORED:
        stored = stored_form.refined(picture, best.of_kind(STORED)[0])
        best = replace(best, chunks=(Chunk(STORED, stored),))
    stack = (Chunk(STACK, b""),) if picture.is_stack else ()
    return replace(best, chunks=(*metadata, *stack, *best.chunks))


def _has_stored_chance(picture: Picture) -> bool:
    """Whether the stored form takes next to no time, or may be the smaller one."""
    from mulanzip.imageio import stored as stored_form

    return picture.is_deep or picture.pixels.size <= _SMALL or stored_form.looks_drawn(picture)


def _store(picture: Picture, rival: int | None) -> Container:
    from mulanzip.imageio import stored as stored_form

    header = _header(picture, Coding.STORED, 0, bytes(registry.ID_BYTES))
    return Container(header, (Chunk(STORED, stored_form.store(picture, rival)),))


def _encode_with_model(picture: Picture, model: str, plan: SearchPlan, execution: Execution) -> Container:
    from mulanzip.codec.neighbours import MAX_DISTANCE
    from mulanzip.encoder.image import encode_image

    info = registry.suited(model, colours_of(picture.mode))
    if info.kind == "gaussian":
        return _encode_in_chain(picture, info, execution)
    kept = min(picture.bands, MAX_DISTANCE) * picture.pixels[..., 0].size * (picture.pixels.itemsize + 1)
    runtime = open_for_coding(info, picture.pixels.nbytes, execution, kept)
    others = registry.others(model, colours_of(picture.mode)) if plan.tries_models else ()
    if others:
        from mulanzip.encoder.model_choice import choose_model

        runtimes = [runtime, *(open_for_coding(other, picture.pixels.nbytes, execution, kept) for other in others)]
        index = choose_model(picture, runtimes)
        info, runtime = (info, *others)[index], runtimes[index]
    coded = encode_image(picture, runtime, plan, execution.progress)
    header = _header(picture, Coding.MODEL, coded.side.schedule, info.model_id)
    segments = (Chunk(SEGMENT, payload) for payload in coded.payloads)
    return Container(header, (*coded.side.chunks(header), *segments))


def _encode_in_chain(picture: Picture, info: registry.ModelInfo, execution: Execution) -> Container:
    """Compress with a model of Gaussian noise."""
    if picture.mode is not Mode.RGB or picture.is_deep:
        raise UnsupportedImageError(f"{info.name} is a model of Gaussian noise, for RGB images of 8 bits alone")
    from mulanzip.gaussian.exact.runtime import open_gaussian
    from mulanzip.gaussian.exact.tiled_image import encode_tiled_image as encode_tiles

    first_tiles = registry.find(registry.DEFAULT_MODEL)
    runtime = open_for_coding(first_tiles, picture.pixels.nbytes, execution)
    data = encode_tiles(picture.pixels, open_gaussian(info, execution.device), runtime, execution.progress)
    return Container(_header(picture, Coding.CHAIN, 0, first_tiles.model_id), (Chunk(CHAIN, data),))


def _header(picture: Picture, coding: Coding, schedule: int, model_id: bytes) -> Header:
    height, width = picture.pixels.shape[:2]
    return Header(
        picture.mode,
        coding,
        width,
        height,
        schedule,
        model_id,
        picture.pixel_hash(),
        depth=picture.depth,
        signed=picture.is_signed,
        bands=picture.bands,
    )
