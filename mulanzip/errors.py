"""One error class per cause; each carries the exit code of the command line."""

from __future__ import annotations


class MulanzipError(Exception):
    """Base of all errors that mulanzip raises on purpose.

    Attributes:
        exit_code: of the command line.
        reason: a word for programs.
    """

    exit_code = 1
    reason = "refused"


class UnsupportedImageError(MulanzipError):
    """The image is of a kind that cannot be kept exactly (yet): nothing was written."""

    reason = "unsupported"


class GradeError(MulanzipError):
    """Less of a source would come back than is required: nothing was written."""

    reason = "grade"


class UnreadableImageError(MulanzipError):
    """The source is not an image, or is a damaged one."""

    reason = "unreadable"


class CompressedError(UnreadableImageError):
    """The source is a ``.mzp`` file or an archive already."""

    reason = "compressed"


class CorruptFileError(MulanzipError):
    """A ``.mzp`` file is damaged, truncated, or not a ``.mzp`` file at all."""

    exit_code = 4
    reason = "corrupt"


class UnsupportedVersionError(CorruptFileError):
    """A ``.mzp`` file of a newer format version, or with features this version does not know."""

    exit_code = 7
    reason = "newer-version"


class ArchiveError(MulanzipError):
    """A file is an archive where a single image is wanted."""

    reason = "archive"


class PartError(MulanzipError, IndexError):
    """There is no such slice or band, or no pixel lies in the region."""

    reason = "no-such-part"


class ModelError(MulanzipError):
    """A model is missing, damaged, or not the one that a file was made with."""

    exit_code = 5
    reason = "model"


class LimitError(MulanzipError):
    """The image, or what a file claims about itself, is larger than the limits allow."""

    exit_code = 6
    reason = "too-large"


class VerificationError(MulanzipError):
    """What was just compressed does not give its source back: nothing was written."""

    reason = "verification"


class OutputExistsError(MulanzipError):
    """The output is there already, or is the input itself."""

    reason = "output-exists"


class NotDamagedError(MulanzipError):
    """There is nothing to salvage: the file is as it should be."""

    reason = "not-damaged"


class NoImageError(MulanzipError):
    """There is no image file for an archive: nothing was written."""

    exit_code = 3
    reason = "no-input"
