"""Models by name, by file and by content hash; free of torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from mulanzip.errors import ModelError, UnsupportedImageError

#: Length of a model's identity in files: the first bytes of its SHA-256.
ID_BYTES = 8
#: Model of colour images, and of groups of small images in archives.
DEFAULT_MODEL = "photo"
#: Model of images of one channel, or of several that are coded one by one.
GRAY_MODEL = "gray"
#: A larger one, for images that it makes smaller.
LARGE_GRAY_MODEL = "gray-max"
#: Stands for one of these two, whichever suits the image.
AUTO = "auto"
DEFAULT_GAUSSIAN_MODEL = "tiles32"
MODEL_FILE = "model.safetensors"
#: Value of "format" in the metadata of models of Gaussian noise; all other models are of erasure noise.
GAUSSIAN_FORMAT = "mulanzip-gaussian-2"


@dataclass(frozen=True)
class ModelInfo:
    """Facts about a model that need no loading of its weights.

    Attributes:
        sha256: of its content.
        config: its sizes.
        metadata: of the file, all of it.
    """

    name: str
    path: Path
    sha256: bytes
    config: dict[str, Any]
    metadata: dict[str, str]

    @property
    def kind(self) -> str:
        """Its noise process: ``erasure``, which compresses images, or ``gaussian``."""
        return "gaussian" if self.metadata.get("format") == GAUSSIAN_FORMAT else "erasure"

    @property
    def model_id(self) -> bytes:
        """Its identity in compressed files."""
        return self.sha256[:ID_BYTES]


def describe(path: Path, name: str | None = None) -> ModelInfo:
    """Describe the model file at ``path``.

    Args:
        name: of the model; by default that of the file.

    Raises:
        ModelError: if the file cannot be read or is not a model.
    """
    try:
        # Opened as a plain file first: its errors say what is wrong, those of safetensors do not.
        with open(path, "rb"), safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
        digest, config = bytes.fromhex(metadata["sha256"]), json.loads(metadata["config"])
        if not isinstance(config, dict):
            raise TypeError
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror}") from None
    except (SafetensorError, KeyError, ValueError, TypeError):
        raise ModelError(f"{path} is not a mulanzip model") from None
    return ModelInfo(name or path.stem, path, digest, config, metadata)


@cache
def shipped() -> tuple[ModelInfo, ...]:
    """The models that come with mulanzip, in the order of their names."""
    folder = Path(str(import_module("mulanzip.models").__file__)).parent
    return tuple(describe(path, path.parent.name) for path in sorted(folder.glob(f"*/{MODEL_FILE}")))


def suited(name: str, colours: int, kind: str | None = None) -> ModelInfo:
    """Find the model for an image.

    Args:
        name: as for :func:`find`, or :data:`AUTO`.
        colours: that are coded together: 3 or 1.
        kind: that the model must have; None for any.

    Raises:
        ModelError: as :func:`find`.
        UnsupportedImageError: if the model codes single channels alone, and the image has colours.
    """
    if name == AUTO:
        return find(GRAY_MODEL if colours == 1 else DEFAULT_MODEL)
    found = find(name, kind)
    if found.kind == "erasure" and found.config.get("colours", colours) < colours:
        raise UnsupportedImageError(
            f"{found.name} is a model of gray images; use {DEFAULT_MODEL} or {AUTO} for colours"
        )
    return found


def others(name: str, colours: int) -> tuple[ModelInfo, ...]:
    """Larger models than the suited one, which may make an image smaller; arguments as for :func:`suited`."""
    return (find(LARGE_GRAY_MODEL),) if name == AUTO and colours == 1 else ()


def find(name: str, kind: str | None = "erasure") -> ModelInfo:
    """Find a model.

    Args:
        name: of a shipped model, or the path of a model file.
        kind: that the model must have; None for any.

    Raises:
        ModelError: if there is no such model, or it is of another kind.
    """
    known = ", ".join(m.name for m in shipped() if kind in (None, m.kind)) or "none"
    found = next((model for model in shipped() if model.name == name), None)
    if found is None and Path(name).is_file():
        found = describe(Path(name))
    if found is None:
        raise ModelError(f"there is no model {name!r} (models here: {known}; a path to a model file works as well)")
    if kind is not None and found.kind != kind:
        use = {"erasure": "compresses images", "gaussian": "has Gaussian noise, as this needs"}[kind]
        raise ModelError(f"{name} is a model of {found.kind} noise; use one that {use} (here: {known})")
    return found


def by_id(model_id: bytes, extra: str | None = None, kind: str = "erasure") -> ModelInfo:
    """Find the model that a file was made with.

    Args:
        model_id: from the file.
        extra: name or path of another model to try, before the shipped ones; :data:`AUTO` stands for none.
        kind: of the model.  ``extra`` may be of the other kind: some files need one model of each.

    Raises:
        ModelError: if the model is not here.
    """
    candidates = list(shipped())
    if extra not in (None, AUTO):
        candidates.insert(0, find(extra, None))
    for model in candidates:
        if model.model_id == model_id and model.kind == kind:
            return model
    raise ModelError(
        f"the file was made with model {model_id.hex()}, which is not here; "
        f"install the version of mulanzip that made it, or name the model file with -m"
    )
