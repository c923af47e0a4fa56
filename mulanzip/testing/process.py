"""The law of guests: a library leaves the state of the process as it finds it."""

from __future__ import annotations

import locale
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin


def _in_new_thread(function: Callable[[], object]) -> object:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def _states_of_torch() -> dict[str, object]:
    """The same of torch, where it was imported."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "random state of torch": torch.get_rng_state().numpy().tobytes(),
        "threads of torch": torch.get_num_threads(),
        "threads of torch in a new thread": _in_new_thread(torch.get_num_threads),
        "threads between operators of torch": torch.get_num_interop_threads(),
        "gradients of torch": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "default type of torch": torch.get_default_dtype(),
        "deterministic algorithms of torch": torch.are_deterministic_algorithms_enabled(),
    }


def _states() -> dict[str, object]:
    """Parts of the state that all code of a process shares, by name, as values that can be compared."""
    kind, keys, *position = np.random.get_state(legacy=True)
    return {
        "environment": dict(os.environ),
        "working directory": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "warning filters": list(warnings.filters),
        "warnings.showwarning": warnings.showwarning,
        "random state of Python": random.getstate(),
        "random state of numpy": (kind, np.asarray(keys).tobytes(), *position),
        "floating-point errors of numpy": np.geterr(),
        "print options of numpy": str(np.get_printoptions()),
        "largest image of Pillow": Image.MAX_IMAGE_PIXELS,
        "longest text of Pillow": (PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY),
        "truncated images of Pillow": ImageFile.LOAD_TRUNCATED_IMAGES,
    } | _states_of_torch()


@contextmanager
def process_state_is_kept() -> Iterator[None]:
    """Inside the block, the state that all code of a process shares stays as it is, or is put back.

    Covered are the environment, working directory, locale, signal handlers, warnings, random states,
    error and print options of numpy, threads and modes of torch, and limits of Pillow.

    Raises:
        AssertionError: with the names of the parts that changed.
    """
    before = _states()
    yield
    after = _states()
    changed = [_difference(name, before[name], after[name]) for name in before if before[name] != after[name]]
    if changed:
        raise AssertionError("changed: " + "; ".join(changed))


def _difference(name: str, before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        before, after = ({key: part.get(key) for key in keys} for part in (before, after))
    return f"{name} ({before!r} became {after!r})"[:160]
