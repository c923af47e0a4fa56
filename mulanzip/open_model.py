"""A model, ready to code an image of a given size, if there is memory for both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mulanzip import limits as memory

if TYPE_CHECKING:
    from mulanzip import registry
    from mulanzip.density.runtime import Runtime
    from mulanzip.options import Execution


def open_for_coding(info: registry.ModelInfo, size: int, execution: Execution, beside: int = 0) -> Runtime:
    """The model, ready to code an image of ``size`` bytes, with ``beside`` bytes of slices that are kept meanwhile.

    Raises:
        ModelError: if the model cannot be used.
        LimitError: if there is not enough memory.
    """
    execution.limits.require(memory.coding_bytes(size, execution.thread_count) + beside)
    from mulanzip.density.runtime import open_runtime

    return open_runtime(info.path, execution.device, execution.threads)
