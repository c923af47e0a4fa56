"""``mulanzip info``"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from mulanzip.cli import batch, options
from mulanzip.cli.options import Sources
from mulanzip.cli.report import Reporter, size


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
    from mulanzip.format import container
    from mulanzip.format.container import ARCHIVE_SIGNATURE
    from mulanzip.image.kinds import Mode
    from mulanzip.inspect.info import describe
    from mulanzip.jobs.batch import is_compressed
    from mulanzip.jobs.files import STREAM

    found = batch.select(reporter, is_compressed, sources)
    for source in (file.path for file in found):
        try:
            data = sys.stdin.buffer.read() if source == STREAM else source.read_bytes()
            if data.startswith(ARCHIVE_SIGNATURE):
                _show_archive(reporter, source, data, verbose)
                continue
            facts = describe(container.unpack(data), len(data))
            name = facts.mode.name.lower().replace("_", "+")
            kind = f"{facts.channels} bands" if facts.mode is Mode.BANDS else name
            sign = "signed " if facts.signed else ""
            depth = f"{sign}{facts.depth} bits per sample"
            lines = [str(source), f"  image     {facts.width}x{facts.height} {kind}, {depth}"]
            lines.append(f"  size      {size(facts.size)} bytes, {facts.bpsp:.3f} bits per subpixel")
            if facts.model_id:
                where = f"{facts.model or 'not here'} ({facts.model_id})"
                lines.append(f"  model     {where}, {facts.segments} segments")
                shares = ", ".join(f"{name} {100 * share:.3g} %" for name, share in facts.schedules.items())
                lines.append(f"  schedule  {shares}; {facts.evaluations:.2f} network evaluations per cell")
            else:
                lines.append("  model     none: stored as JPEG XL, WebP or PNG")
            original = (
                "file restored byte for byte"
                if facts.restores_file
                else "pixels and metadata restored, not the file's bytes"
            )
            lines.append(f"  original  {original}")
            lines += [f"  {part:<13} {size(count):>12} bytes" for part, count in facts.parts.items()]
            if verbose and facts.model_id:
                from mulanzip.inspect.ledger import ledger

                lines += [f"  {line}" for line in ledger(data, model=model).table().split("\n")]
        except (MulanzipError, OSError, MemoryError) as error:
            reporter.fail(source, error)
            reporter.count("failed")
            continue
        reporter.count("done")
        for line in lines:
            reporter.say(line)
        coding = facts.coding.name.lower()
        reporter.record({"source": str(source), **asdict(facts), "mode": kind, "coding": coding, "bpsp": facts.bpsp})
    reporter.finish()


def _show_archive(reporter: Reporter, source: Path, data: bytes, verbose: bool) -> None:
    """The same for an archive."""
    from mulanzip.inspect.info import describe_archive

    facts, directory = describe_archive(data)
    lines = [str(source), f"  archive   {facts.images} images, {facts.grouped} of them in {facts.groups} groups"]
    lines.append(f"  size      {size(facts.size)} bytes")
    lines.append(f"  model     {facts.model or 'not here'} ({facts.model_id}), schedule {facts.schedule}")
    lines += [f"  {kind:<21} {count:>8} images" for kind, count in facts.kinds.items()]
    lines += [f"  {part:<13} {size(count):>12} bytes" for part, count in facts.parts.items()]
    if verbose:
        lines += [f"  {member.name}" for member in directory.members]
    reporter.count("done")
    for line in lines:
        reporter.say(line)
    names = {"names": [member.name for member in directory.members]} if verbose else {}
    reporter.record({"source": str(source), **asdict(facts), **names})
