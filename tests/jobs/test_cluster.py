"""A batch on a Dask cluster of two workers: what comes out is what one machine makes, and only once."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from support.pictures import smooth

import mulanzip
from mulanzip.cli.main import main
from mulanzip.jobs import cluster
from mulanzip.jobs.batch import Found, plan
from mulanzip.jobs.names import compressed_name
from mulanzip.jobs.urls import as_path, beside, url, without_marks

distributed = pytest.importorskip("distributed", reason="needs pip install mulanzip[dask]")
pytest.importorskip("fsspec", reason="needs pip install mulanzip[dask]")
# Warnings of distributed are not ours.
pytestmark = [pytest.mark.xdist_group("cluster"), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster of two processes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        ) as local:
            yield local.scheduler_address


def run(*arguments: Any) -> Result:
    return CliRunner().invoke(main, list(map(str, ["compress", "--effort", "1", "--no-verify", *arguments])))


@pytest.mark.slow
def test_a_batch_over_urls_is_done_once(address: str, tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(5)]
    for i, name in enumerate(names):
        Image.fromarray(smooth(20, 21, 3 if i % 2 else 1, i)).save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"no image")
    sources = [f"file://{tmp_path}/{name}" for name in (*names, "broken.png", "missing.png")]
    listed = tmp_path / "list"
    listed.write_text("\n".join(sources))
    output = f"file://{tmp_path}/out/below"
    result = run("--dask", address, "--files-from", listed, "--output-dir", output, "--json")
    assert result.exit_code == 1, result.output
    assert "7 files: 5 done, 2 failed" in result.stderr
    rows = {Path(row["source"]).name: row for row in map(json.loads, result.stdout.splitlines())}
    assert "not an image" in rows["broken.png"]["error"]
    assert "No such file" in rows["missing.png"]["error"]
    folder = tmp_path / "out" / "below"
    assert {path.name for path in folder.iterdir()} == {f"{name}.mzp" for name in names}
    for name in names:
        with Image.open(tmp_path / name) as image:
            np.testing.assert_array_equal(mulanzip.decode((folder / f"{name}.mzp").read_bytes()), np.asarray(image))
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    # Again: only what is missing, or holds something else.
    (folder / "2.png.mzp").unlink()
    (folder / "3.png.mzp").write_bytes((folder / "4.png.mzp").read_bytes())
    result = run("--dask", address, *sources[:5], "--output-dir", output)
    assert result.exit_code == 1
    assert "5 files: 1 done, 3 skipped, 1 failed" in result.stderr
    assert f"error: {output}/3.png.mzp exists, but does not hold this image" in result.stderr
    after = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"2.png.mzp", "3.png.mzp"}
    assert run("--dask", address, "-f", *sources[:5], "--output-dir", output).exit_code == 0
    assert run("--dask", address, *sources[:5], "--output-dir", output).exit_code == 0


def test_what_a_cluster_does_not_do(address: str, tmp_path: Path) -> None:
    Image.fromarray(smooth(9, 9)).save(tmp_path / "a.png")
    result = run("--dask", address, tmp_path / "a.png", "-o", "nonsense://there/a.mzp")
    assert result.exit_code == 1
    assert "cannot reach nonsense://there/a.mzp" in result.stderr
    result = CliRunner().invoke(main, ["compress", "--dask", address, "--rm", str(tmp_path / "a.png")])
    assert result.exit_code == 2
    assert "no --rm, with --dask" in result.stderr


def test_where_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_TIMEOUT", 0.2)
    result = run("--dask", "tcp://127.0.0.1:9", "a.png")
    assert result.exit_code == 1
    assert "there is no Dask scheduler at tcp://127.0.0.1:9" in str(result.exception or result.stderr)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://bucket/a/b.png", "s3://bucket/a/b.png"),
        ("file:///data/a.png", "file:/data/a.png"),
        ("/data/a.png", "/data/a.png"),
        ("b.png", os.path.abspath("b.png")),
        ("memory://a", "memory://a"),
    ],
)
def test_urls_survive_as_paths(text: str, expected: str) -> None:
    assert url(Path(text)) == expected
    assert url(as_path(text)) == expected.replace("file:/data", "file:///data")


@pytest.mark.parametrize(
    "text",
    [
        "s3://b/a//c.png",
        "simplecache::s3://b/x.png",
        "https://h/x.png?u=http%3A//y//z",
        "zip://x.png::s3://b/z.zip",
        "zip://in//x.png::simplecache::s3://b//z.zip",
    ],
)
def test_urls_are_kept_as_they_are(text: str) -> None:
    path = as_path(text)
    assert url(path) == without_marks(str(path)) == text
    assert url(path.with_name(path.name + ".mzp")) == f"{text}.mzp"
    assert url(as_path("s3://out//there") / "a.mzp") == "s3://out//there/a.mzp"


def test_results_of_members_lie_beside_their_archive() -> None:
    (job,) = plan([Found(as_path("zip://in/x.png::s3://b//z.zip"), Path("x.png"))], compressed_name)
    assert job.output is not None
    assert url(job.output) == "s3://b//x.png.mzp"
    for text in ("simplecache::s3://b/x.png", "s3://b/x.png", "a::b.png", "zip://x.png"):
        assert beside(as_path(text)) == as_path(text)


@pytest.mark.slow
def test_members_of_archives(address: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(smooth(20, 21)).save(buffer, "PNG")
    (tmp_path / "a").mkdir()
    with zipfile.ZipFile(tmp_path / "a" / "z.zip", "w") as archive:
        archive.writestr("in/x.png", buffer.getvalue())
    source = f"zip://in/x.png::file://{tmp_path}/a/z.zip"
    result = run("--dask", address, source, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["source"] == source
    np.testing.assert_array_equal(mulanzip.decode((tmp_path / "a" / "x.png.mzp").read_bytes()), smooth(20, 21))
    assert run("--dask", address, source, "--output-dir", f"file://{tmp_path}/out").exit_code == 0
    assert (tmp_path / "out" / "x.png.mzp").is_file()


@pytest.mark.slow
def test_zarr_arrays_of_dask(tmp_path: Path) -> None:
    """The codec of zarr is all that dask needs."""
    array = pytest.importorskip("dask.array")
    zarr = pytest.importorskip("zarr", minversion="3")
    from mulanzip.clients.zarr import MulanzipCodec

    images = np.stack([smooth(20, 21, 1, i) for i in range(4)])
    target = zarr.create_array(
        tmp_path / "a", shape=images.shape, dtype=images.dtype, chunks=(1, 20, 21), serializer=MulanzipCodec(effort=1),
        compressors=None,
    )  # fmt: skip
    array.store(array.from_array(images, chunks=(1, 20, 21)), target, lock=False)
    found = array.from_zarr(str(tmp_path / "a"))
    assert found.chunks == ((1, 1, 1, 1), (20,), (21,))
    np.testing.assert_array_equal(found.compute(), images)
    assert found.max(axis=0).compute().tolist() == images.max(0).tolist()
