"""Run by :mod:`test_images` in a process of its own: ``python run_images_codec.py FOLDER DEVICE``.

It decodes a chain with the model in the folder, and encodes it again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mulanzip import registry
from mulanzip.entropy.message import Message
from mulanzip.gaussian.exact.images import images_codec
from mulanzip.gaussian.exact.runtime import open_gaussian


def main(folder: Path, device: str) -> None:
    runtime = open_gaussian(registry.find(str(folder / "toy.safetensors"), "gaussian"), device)
    if device == "reference" and runtime.denoiser.backend.name != device:
        raise SystemExit(f"the backend is {runtime.denoiser.backend.name}, not {device}")
    data, truth = (folder / "chain").read_bytes(), np.load(folder / "images.npy")
    codec = images_codec(runtime.model, runtime.denoiser, len(truth))
    message = Message(data)
    contexts, found = codec.pop(message)
    if not np.array_equal(found, truth) or message.content() != b"seed" * 300:
        raise SystemExit("images or content are not restored")
    codec.push(message, (contexts, found))
    if message.to_bytes() != data:
        raise SystemExit("the same images give other bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
