"""What :mod:`test_exactness` runs in processes of their own: ``python exactness_process.py OPTIONS``.

Codes images, decodes files, runs the network in batches, and prints digests of everything as JSON.
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
from mulanzip.density.network import IntegerNetwork
from mulanzip.density.runtime import Runtime, open_runtime
from mulanzip.density.selftest import all_outputs
from mulanzip.density.torch_threads import torch_threads
from mulanzip.encoder.effort import SCHEDULE_CHOICES

BATCHES = (1, 15, 16, 17, 32)
#: Images coded with a context.
ADAPTED = ("colour", "noise", "tiles")


def images(large: bool) -> dict[str, np.ndarray]:
    """A small colour image, a gray one, one that nothing predicts, a deep one; and one of several tiles."""
    found = {"colour": photo(96, 80), "gray": smooth(61, 67, 1), "noise": noise(17, 33), "deep": deep(70, 66)}
    found["toned"] = brightened(photo(128, 130))
    found["gamut"] = jpeg_colours(photo(72, 70))
    if large:
        found["tiles"] = photo(530, 520)
    return found


def digest(data: bytes | np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(data) if isinstance(data, np.ndarray) else data).hexdigest()[:32]


@torch.inference_mode()
def batches(network: IntegerNetwork) -> str:
    """Digest of the features and outputs of 64 inputs; smaller batches must give the same for their share."""
    planes = torch.from_numpy(noise(64 * 6, 5, INPUT_PLANES).reshape(64, 6, 5, INPUT_PLANES)).permute(0, 3, 1, 2)
    planes = planes // 4

    def run(size: int) -> list[torch.Tensor]:
        return [t.cpu().to(torch.int32) for t in all_outputs(network, planes[:size], 1)]

    whole = run(64)
    for size in BATCHES:
        for part, expected in zip(run(size), whole, strict=True):
            if not torch.equal(part, expected[:size]):
                raise SystemExit(f"a batch of {size} differs")
    return digest(b"".join(t.contiguous().numpy().astype("<i4").tobytes() for t in whole))


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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="code an image of several tiles, too")
    parser.add_argument("--no-mkldnn", action="store_true", help="no oneDNN in torch's own operators")
    parser.add_argument("--locale", default="")
    parser.add_argument("--write", type=Path, help="keep the files in this folder")
    parser.add_argument("--read", type=Path, help="decode the files in this folder")
    options = parser.parse_args()
    if options.no_mkldnn:
        torch.backends.mkldnn.set_flags(False)
    if options.locale:
        locale.setlocale(locale.LC_ALL, options.locale)
    check_powers()
    runtime = open_runtime(registry.find("photo").path, options.device, options.threads)
    coding = {"device": options.device, "threads": options.threads}
    with torch_threads(options.threads):
        report = {"backend": runtime.network.backend.name, "batches": batches(runtime.network)}
    files, pixels = {}, {}
    for number, (name, image) in enumerate(images(options.large).items()):
        schedule = SCHEDULE_CHOICES[-number % len(SCHEDULE_CHOICES)]
        context = worst_context(runtime) if name in ADAPTED else "none"
        data = mulanzip.encode(image, context=context, schedule=schedule, mu=0.4, stored=False, **coding)
        files[name] = digest(data)
        if options.write:
            (options.write / f"{name}.mzp").write_bytes(data)
        if options.read:
            data = (options.read / f"{name}.mzp").read_bytes()
        restored = mulanzip.decode(data, **coding)
        if not np.array_equal(restored, image):
            raise SystemExit(f"{name} is not restored")
        pixels[name] = digest(restored)
    stack = photo(48, 44).reshape(4, 12, 44, 3)
    archive = mulanzip.pack_arrays(stack, effort=1, **coding)
    files["archive"] = digest(archive)
    if options.write:
        (options.write / "archive.mzp").write_bytes(archive)
    if options.read:
        archive = (options.read / "archive.mzp").read_bytes()
    restored = np.stack(list(mulanzip.Archive(archive, **coding).values()))
    if not np.array_equal(restored, stack):
        raise SystemExit("the archive is not restored")
    pixels["archive"] = digest(restored)
    print(json.dumps({**report, "files": files, "pixels": pixels}))


if __name__ == "__main__":
    main()
