"""URLs of files on a cluster, as paths: pathlib drops empty parts, which mean something in URLs."""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Stands for an empty part of a URL; no file system uses this character of the private area.
_EMPTY = "\ue000"
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)(:/+|::)")
_CHAIN = "::"


def as_path(text: str) -> Path:
    """The path that stands for a URL, or for the name of a file."""
    return Path(re.sub("(?<=/)(?=/)", _EMPTY, text) if _SCHEME.match(text) else text)


def url(path: Path) -> str:
    """The absolute path, or the URL that a path stands for, also if a slash was lost behind its protocol."""
    text = str(path)
    if not _SCHEME.match(text):
        return os.path.abspath(text)
    if _EMPTY in text or text.startswith("file:/"):
        return without_marks(text)
    return re.sub(r"(^|::)([a-z][a-z0-9+.-]*):/+", r"\1\2://", text)


def without_marks(text: str) -> str:
    """A text with paths as users wrote them."""
    return text.replace(_EMPTY, "")


def beside(path: Path) -> Path:
    """A file's path; of the member of an archive, a path of that name beside the archive."""
    first, chain, archive = url(path).partition(_CHAIN)
    protocol, separator, member = first.partition("://")
    if not chain or not _SCHEME.match(str(path)) or not (protocol and separator and member):
        return path
    return as_path(f"{archive.rpartition('/')[0]}/{member.rpartition('/')[2]}")
