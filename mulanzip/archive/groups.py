"""Groups of images of one size -> parts of an archive."""

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
#: Pixels of a group: enough that its overhead is negligible, few enough for random access.  A chain has more, because
#: the erasure process codes its first images.
_PIXELS, _CHAIN_PIXELS = 1 << 16, 1 << 18


@dataclass(frozen=True)
class GroupOptions:
    """How groups of images are coded.

    Attributes:
        process: ``erasure``; ``gaussian``, which codes RGB images of the size of ``gaussian_model`` in chains; or
            ``auto``: whichever makes the group smaller.
        gaussian_model: name of a shipped model of Gaussian noise, or path of a model file.
    """

    process: str = "erasure"
    gaussian_model: str = registry.DEFAULT_GAUSSIAN_MODEL


@dataclass(frozen=True)
class CodedPart:
    """A part of an archive.

    Attributes:
        part: its entry in the directory.
        payload: its bytes.
        chain: the chain, if the part is a group that is one.
    """

    part: ArchiveChunk
    payload: bytes
    chain: Chain | None = None


class GroupCoder:
    """Codes groups.

    Args:
        options: the process, and the model of Gaussian noise for it.
        runtime, schedules: of the erasure process.
        device: as for :func:`mulanzip.encode`.

    Raises:
        ModelError: if the model of Gaussian noise cannot be used.
        ValueError: for an unknown process.
    """

    def __init__(self, options: GroupOptions, runtime: Runtime, schedules: TileSchedules, device: str):
        if options.process not in PROCESSES:
            raise ValueError(f"unknown process {options.process!r}; use one of {', '.join(PROCESSES)}")
        self._process, self._runtime, self._schedules = options.process, runtime, schedules
        self._gaussian = None
        if options.process != "erasure":
            from mulanzip.gaussian.exact.runtime import open_gaussian

            self._gaussian = open_gaussian(registry.find(options.gaussian_model, "gaussian"), device)

    def header(self, model_id: bytes) -> Header:
        """The header of the archive."""
        return Header(model_id, self._schedules.header_value, ERASURE if self._gaussian is None else GAUSSIAN)

    def most(self, shape: Shape) -> int:
        """Maximum number of images of a group."""
        pixels = _CHAIN_PIXELS if self._chains(shape) else _PIXELS
        return max(1, pixels // (shape.height * shape.width))

    def encode(self, stack: np.ndarray, shape: Shape) -> CodedPart:
        """Code a group: uint8 ``(B, H, W, C)`` in coding order of the channels."""
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
        return CodedPart(ArchiveChunk(GROUP, len(payload), len(stack), stack_hash(stack), shape), payload, chain)

    def _chains(self, shape: Shape) -> bool:
        if self._gaussian is None:
            return False
        return (shape.height, shape.width, shape.channels) == self._gaussian.shape
