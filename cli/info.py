"""``mulanzip info``"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mulanzip.cli import batch, options
from mulanzip.cli.options import Sources
from mulanzip.cli.report import Reporter, size
from mulanzip.options import Grade

if TYPE_CHECKING:
    from mulanzip.inspect.info import FileInfo


@click.command()
@options.sources
@options.model("With -v: model file to try if a file was made with a model that is not shipped.")
@options.as_json
@options.verbose
def info(sources: Sources, model: str | None, reporter: Reporter, verbose: bool) -> None:
    """Describe .mzp files and archives.

    Nothing is decoded without -v.  With -v, files are decoded to show where their bits are, and the images of
    archives are listed.
    """
    from mulanzip.errors import MulanzipError
    from mulanzip.format.container import ARCHIVE_SIGNATURE
    from mulanzip.jobs.batch import is_compressed
    from mulanzip.jobs.files import STREAM

    found = batch.select(reporter, is_compressed, sources)
    for source in (file.path for file in found):
        try:
            data = sys.stdin.buffer.read() if source == STREAM else source.read_bytes()
            if data.startswith(ARCHIVE_SIGNATURE):
                lines, facts = _describe_archive(data, verbose)
            else:
                lines, facts = _describe_file(data)
                if verbose and facts["model_id"] and facts["coding"] != "skeleton":
                    from mulanzip.inspect.ledger import ledger

                    lines += ledger(data, model=model).table().split("\n")
        except (MulanzipError, OSError, MemoryError) as error:
            reporter.fail(source, error)
            reporter.count("failed")
            continue
        reporter.count("done")
        reporter.say(str(source))
        for line in lines:
            reporter.say(f"  {line}")
        reporter.record({"source": str(source), **facts})
    reporter.finish()


_GRADES = {
    Grade.FILE: "file: it comes back byte for byte",
    Grade.CONTENT: "content: all samples, and every byte outside of compressed pixels come back",
    Grade.SAMPLES: "samples: pixels and metadata come back, not the file's bytes",
}


def _describe_file(data: bytes) -> tuple[list[str], dict[str, Any]]:
    """Lines that describe a file, and the same for programs."""
    from mulanzip.format import container
    from mulanzip.image.kinds import Mode
    from mulanzip.inspect.info import describe

    facts = describe(container.unpack(data), len(data))
    name = facts.mode.name.lower().replace("_", "+")
    kind = f"{facts.channels} bands" if facts.mode is Mode.BANDS else name
    sign = "signed " if facts.signed else ""
    more = f"; {facts.images} images" if facts.images > 1 else ""
    lines = [f"image     {facts.width}x{facts.height} {kind}, {sign}{facts.depth} bits per sample{more}"]
    if not facts.images:
        lines = ["image     not known: the file is kept as it is"]
    rate = "" if facts.bpsp is None else f", {facts.bpsp:.3f} bits per subpixel"
    lines.append(f"size      {size(facts.size)} bytes{rate}")
    if facts.model_id:
        lines.append(f"model     {facts.model or 'not here'} ({facts.model_id}), {facts.segments} segments")
    if facts.schedules:
        shares = ", ".join(f"{name} {100 * share:.3g} %" for name, share in facts.schedules.items())
        lines.append(f"schedule  {shares}; {facts.evaluations:.2f} network evaluations per cell")
    if not facts.model_id:
        lines.append(f"model     none: {_form(facts)}")
    lines.append(f"grade     {_GRADES[facts.grade]}")
    lines += [f"{part:<13} {size(count):>12} bytes" for part, count in facts.parts.items()]
    coding = facts.coding.name.lower()
    return lines, {
        **asdict(facts),
        "mode": kind,
        "coding": coding,
        "bpsp": facts.bpsp,
        "grade": facts.grade.name.lower(),
    }


def _form(facts: FileInfo) -> str:
    """How a file is stored that no model codes."""
    from mulanzip.inspect.info import JPEG_PART

    if JPEG_PART in facts.parts:
        return "stored as JPEG XL, from which the JPEG file is made again"
    if facts.coding.is_file and not facts.images:
        return "compressed by a general-purpose library"
    return "stored as JPEG XL, WebP or PNG"


def _describe_archive(data: bytes, verbose: bool) -> tuple[list[str], dict[str, Any]]:
    """The same for an archive."""
    from mulanzip.inspect.info import describe_archive

    facts, directory = describe_archive(data)
    lines = [f"archive   {facts.images} images, {facts.grouped} of them in {facts.groups} groups"]
    lines.append(f"size      {size(facts.size)} bytes")
    lines.append(f"model     {facts.model or 'not here'} ({facts.model_id}), schedule {facts.schedule}")
    lines += [f"{kind:<21} {count:>8} images" for kind, count in facts.kinds.items()]
    lines += [f"{part:<13} {size(count):>12} bytes" for part, count in facts.parts.items()]
    names = [member.name for member in directory.members] if verbose else []
    return lines + names, {**asdict(facts), **({"names": names} if verbose else {})}
