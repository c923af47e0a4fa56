"""Run by :mod:`test_process` in a process of its own: ``python run_field_codec.py FILE``.

It decodes images with nothing but the tables in a file, and encodes them again.
"""

from __future__ import annotations

import sys

import numpy as np
from support.process_arrays import from_arrays

from mulanzip.entropy.message import Message
from mulanzip.gaussian.exact.process import to_mean


def main(name: str) -> None:
    with np.load(name) as file:
        arrays = dict(file)

    def model(step: int, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return to_mean(z @ arrays["matrix"][step]), arrays["scale"][step]

    codec = from_arrays(arrays).codec(model, len(arrays["x"]))
    message = Message(arrays["data"].tobytes())
    x = codec.pop(message)
    if not np.array_equal(x, arrays["x"]) or message.content() != arrays["content"].tobytes():
        raise SystemExit("images or content are not restored")
    codec.push(message, x)
    if message.to_bytes() != arrays["data"].tobytes():
        raise SystemExit("the same images give other bytes")
    if "torch" in sys.modules:
        raise SystemExit("the integer codec has loaded torch")


if __name__ == "__main__":
    main(sys.argv[1])
