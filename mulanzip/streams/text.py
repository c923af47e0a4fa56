"""Samples as decimal numbers in text; a content is the samples, then what stands between the numbers.

What stands between two numbers ends with a zero byte in the content.
"""

from __future__ import annotations

import numpy as np

_DIGITS = 5
_ZERO, _SPACES = 48, b" \t\n\v\f\r"
_LIMITS = 10 ** np.arange(1, _DIGITS)


def stream_end(data: bytes, start: int, count: int, *, is_digits: bool) -> int:
    """The position behind the number ``count`` from ``start`` on.

    Raises:
        ValueError: if there are fewer.
    """
    is_last = np.frombuffer(data, np.uint8, offset=start) - np.uint8(_ZERO) < 10
    if not is_digits:
        is_last[:-1] &= ~is_last[1:]
    ends = np.flatnonzero(is_last)
    if not 0 < count <= len(ends):
        raise ValueError("too few numbers")
    return start + 1 + int(ends[count - 1])


def content_of(stream: bytes, unit: int, *, is_digits: bool) -> bytes | None:
    """The content of a text.

    Args:
        stream: begins and ends with a digit.
        unit: bytes of a sample, 1 or 2, high byte first.
        is_digits: whether each digit is a number.

    Returns:
        None if there is anything but spaces between the numbers, or if numbers are too large or begin with zeros.
    """
    text = np.frombuffer(stream, np.uint8)
    digits = text - np.uint8(_ZERO)
    is_digit = digits < 10
    if not len(text) or not is_digit[0] or not is_digit[-1]:
        return None
    between = text[~is_digit]
    if len(between) and not np.isin(between, np.frombuffer(_SPACES, np.uint8)).all():
        return None
    first, last = is_digit.copy(), is_digit.copy()
    if not is_digits:
        first[1:] &= ~is_digit[:-1]
        last[:-1] &= ~is_digit[1:]
    starts, ends = np.flatnonzero(first), np.flatnonzero(last) + 1
    lengths = ends - starts
    if lengths.max() > _DIGITS:
        return None
    values = np.zeros(len(ends), np.int64)
    for k in range(int(lengths.max())):
        has = lengths > k
        values[has] += digits[ends[has] - 1 - k].astype(np.int64) * 10**k
    if values.max() >= 256**unit or (lengths != _length(values)).any():
        return None
    gaps = np.cumsum(starts[1:] - ends[:-1])
    return values.astype(f">u{unit}").tobytes() + np.insert(between, gaps, 0).tobytes()


def make(content: bytes, size: int, unit: int) -> bytes:
    """The text of a content, of which the first ``size`` bytes are samples of ``unit`` bytes.

    Raises:
        ValueError: if there is another number of numbers than the text between them wants.
    """
    if size > len(content) or not size or size % unit:
        raise ValueError("a text without its numbers")
    values = np.frombuffer(content[:size], f">u{unit}").astype(np.int64)
    between = np.frombuffer(content, np.uint8, offset=size)
    marks = np.flatnonzero(between == 0)
    if len(marks) != len(values) - 1 or (len(between) and between[-1]):
        raise ValueError("a text of another number of numbers")
    lengths = _length(values)
    gaps = np.diff(marks, prepend=-1) - 1
    ends = np.cumsum(lengths)
    ends[1:] += np.cumsum(gaps)
    text = np.empty(int(ends[-1]), np.uint8)
    is_digit = np.zeros(len(text), np.bool_)
    for k in range(int(lengths.max())):
        has = lengths > k
        places = ends[has] - 1 - k
        text[places] = _ZERO + values[has] // 10**k % 10
        is_digit[places] = True
    text[~is_digit] = between[between != 0]
    return text.tobytes()


def _length(values: np.ndarray) -> np.ndarray:
    """Number of decimal digits."""
    return 1 + np.searchsorted(_LIMITS, values, "right")
