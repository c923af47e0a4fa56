"""Check broken files against the law: a number of them, for some seconds, or until Ctrl-C."""

from __future__ import annotations

import argparse
import faulthandler
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from support.sources import MAKERS

from fuzz import law, seeds
from fuzz.mutation import damaged, mutated
from mulanzip.format.container import ARCHIVE_SIGNATURE, SIGNATURE

#: Bytes of address space that inputs may take, beyond those in use once everything is loaded.
_MEMORY = 1 << 30
#: Kinds of inputs, and their share.
_KINDS = {"files": 0.55, "images": 0.2, "archives": 0.15, "sources": 0.1}
#: The valid files of kinds that are broken in the same way.
_SEEDS = {"files": seeds.compressed, "images": seeds.images, "archives": seeds.archives}


def _bound_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + _MEMORY,) * 2)


def _input(seed: str, kinds: list[str]) -> tuple[str, bytes]:
    """A kind, and a broken file of it."""
    random = Random(seed)
    kind = random.choices(kinds, [_KINDS[kind] for kind in kinds])[0]
    if kind == "sources":
        data = random.choice(list(MAKERS.values()))(random).data
        return kind, damaged(random, data, [data])
    data = random.choice(list(_SEEDS[kind]().values()))
    # Archives contain files; files contain no parts of archives.
    return kind, mutated(random, data, list(_SEEDS["files" if kind == "archives" else kind]().values()))


def _check(kind: str, data: bytes) -> str:
    if kind == "sources":
        return f"source: {law.check_source(data)}"
    return f"{_kind_of(data)}: {law.check(data)}"


def _kind_of(data: bytes) -> str:
    if data.startswith(ARCHIVE_SIGNATURE):
        return "archive"
    return "mzp" if data.startswith(SIGNATURE) else "image"


def _run(count: int | None, seconds: float | None, seed: str, kinds: list[str], folder: Path) -> int:
    outcomes: Counter[str] = Counter()
    violations = number = 0
    slowest = 0.0
    start = time.monotonic()
    while (count is None or number < count) and (seconds is None or time.monotonic() - start < seconds):
        kind, data = _input(f"{seed}-{number}", kinds)
        faulthandler.dump_traceback_later(30 * law.MAX_SECONDS, exit=True)
        began = time.monotonic()
        try:
            outcomes[_check(kind, data)] += 1
        except BaseException as error:
            path = folder / f"fuzz-{seed}-{number}.bin"
            path.write_bytes(data)
            print(f"{path}: {type(error).__name__}: {error}", flush=True)
            if isinstance(error, KeyboardInterrupt):
                break
            violations += 1
        slowest = max(slowest, time.monotonic() - began)
        number += 1
        if number % 10_000 == 0:
            print(f"{number} inputs, {violations} violations, {time.monotonic() - start:.0f} s", flush=True)
    faulthandler.cancel_dump_traceback_later()
    for outcome, times in outcomes.most_common():
        print(f"{times:8} {outcome}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{number} inputs of seed {seed} in {time.monotonic() - start:.0f} s, the slowest in {slowest:.2f} s")
    print(f"peak memory {peak} MiB; {violations} violations")
    return int(bool(violations))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("-n", type=int, metavar="COUNT", help="inputs")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", choices=_KINDS, action="append", help="kinds of inputs; all by default")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write inputs that break the law")
    given = parser.parse_args()
    for data in (*seeds.compressed().values(), *seeds.images().values(), *seeds.archives().values()):
        law.check(data)  # Loads all modules and models.
    _bound_memory()
    sys.exit(_run(given.n, given.seconds, given.seed, given.only or list(_KINDS), given.folder))


if __name__ == "__main__":
    main()
