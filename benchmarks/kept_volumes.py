"""How many volumes in gzip come back byte for byte, and in how many bytes; and what halves of 32-bit samples save.

    python -m benchmarks.kept_volumes gzip STACK.tif...
    python -m benchmarks.kept_volumes floats IMAGE.png...

A stack is written as a NIfTI file, and compressed by Python, by zlib's other levels, and by the programs gzip and pigz
where they are found.  Images become floats: as they are, in a unit of their own, resampled, and with random gains; they
are compared with LZMA of the file and of its byte planes.  All at effort 1, restored and compared.
"""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from mulanzip import keep, picture_decoder
from mulanzip.options import EncodeOptions, Grade
from mulanzip.whole import general

_PROGRAMS = (("gzip", ()), ("pigz", ("-p", "4")))
_SIDE = 384


def _nifti(stack: np.ndarray) -> bytes:
    kind = {"uint8": 2, "int16": 4, "uint16": 512}[stack.dtype.name]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *stack.shape[::-1], *[1] * 4)
    struct.pack_into("<hh", header, 70, kind, 8 * stack.itemsize)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return bytes(header) + stack.astype(stack.dtype.newbyteorder("<")).tobytes()


def _written(stack: np.ndarray) -> dict[str, bytes]:
    plain = _nifti(stack)
    files = {"not compressed": plain, **{f"Python, level {i}": gzip.compress(plain, i) for i in (1, 6, 9)}}
    for program, options in _PROGRAMS:
        if shutil.which(program):
            for level in ("-1", "-6", "-9"):
                done = subprocess.run([program, level, *options], input=plain, capture_output=True, check=True)
                files[f"{program} {level}"] = done.stdout
    return files


def _floats(pixels: np.ndarray) -> dict[str, np.ndarray]:
    values = pixels[:_SIDE, :_SIDE].astype(np.float64)
    gains = np.random.default_rng(1).normal(1, 0.02, values.shape)
    forms = {
        "whole numbers": values,
        "in steps of 0.4884": 0.4884 * values - 1024,
        "resampled": 0.37 * values + 0.63 * np.roll(values, 1, 1),
        "with random gains": values * gains,
    }
    return {name: form.astype(np.float32) for name, form in forms.items()}


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _by_planes(array: np.ndarray) -> int:
    planes = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, array.itemsize).T.tobytes()
    return len(lzma.compress(planes, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9}]))


def _kept(source: bytes) -> tuple[bool, int]:
    """Whether the very file comes back, and the size of the compressed one."""
    kept = keep.keep(source, encoding=EncodeOptions(effort=1))
    restored = picture_decoder.restore_file(kept.file)
    assert (restored == source) == (kept.grade is Grade.FILE)
    return restored == source, kept.file.size


def _gzip_table(paths: list[str]) -> None:
    print(f"{'':24}{'come back':>12}{'source':>12}{'mzp':>12}{'ratio':>8}")
    counts: Counter[tuple[str, str]] = Counter()
    for path in paths:
        for name, source in _written(tifffile.imread(path)).items():
            is_same, size = _kept(source)
            for what, number in (("files", 1), ("same", int(is_same)), ("source", len(source)), ("mzp", size)):
                counts[name, what] += number
    for name in dict.fromkeys(name for name, _ in counts):
        files, same, source_size, size = (counts[name, what] for what in ("files", "same", "source", "mzp"))
        print(f"{name:24}{same:6} of {files:2}{source_size:12,}{size:12,}{size / source_size:8.3f}")


def _floats_table(paths: list[str]) -> None:
    print(f"{'':44}{'bytes':>10}{'LZMA':>10}{'by planes':>10}{'mzp':>10}")
    for path in paths:
        for name, array in _floats(np.asarray(Image.open(path))).items():
            source = _npy(array)
            sizes = len(source), len(general.pack(source)), _by_planes(array), _kept(source)[1]
            print(f"{Path(path).stem + ', ' + name:44}" + "".join(f"{size:10,}" for size in sizes), flush=True)


if __name__ == "__main__":
    {"gzip": _gzip_table, "floats": _floats_table}[sys.argv[1]](sys.argv[2:])
