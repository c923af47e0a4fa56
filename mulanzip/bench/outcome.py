"""The outcome of one image with one codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """One image through one codec.

    Attributes:
        size: of the compressed image, in bytes.
        shape: of the array of pixels.
        encode_s, decode_s: wall time in seconds.
        peak_mib: peak memory in MiB.
        restored: whether the decoded pixels are the original ones.
        encode_parts, decode_parts: seconds of the parts of the codec, by name, if it reports them.
    """

    file: str
    codec: str
    size: int
    shape: tuple[int, ...]
    encode_s: float
    decode_s: float
    peak_mib: float
    restored: bool
    encode_parts: dict[str, float] | None = None
    decode_parts: dict[str, float] | None = None

    @property
    def bpsp(self) -> float:
        """Bits per subpixel."""
        return 8 * self.size / int(np.prod(self.shape))

    @property
    def megapixels(self) -> float:
        """Size of the image."""
        return self.shape[0] * self.shape[1] / 1e6

    @property
    def problem(self) -> str | None:
        """A message for the user; None if the image was restored."""
        return None if self.restored else f"{self.codec} DOES NOT RESTORE {self.file}"

    def as_json(self) -> dict[str, Any]:
        """The measurement as it is written to JSON files."""
        entry: dict[str, Any] = {
            "file": self.file,
            "codec": self.codec,
            "bytes": self.size,
            "bpsp": self.bpsp,
            "encode_s": self.encode_s,
            "decode_s": self.decode_s,
            "peak_mib": self.peak_mib,
            "restored": self.restored,
        }
        if self.encode_parts is not None:
            entry |= {"encode_parts": self.encode_parts, "decode_parts": self.decode_parts}
        return entry


@dataclass(frozen=True)
class Failure:
    """An image that a codec failed on.

    Attributes:
        file: None if the codec cannot work at all.
    """

    codec: str
    file: str | None
    reason: str

    @property
    def problem(self) -> str:
        """A message for the user."""
        return f"{self.codec}: {self.file}: {self.reason}" if self.file else f"{self.codec}: {self.reason}"
