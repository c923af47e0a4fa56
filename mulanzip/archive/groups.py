"""Groups of images of one size -> parts of an archive, by the process that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mulanzip import registry
from mulanzip.codec.stack import encode_stack, stack_hash
from mulanzip.density.runtime import Runtime
from mulanzip.format.archive import ERASURE, GAUSSIAN, GROUP, ArchiveChunk, Header, Shape
from mulanzip.lattice.tile_schedules import TileSchedules

if TYPE_CHECKING:
    from mulanzip.gaussian.exact.chain import Chain

PROCESSES = ("erasure", "gaussian", "auto")
#: Pixels of a group: so many that its marks do not count, so few that one image of it is soon decoded.  A chain has
#: more, for its first images are coded by the erasure process.
_PIXELS, _CHAIN_PIXELS = 1 << 16, 1 << 18


@dataclass(frozen=True)
class CodedGroup:
    """Attributes: part, payload: for the archive; chain: what is known of it, if it is one."""

    part: ArchiveChunk
    payload: bytes
    chain: Chain | None = None


class GroupCoder:
    """Codes groups.

    Args:
        process: one of :data:`PROCESSES`.
        runtime, schedules: of the erasure process.
        gaussian_model: name or path; needed unless the process is ``erasure``.
        device: as for :func:`mulanzip.encode`.

    Raises:
        ModelError: if that model cannot be used.
        ValueError: for an unknown process.
    """

    def __init__(self, process: str, runtime: Runtime, schedules: TileSchedules, gaussian_model: str, device: str):
        if process not in PROCESSES:
            raise ValueError(f"unknown process {process!r}; use one of {', '.join(PROCESSES)}")
        self._process, self._runtime, self._schedules = process, runtime, schedules
        self._gaussian = None
        if process != "erasure":
            from mulanzip.gaussian.exact.runtime import open_gaussian

            self._gaussian = open_gaussian(registry.find(gaussian_model, "gaussian"), device)

    def header(self, model_id: bytes) -> Header:
        """Of the archive."""
        return Header(model_id, self._schedules.header_value, ERASURE if self._gaussian is None else GAUSSIAN)

    def most(self, shape: Shape) -> int:
        """Images of a group."""
        pixels = _CHAIN_PIXELS if self._chains(shape) else _PIXELS
        return max(1, pixels // (shape.height * shape.width))

    def encode(self, stack: np.ndarray, shape: Shape) -> CodedGroup:
        """Code a group: uint8 ``(B, H, W, C)`` in coding order of colours."""
        chain = None
        if self._gaussian is None or not self.header(b"").has_chains(shape.mode):
            payload = encode_stack(stack, self._runtime, self._schedules)
        else:
            from mulanzip.gaussian.exact import chain as tiles

            forms = []
            if self._chains(shape):
                forms.append(tiles.encode_tiles(stack, self._gaussian, self._runtime, self._schedules))
            if not forms or self._process == "auto":
                forms.append(tiles.encode_initial_images(stack, self._runtime, self._schedules))
            chain = min(forms, key=lambda form: len(form.data))
            payload = chain.data
        return CodedGroup(ArchiveChunk(GROUP, len(payload), len(stack), stack_hash(stack), shape), payload, chain)

    def _chains(self, shape: Shape) -> bool:
        if self._gaussian is None:
            return False
        return (shape.height, shape.width, shape.channels) == self._gaussian.shape
