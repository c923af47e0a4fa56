"""Measuring many images with one codec, in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from mulanzip.bench.codecs import Codec
from mulanzip.bench.measure import measure
from mulanzip.bench.outcome import Failure, Measurement
from mulanzip.errors import MulanzipError


def run(codec: Codec, paths: Sequence[Path]) -> Iterator[Measurement | Failure]:
    """Measure a codec, and yield one outcome per image as soon as it is known.

    It ends early, with a :class:`Failure`, if the codec cannot work at all or its process dies.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(codec, paths, sender), daemon=True)
    process.start()
    sender.close()
    done = 0
    try:
        while done < len(paths):
            outcome = receiver.recv()
            yield outcome
            if outcome.file is None:
                return
            done += 1
    except EOFError:
        process.join()
        reason = f"the process died (exit code {process.exitcode}), the images from here on were not measured"
        yield Failure(codec.name, str(paths[done]), reason)
    finally:
        receiver.close()
        process.terminate()
        process.join()
        process.close()


def _work(codec: Codec, paths: Sequence[Path], sender: Connection) -> None:
    """Run in the process of the codec: send an outcome for every image."""
    # An interrupt reaches both processes; the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    unable = _attempt(codec, None)
    if unable:
        sender.send(unable)
        return
    for path in paths:
        sender.send(_attempt(codec, path))


def _attempt(codec: Codec, path: Path | None) -> Measurement | Failure | None:
    """Measure an image; without one, warm up."""
    try:
        if path:
            return measure(codec, path)
        _warm_up(codec)
        return None
    except Exception as error:
        reason = str(error) if isinstance(error, MulanzipError) else f"{type(error).__name__}: {error}"
        return Failure(codec.name, str(path) if path else None, reason)


def _warm_up(codec: Codec) -> None:
    """Code a small image with smooth and noisy colours, so that libraries and models are loaded."""
    y, x = np.mgrid[:64, :64]
    codec.decode(codec.encode(np.stack((2 * x, x + y, x * y % 61), axis=2).astype(np.uint8)))
