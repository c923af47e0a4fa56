"""A short run of ``make fuzz``: broken files end in our own exceptions, and never in a wrong picture."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from fuzz import law, seeds
from fuzz.mutation import mutated, rebuilt, rebuilt_archive, repaired
from support.processes import TESTS, run_python

from mulanzip import picture_decoder
from mulanzip.archive.reader import Archive
from mulanzip.errors import MulanzipError
from mulanzip.format.container import unpack
from mulanzip.jobs import pack


@pytest.mark.slow
def test_mutated_files_break_no_law(tmp_path: Path) -> None:
    done = run_python("-m", "fuzz", "-n", "200", "--seed", "suite", "--folder", tmp_path, cwd=TESTS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "200 inputs of seed suite" in done.stdout
    assert " 0 violations" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_mutations_are_damage_and_can_be_repeated() -> None:
    pool = list(seeds.compressed().values())
    once, again = ([mutated(Random(i), pool[i % len(pool)], pool) for i in range(300)] for _ in range(2))
    assert once == again
    assert sum(data not in pool for data in once) > 250


def test_half_of_the_mutated_files_reach_the_code_behind_the_checks() -> None:
    pool = list(seeds.compressed().values())
    reasons = []
    for i in range(200):
        try:
            unpack(rebuilt(Random(i), pool[i % len(pool)], pool))
        except MulanzipError as error:
            reasons.append(str(error))
    assert not any("checksum" in reason or "truncated" in reason for reason in reasons)
    for data in pool:
        assert repaired(data) == data


@pytest.mark.slow
def test_broken_archives_have_right_checksums_and_reach_their_parts() -> None:
    pool, files = list(seeds.archives().values()), list(seeds.compressed().values())
    outcomes = []
    for i in range(120):
        data = rebuilt_archive(Random(i), pool[i % len(pool)], files)
        try:
            outcomes.append(f"{len(Archive(data, threads=1))} images")
        except MulanzipError as error:
            outcomes.append(str(error))
    assert not any("checksum" in outcome or "truncated" in outcome for outcome in outcomes)
    assert 30 < sum("images" in outcome for outcome in outcomes) < 110
    for data in pool:
        assert repaired(data) == data
        assert law.check(data) == "an archive, whole"


def test_names_that_lead_elsewhere_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack._Restorer, "_path", lambda self, member, _: self._folder.parent / member.name)
    with pytest.raises(law.Violation, match="files beside the folder"):
        law._check_unpacked(seeds.archives()["colour"])


def test_a_wrong_picture_of_an_archive_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seeds.archives()["colour"]
    law.check(data)
    other = picture_decoder.decode_picture(seeds.compressed()["rgb"])
    monkeypatch.setattr(Archive, "picture", lambda *_: other)
    with pytest.raises(law.Violation, match="hash of an original's part"):
        law.check(data)


@pytest.mark.slow
def test_a_wrong_picture_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = seeds.compressed()["rgb"]
    assert law.check(data) == "the original picture"
    other = picture_decoder.decode_picture(seeds.compressed()["gray"])
    monkeypatch.setattr(picture_decoder, "decode_picture", lambda *_, **__: other)
    with pytest.raises(law.Violation, match="promised hash"):
        law.check(data)


def test_another_exception_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_decoder, "decode_picture", lambda *_, **__: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        law.check(seeds.compressed()["rgb"])
