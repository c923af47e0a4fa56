"""One error class per cause; each carries the exit code of the command line."""

from __future__ import annotations


class MulanzipError(Exception):
    """Base of all errors that mulanzip raises on purpose."""

    exit_code = 1


class UnsupportedImageError(MulanzipError):
    """The image is of a kind that cannot be kept exactly (yet): nothing was written."""


class UnreadableImageError(MulanzipError):
    """The source is not an image, or is a damaged one."""


class CorruptFileError(MulanzipError):
    """A ``.mzp`` file is damaged, truncated, or not a ``.mzp`` file at all."""

    exit_code = 4


class UnsupportedVersionError(CorruptFileError):
    """A ``.mzp`` file of a newer format version, or with features this version does not know."""


class ArchiveError(MulanzipError):
    """A file is an archive where a single image is wanted."""


class ModelError(MulanzipError):
    """A model is missing, damaged, or not the one that a file was made with."""

    exit_code = 5


class LimitError(MulanzipError):
    """The image, or what a file claims about itself, is larger than the limits allow."""

    exit_code = 6


class VerificationError(MulanzipError):
    """What was just compressed does not decode to the same pixels: nothing was written."""


class OutputExistsError(MulanzipError):
    """The output is there already, or is the input itself."""


class NotDamagedError(MulanzipError):
    """There is nothing to salvage: the file is as it should be."""


class NoImageError(MulanzipError):
    """There is no image file for an archive: nothing was written."""

    exit_code = 3
