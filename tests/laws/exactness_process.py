"""The process that :mod:`test_exactness` starts under each setting: ``python exactness_process.py OPTIONS``.

It codes images, decodes files and runs the network in batches, on the fast backend and on the reference.  Digests of
all results go to standard output as JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import locale
import math
from pathlib import Path

import numpy as np
import torch
from support.pictures import brightened, deep, jpeg_colours, noise, photo, smooth

import mulanzip
from mulanzip import registry
from mulanzip.density.config import INPUT_PLANES
from mulanzip.density.inner_threads import inner_threads
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.density.selftest import all_outputs
from mulanzip.encoder.effort import SCHEDULE_CHOICES

BATCHES = (1, 15, 16, 17, 32)
#: Images that are coded with a context.
ADAPTED = ("colour", "noise", "tiles")
#: Images that the reference backend codes, too; it is slow.
REFERENCE = ("gray", "noise", "gamut")
#: Locales whose decimal separator is a comma; the first that is installed is used.
COMMAS = ("de_DE.UTF-8", "fr_FR.UTF-8", "ru_RU.UTF-8")


def images() -> dict[str, np.ndarray]:
    """One image of each sort, each with its own path through the codec."""
    return {
        "colour": photo(96, 80),
        "gray": smooth(61, 67, 1),
        "noise": noise(17, 33),
        "deep": deep(70, 66),
        "toned": brightened(photo(128, 130)),
        "gamut": jpeg_colours(photo(72, 70)),
        "tiles": photo(530, 130),
    }


def digest(data: bytes | np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data).hexdigest()[:32]


def batches(network: IntegerNetwork) -> str:
    """Digest of the features and outputs of 64 inputs; smaller batches must give the same."""
    planes = noise(64 * 6, 5, INPUT_PLANES).reshape(64, 6, 5, INPUT_PLANES) // 4

    def run(size: int) -> list[np.ndarray]:
        return all_outputs(network, planes[:size], 1)

    whole = run(64)
    for size in BATCHES:
        for part, expected in zip(run(size), whole, strict=True):
            if not np.array_equal(part, expected[:size]):
                raise SystemExit(f"a batch of {size} differs")
    return digest(b"".join(t.astype("<i4").tobytes() for t in whole))


def worst_context(runtime: Runtime) -> np.ndarray:
    """A context of mostly small and some extreme entries."""
    values = noise(1, runtime.model.prior.entries, 1)[0].astype(np.int64)
    return np.where(values < 8, 127, np.where(values < 16, -127, values % 5 - 2)).astype(np.int8)


def check_powers() -> None:
    """Powers of two must be exact for every shift that a layer may have, in vectors and alone."""
    shifts = torch.arange(-16, 17)
    for dtype in (torch.float32, torch.float64):
        exact = [math.ldexp(1, int(s)) for s in shifts]
        if torch.exp2(shifts.to(dtype)).tolist() != exact or [float(torch.exp2(s.to(dtype))) for s in shifts] != exact:
            raise SystemExit(f"powers of two in {dtype} are not exact")


def use_decimal_commas() -> None:
    for name in COMMAS:
        try:
            locale.setlocale(locale.LC_ALL, name)
        except locale.Error:
            continue
        return


def code(device: str, threads: int, folder: Path, write: bool) -> dict[str, str]:
    """Encode and decode everything; decode the files in ``folder``, or write them.  Returns digests."""
    runtime = open_runtime(registry.find("photo").path, device, threads)
    coding = {"device": device, "threads": threads}
    with inner_threads(threads):
        found = {"backend": runtime.network.backend.name, "batches": batches(runtime.network)}

    def exchange(name: str, data: bytes) -> bytes:
        found[name] = digest(data)
        path = folder / f"{name}.mzp"
        if write:
            path.write_bytes(data)
        return path.read_bytes()

    for number, (name, image) in enumerate(images().items()):
        if device == "reference" and name not in REFERENCE:
            continue
        schedule = SCHEDULE_CHOICES[-number % len(SCHEDULE_CHOICES)]
        context = worst_context(runtime) if name in ADAPTED else "none"
        data = mulanzip.encode(image, context=context, schedule=schedule, mu=0.4, stored=False, **coding)
        if not np.array_equal(mulanzip.decode(exchange(name, data), **coding), image):
            raise SystemExit(f"{name} is not restored")
    stack = photo(48, 44).reshape(4, 12, 44, 3)
    archive = exchange("archive", mulanzip.pack_arrays(stack, effort=1, **coding))
    if not np.array_equal(np.stack(list(mulanzip.Archive(archive, **coding).values())), stack):
        raise SystemExit("the archive is not restored")
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="where the files are")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the files instead of reading them")
    parser.add_argument("--no-mkldnn", action="store_true", help="no oneDNN in torch's own operators")
    parser.add_argument("--decimal-commas", action="store_true", help="use a locale that has them, where there is one")
    options = parser.parse_args()
    if options.no_mkldnn:
        torch.backends.mkldnn.set_flags(False)
    if options.decimal_commas:
        use_decimal_commas()
    check_powers()
    fast = code("cpu", options.threads, options.folder, options.write)
    reference = code("reference", options.threads, options.folder, False)
    print(json.dumps({"fast": fast, "reference": reference}))


if __name__ == "__main__":
    main()
