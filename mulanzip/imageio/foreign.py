"""Kinds of image files that nothing here decodes: they are known by how they begin, or by their suffix."""

from __future__ import annotations

import re
from pathlib import PurePath

from mulanzip.streams import gzip_member

#: Names of kinds, and what their files begin with.
_STARTS = {
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51",
    "HEIC": rb"....ftyp(heic|heix|hevc|hevx|heim|heis|mif1|msf1)",
    "AVIF": rb"....ftyp(avif|avis)",
    "Canon raw": rb"....ftypcrx ",
    "camera raw": rb"FUJIFILMCCD-RAW|IIU\0|IIR[OS]|MMOR|FOVb|\0MRM",
    "OpenEXR": rb"v/1\x01",
    "Radiance": rb"#\?(RADIANCE|RGBE)",
    "PFM": rb"P[Ff]\n",
    "Photoshop": rb"8BPS",
    "icon": rb"\0\0[\x01\x02]\0",
    "QOI": rb"qoif",
    "JPEG XR": rb"II\xbc\x01",
    "DirectDraw": rb"DDS ",
    "NIfTI": rb"\x5c\x01\0\0|\0\0\x01\x5c",
    "MGH": rb"\0\0\0\x01(\0\0..){4}\0\0\0[\0\x01\x03\x04\x0a]",
    "GIMP": rb"gimp xcf",
    "FITS": rb"SIMPLE  =",
}
_KINDS = [(name, re.compile(start, re.DOTALL)) for name, start in _STARTS.items()]
_TIFF = re.compile(rb"II[*+]\0|MM\0[*+]")
_JPEG = b"\xff\xd8"
#: Marker of a JPEG frame -> the kind of file; of the others (baseline, progressive) there are files of 12 bits.
_FRAMES = {
    **dict.fromkeys((0xC0, 0xC1, 0xC2), "12-bit JPEG"),
    0xC3: "lossless JPEG",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG"),
    **dict.fromkeys((0xC9, 0xCA, 0xCB), "arithmetic JPEG"),
    0xF7: "JPEG-LS",
}
_ORDINARY = ((0xC0, 8), (0xC1, 8), (0xC2, 8))
_RAW = "dng nef nrw cr2 arw srf sr2 pef srw 3fr fff iiq rwl erf mef mos kdc dcr"
_OTHERS = (
    "avif avifs heic heif hif jxl jls jp2 j2k jpf jpx jpm jxr wdp hdp psd psb exr hdr pfm ico cur qoi dds xcf fits fit "
    "nii mgh mgz cr3 crw orf rw2 raf mrw x3f mpo"
)
#: Bytes at the start of a file that suffice to know its kind.
_START = 1 << 6
#: Usual suffixes of files of these kinds, and of files that keep the data of a sensor in TIFF.
SUFFIXES = frozenset(f".{name}" for name in f"{_RAW} {_OTHERS}".split())
_RAW_SUFFIXES = frozenset(f".{name}" for name in _RAW.split())


def kind_of(data: bytes, name: PurePath | None = None) -> str | None:
    """The name of the kind of an image file that nothing here decodes, also in gzip; None if it is none."""
    if gzip_member.is_mine(data):
        data = gzip_member.head(data, _START)
    for kind, start in _KINDS:
        if start.match(data):
            return kind
    if data.startswith(_JPEG):
        return _jpeg_kind(data)
    is_raw = name is not None and name.suffix.lower() in _RAW_SUFFIXES
    return "camera raw" if is_raw and _TIFF.match(data) else None


def _jpeg_kind(data: bytes) -> str | None:
    """The kind of a JPEG file, from its frame's header; None if it is ordinary, or has no such header."""
    at = len(_JPEG)
    while len(head := data[at : at + 5]) == 5 and head[0] == 0xFF:
        marker, precision = head[1], head[4]
        if marker in _FRAMES:
            return None if (marker, precision) in _ORDINARY else _FRAMES[marker]
        at += 2 + int.from_bytes(head[2:4], "big")
    return None
