"""Finding models: by name, by file, by content hash.  Free of torch."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from mulanzip.errors import ModelError

#: Bytes of the SHA-256 that a file carries.
ID_BYTES = 8
DEFAULT_MODEL = "photo"
DEFAULT_GAUSSIAN_MODEL = "tiles32"
MODEL_FILE = "model.safetensors"
#: Format of model files whose noise is Gaussian; all others are of the erasure process.
GAUSSIAN_FORMAT = "mulanzip-gaussian-2"


@dataclass(frozen=True)
class ModelInfo:
    """What can be said of a model without loading it."""

    name: str
    path: Path
    sha256: bytes
    config: dict[str, Any]
    metadata: dict[str, str]

    @property
    def kind(self) -> str:
        """Its noise: ``gaussian``, or ``erasure``, which codes."""
        return "gaussian" if self.metadata.get("format") == GAUSSIAN_FORMAT else "erasure"

    @property
    def model_id(self) -> bytes:
        """The part of the hash that files carry."""
        return self.sha256[:ID_BYTES]


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, read without any library: its header is JSON."""
    try:
        with open(path, "rb") as file:
            size = struct.unpack("<Q", file.read(8))[0]
            if size > 1 << 20:
                raise ValueError("header too large")
            found: dict[str, str] = json.loads(file.read(size))["__metadata__"]
            return found
    except OSError as error:
        raise ModelError(f"cannot read model {path}: {error.strerror}") from None
    except (struct.error, ValueError, KeyError, TypeError):
        raise ModelError(f"{path} is not a mulanzip model") from None


def describe(path: Path, name: str | None = None) -> ModelInfo:
    """Describe the model file at ``path``.

    Raises:
        ModelError: if it is none.
    """
    metadata = _metadata(path)
    try:
        digest, config = bytes.fromhex(metadata["sha256"]), json.loads(metadata["config"])
    except (KeyError, ValueError, TypeError):
        raise ModelError(f"{path} is not a mulanzip model") from None
    return ModelInfo(name or path.stem, path, digest, config, metadata)


@cache
def shipped() -> tuple[ModelInfo, ...]:
    """The models that come with mulanzip, by name."""
    folder = Path(str(resources.files("mulanzip.models")))
    return tuple(describe(path, path.parent.name) for path in sorted(folder.glob(f"*/{MODEL_FILE}")))


def find(name: str, kind: str | None = "erasure") -> ModelInfo:
    """The model of that ``kind`` (None: of any) called ``name``, or the model file of that path.

    Raises:
        ModelError: if there is none, or it is of another kind.
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
    """The model that a file was made with.

    Args:
        model_id: from the file.
        extra: a name or path to try beside the shipped models.
        kind: of the model; ``extra`` may be of the other one, where a file needs two.

    Raises:
        ModelError: if it is not there.
    """
    candidates = list(shipped())
    if extra is not None:
        candidates.insert(0, find(extra, None))
    for model in candidates:
        if model.model_id == model_id and model.kind == kind:
            return model
    raise ModelError(
        f"the file was made with model {model_id.hex()}, which is not here; "
        f"install the version of mulanzip that made it, or name the model file with -m"
    )
