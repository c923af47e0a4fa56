"""The specification: its test vectors are right, and what was written from it alone decodes the golden files."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import reference_decoder
from support.pictures import smooth, worst_values
from support.processes import ROOT, TESTS
from support.reference_decoder import Mixture, Stack, ratio, zero_mass

import mulanzip
from mulanzip import registry
from mulanzip.codec.subpixels import WINDOW
from mulanzip.density.mixture import FineMixture, Tables
from mulanzip.density.mixture import Mixture as OurMixture
from mulanzip.density.model import load
from mulanzip.density.sample_scale import LOG2_STEPS, SampleScale
from mulanzip.entropy.ans import SymbolEncoder
from mulanzip.format import container
from mulanzip.format.container import CRITICAL_KINDS, HEADER_SIZE, Coding, Header
from mulanzip.image.kinds import Mode
from mulanzip.image.metadata import KINDS
from mulanzip.imageio.png_original import original
from mulanzip.lattice.schedules import MIXED, SCHEDULES

TEXT = (ROOT / "docs" / "format.md").read_text()
MODEL = registry.find(registry.DEFAULT_MODEL).path
TENSORS = reference_decoder.Model.load(MODEL).tensors
GOLDEN = TESTS / "golden"
#: Small ones of all schedules, one with a context, one of several tiles, deep ones, and groups of planes.
CODED = ["noise", "one_column", "one_row", "photo_one", "photo_three", "photo_context", "tiles"]
CODED += ["deep_gray", "deep_signed", "deep_rgba", "deep_noise", "bands"]


def block(name: str) -> list[str]:
    (found,) = re.findall(rf"^```{name}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return found.splitlines()


def test_the_file_of_the_walk_through() -> None:
    lines = [re.fullmatch(r"((?:[0-9a-f]{2} )*[0-9a-f]{2})(?:  +(.*))?", line) for line in block("mzp")]
    data = b"".join(bytes.fromhex(line[1]) for line in lines if line)
    assert data == (GOLDEN / "one_pixel.mzp").read_bytes()
    np.testing.assert_array_equal(mulanzip.decode(data), [[[209, 161, 54]]])
    np.testing.assert_array_equal(reference_decoder.decode(data, MODEL), [[[209, 161, 54]]])


def test_the_vectors_of_the_coder() -> None:
    first, second, third = (bytes.fromhex(line) for line in block("coder"))
    probabilities, decisions = np.array([32768, 65535, 1, 1000]), np.array([1, 1, 0, 0])
    ours = SymbolEncoder()
    ours.uniform(np.array([1, 2, 3]), 3)
    ours.bernoulli(probabilities, decisions)
    assert ours.finish() == first
    stack = Stack(first)
    assert [stack.flat() for _ in range(3)] == [1, 2, 3]
    assert [stack.bit(p) for p in probabilities.tolist()] == decisions.tolist()
    stack.finish()
    ours = SymbolEncoder()
    ours.uniform(np.arange(1, 13), 12)
    assert ours.finish() == second
    stack = Stack(second)
    assert [stack.flat() for _ in range(12)] == list(range(1, 13))
    stack.finish()
    shares = [[1000, 20000, 20000, 1 << 20], [0, 0, 0, 40000], [1 << 20] * 4, [30000, 30000, 30001, 65535]]
    assert all(" ".join(map(str, row)) in TEXT for row in shares)
    ours = SymbolEncoder()
    ours.categorical(np.array(shares).T, np.array([1, 4, 0, 2]))
    assert ours.finish() == third
    stack = Stack(third)
    assert [stack.choice(row) for row in shares] == [1, 4, 0, 2]
    stack.finish()


def test_the_shares_of_decisions_are_those_of_the_library() -> None:
    """What zeros and ones have is in no documentation of it."""
    constriction = pytest.importorskip("constriction")
    model = constriction.stream.model.Bernoulli(perfect=False)
    for probability in (*range(1, 1 << 16, 211), 2, 3, 32767, 32768, 32769, 65534, 65535):
        exact = np.array([probability / (1 << 16)], dtype=np.float32)
        for quantile, bit in ((zero_mass(probability) - 1, 0), (zero_mass(probability), 1)):
            coder = constriction.stream.stack.AnsCoder(np.array([quantile, 1], dtype=np.uint32))
            assert coder.decode(model, exact)[0] == bit


@given(st.integers(0, 2**32 - 1), st.integers(2, 17))
def test_the_shares_of_choices_are_those_of_the_library(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (30, count - 1)
    rows = np.sort(worst_values(rng, 0, 1 << 20, shape) if seed % 2 else rng.integers(0, (1 << 20) + 1, shape))
    choices = rng.integers(0, count, 30)
    ours = SymbolEncoder()
    ours.categorical(rows.T, choices)
    stack = Stack(ours.finish())
    assert [stack.choice(row) for row in rows.tolist()] == choices.tolist()
    stack.finish()


def test_the_vector_of_the_likelihood() -> None:
    found = dict(re.fullmatch(r"(\S+) (.+)", line).groups() for line in block("likelihood"))  # type: ignore[union-attr]
    logits, scales, means = [128, 120, 90, 100], [100, 128, 90, 160], [3200, 3400, 3000, 2000]
    for numbers in (logits, scales, means):
        assert " ".join(map(str, numbers)) in TEXT
    mixture = Mixture(TENSORS, logits, scales, means)
    ours, centre = OurMixture.build(
        load(MODEL).tables,
        np.array(logits, dtype=np.uint8)[:, None],
        np.array(scales, dtype=np.uint8)[:, None],
        np.array(means, dtype=np.int32)[:, None],
    )
    assert " ".join(map(str, mixture.weights)) == found["weights"]
    assert [str(mixture.total), str(ours.total[0])] == [found["total"]] * 2
    assert [str(mixture.centre), str(centre[0])] == [found["mean"]] * 2
    for edge in (1, 92, 108, 255):
        mass = ours.cdf(np.array([edge], dtype=np.int32))[0]
        assert [str(mixture.cdf(edge)), str(mass)] == [found[f"F({edge})"]] * 2
    low = mixture.centre - 8
    share = ratio(mixture.cdf(low + WINDOW) - mixture.cdf(low), mixture.total)
    assert (str(low), str(share)) == (found["window"], found["share"])


def test_the_tables_are_those_of_the_text() -> None:
    tables, steps = load(MODEL).tables, np.arange(256)
    for made, shipped in zip(vars(Tables.build()).values(), vars(tables).values(), strict=True):
        np.testing.assert_array_equal(made, shipped)
    np.testing.assert_array_equal(tables.inverse_scale, np.rint(2048 * np.exp(-(steps - 128) / 32)))
    np.testing.assert_array_equal(tables.weight, np.rint(4096 * np.exp(-steps / 16)))
    np.testing.assert_array_equal(tables.logistic, np.rint(65536 / (1 + np.exp(-(np.arange(24577) - 12288) / 1024))))


@pytest.mark.slow
@pytest.mark.parametrize("name", CODED)
def test_a_decoder_written_from_the_text_alone(name: str) -> None:
    data = (GOLDEN / f"{name}.mzp").read_bytes()
    decoded = reference_decoder.decode(data, MODEL)
    ours = mulanzip.decode(data, threads=1)
    np.testing.assert_array_equal(decoded, ours.reshape(decoded.shape))


@pytest.mark.slow
def test_that_decoder_reads_schedules_of_tiles() -> None:
    image = smooth(17, 22)
    data = mulanzip.encode(image, effort=9, context="none", schedule="adaptive", mu=0.5, stored=False, threads=1)
    assert Header.unpack(data).schedule == MIXED
    np.testing.assert_array_equal(reference_decoder.decode(data, MODEL), image)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(2, 1 << 16), st.sampled_from(LOG2_STEPS), st.integers(0, 2**32 - 1))
def test_that_decoder_has_our_likelihood_of_deep_samples(count: int, shift: int, seed: int) -> None:
    rng, sample_scale = np.random.default_rng(seed), SampleScale(count, shift)
    logits, scales = rng.integers(0, 256, (2, 3, 8), dtype=np.uint8)
    means = rng.integers(
        -9000, 9000 + (32 * count << sample_scale.log2_levels_per_step >> sample_scale.log2_steps_per_level), (3, 8)
    ).astype(np.int32)
    ours, centre = FineMixture.build(load(MODEL).tables, logits, scales, means, sample_scale)
    edges = rng.integers(0, count + 2, 8).astype(np.int32)
    samples = reference_decoder.Samples(np.arange(count), shift)
    for i, edge in enumerate(edges.tolist()):
        parts = (part[:, i].tolist() for part in (logits, scales, means))
        theirs = Mixture(TENSORS, *parts, samples)  # type: ignore[arg-type]
        assert samples.is_plain or theirs.total == ours.total[i]
        assert theirs.centre == centre[i]
        assert samples.is_plain or theirs.cdf(edge) == ours.cdf(edges)[i]


def test_that_decoder_reads_schedules_of_several_groups() -> None:
    image = smooth(9, 13, 4)
    data = mulanzip.encode(image, effort=9, context="none", schedule="adaptive", mu=0.5, stored=False, threads=1)
    assert Header.unpack(data).schedule == MIXED
    np.testing.assert_array_equal(reference_decoder.decode(data, MODEL), image)


def test_that_decoder_reads_lists_of_values() -> None:
    image = np.array([-900, -3, 70, 5000], dtype=np.int16)[smooth(7, 6, 1) // 60 % 4]
    data = mulanzip.encode(np.dstack((image, np.full_like(image, -7))), effort=1, stored=False, threads=1)
    np.testing.assert_array_equal(reference_decoder.decode(data, MODEL), mulanzip.decode(data, threads=1))


def test_that_decoder_uses_nothing_of_ours() -> None:
    assert "mulanzip" not in re.sub(r'""".*?"""', "", Path(reference_decoder.__file__).read_text(), flags=re.DOTALL)


def test_the_text_names_every_part() -> None:
    kinds = (*CRITICAL_KINDS, *KINDS, original.KIND)
    assert all(f"`{kind.decode()}`" in TEXT for kind in kinds)
    modes = re.search(r"\| mode \| (.*) \|", TEXT)
    names = [f"{mode.value} {mode.name.lower().replace('_', '+').replace('rgb', 'RGB')}" for mode in Mode]
    assert modes is not None
    assert modes[1].replace("RGBA", "RGBa").split(", ") == names
    schedules = re.findall(r"^\| (\d) \| (\w+) \| [DHV]", TEXT, re.MULTILINE)
    assert schedules == [(str(i), name) for i, name in enumerate(SCHEDULES)]
    assert f"## Header, {HEADER_SIZE} bytes" in TEXT


@pytest.mark.parametrize("name", [path.stem for path in sorted(GOLDEN.glob("*.mzp"))])
def test_golden_files_of_unknown_versions_and_with_reserved_bits_are_refused(name: str) -> None:
    data = (GOLDEN / f"{name}.mzp").read_bytes()
    header = Header.unpack(data)
    changes: list[tuple[int, int]] = [(8, version) for version in (container.VERSION + 1, 127, 255)]
    changes += [(11, len(Coding)), (9, len(Mode)), (22, len(SCHEDULES))]
    if header.mode is not Mode.BANDS:
        changes += [(23, 1 << bit) for bit in range(8)]
    for place, value in changes:
        head = bytearray(header.pack()[:-4])
        head[place] = value
        packed = bytes(head) + zlib.crc32(head).to_bytes(4, "little") + data[HEADER_SIZE:]
        with pytest.raises(mulanzip.UnsupportedVersionError):
            mulanzip.decode(packed, threads=1)
