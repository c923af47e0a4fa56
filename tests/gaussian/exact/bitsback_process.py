"""What :mod:`test_bitsback_process` runs in a process of its own: ``python bitsback_process.py FILE``.

Decodes images with nothing but the tables in a file, and codes them again.
"""

from __future__ import annotations

import sys

import numpy as np

from mulanzip.entropy.message import Message
from mulanzip.gaussian.exact.linear import LinearModel
from mulanzip.gaussian.exact.process import Process


def main(name: str) -> None:
    with np.load(name) as file:
        arrays = dict(file)
    codec = Process.of(arrays).codec(LinearModel(arrays["matrix"], arrays["scale"]), len(arrays["x"]))
    message = Message(arrays["data"].tobytes())
    x = codec.pop(message)
    if not np.array_equal(x, arrays["x"]) or message.content() != arrays["seed"].tobytes():
        raise SystemExit("images or seed are not restored")
    codec.push(message, x)
    if message.to_bytes() != arrays["data"].tobytes():
        raise SystemExit("the same images become other bytes")
    if "torch" in sys.modules:
        raise SystemExit("what codes integers has loaded torch")


if __name__ == "__main__":
    main(sys.argv[1])
