"""Kinds of metadata payloads; :mod:`mulanzip.imageio.metadata` describes their contents."""

from __future__ import annotations

ICC, EXIF, XMP, PNG_CHUNKS, RESOLUTION, TRANSPARENCY = (b"iccp", b"exif", b"xmpm", b"pngc", b"phys", b"trns")

KINDS = (ICC, EXIF, XMP, PNG_CHUNKS, RESOLUTION, TRANSPARENCY)
