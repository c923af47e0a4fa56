"""Broken files against the law under atheris, which keeps the inputs that reach new code: ``make fuzz``.

Arguments: a folder for these inputs, then the options of libFuzzer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["mulanzip"]):
    from fuzz import law, seeds
    from fuzz.mutation import damaged, mutated
    from mulanzip.errors import MulanzipError


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """The next input to try."""
    random = Random(seed)
    pool = list(random.choice((seeds.compressed, seeds.images, seeds.archives))().values())
    try:
        return mutated(random, data, pool)[:max_size]
    except (MulanzipError, IndexError):  # No part is left that could be changed.
        return damaged(random, random.choice(pool), pool)[:max_size]


def main() -> None:
    folder = Path(sys.argv[1])
    for i, data in enumerate((*seeds.compressed().values(), *seeds.images().values(), *seeds.archives().values())):
        (folder / f"seed-{i}").write_bytes(data)
    atheris.Setup(sys.argv, lambda data: law.check(data) and None, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
