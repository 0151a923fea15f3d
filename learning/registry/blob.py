"""A model as one file: safetensors that also says what kind it is, with a hash for a name."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import numpy as np

from domain.errors import ExitCode, SwarmError
from learning.models.model import Exported, Settings

FORMAT = 1
# The features that this program computes, as `learning.rows.features` names them; importing that would
# load its kernels for every command.
SCHEMA = "f1"
BYTES_MAX = 64 << 20
HASH_BYTES = 16
DTYPES = ("float32", "float64", "int64", "int32", "int8", "uint8")
_KEY = "murmuration"


class _Head(msgspec.Struct, frozen=True):
    format: int
    schema: str
    kind: str
    config: Settings
    names: list[str]


def write_blob(exported: Exported, schema: str = SCHEMA) -> bytes:
    """Write a model as bytes: the same model gives the same bytes."""
    from safetensors.numpy import save

    for name, tensor in exported.tensors.items():
        if str(tensor.dtype) not in DTYPES:
            raise refused(f"tensor {name[:60]!a} is {tensor.dtype}", "keep numbers only")
    # One key, since safetensors writes several in no order. JSON has neither NaN nor infinity.
    head = _Head(FORMAT, schema, exported.kind, dict(sorted(exported.config.items())), list(exported.tensors))
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in exported.tensors.items()}
    blob: bytes = save(tensors, metadata={_KEY: msgspec.json.encode(head).decode()})
    if len(blob) > BYTES_MAX:
        raise refused(f"it has {len(blob)} bytes, over {BYTES_MAX}", "make a smaller model")
    return blob


def read_blob(blob: bytes) -> Exported:
    """Read a model back, or say what is wrong with it."""
    head, tensors = _parts(blob)
    if head.schema != SCHEMA:
        raise refused(
            f"made for features {head.schema[:20]!a}, not {SCHEMA!a}", "update this node, or train anew"
        )
    return Exported(head.kind, {name: tensors[name] for name in head.names}, head.config)


def schema_of(blob: bytes) -> str:
    """Tell which features the model was made for."""
    return _parts(blob)[0].schema


def hash_of(blob: bytes, schema: str = SCHEMA) -> str:
    """Name a model by what it is.

    >>> hash_of(b"")
    '2a6af2ff667c054f530a8b46d0038438'
    """
    return hashlib.blake2b(blob + schema.encode(), digest_size=HASH_BYTES).hexdigest()


def _parts(blob: bytes) -> tuple[_Head, dict[str, Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if len(blob) > BYTES_MAX:
        raise refused(f"it has {len(blob)} bytes, over {BYTES_MAX}", "use another version")
    try:
        head = _head(blob)
        tensors = load(blob)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise refused(f"corrupt or cut off: {error}", "use another version, or copy it again") from error
    missing = sorted(set(head.names) ^ set(tensors))
    if missing:
        raise refused(f"tensor {missing[0][:60]!a} is missing or not its own", "use another version")
    odd = next((name for name, each in tensors.items() if str(each.dtype) not in DTYPES), None)
    if odd is not None:
        raise refused(f"tensor {odd[:60]!a} is {tensors[odd].dtype}", "use another version")
    return head, tensors


def _head(blob: bytes) -> _Head:
    """Read what the file says of itself; its layout is checked when the tensors are."""
    length = int.from_bytes(blob[:8], "little")
    metadata = msgspec.json.decode(blob[8 : 8 + length], type=dict[str, Any])["__metadata__"]
    if not isinstance(metadata, dict) or _KEY not in metadata:
        raise refused("not a model of ours", "use `swarm models export`")
    said = msgspec.json.decode(metadata[_KEY], type=dict[str, Any])
    if isinstance(said.get("format"), int) and said["format"] > FORMAT:
        raise NewerFormat(said["format"], FORMAT, "model")
    return msgspec.convert(said, _Head)


class NewerFormat(SwarmError):
    """What a later program wrote: this one must neither guess at it nor write over it."""

    def __init__(self, found: int, known: int, where: str) -> None:
        what = f"written in format {found}, newer than {known}"
        super().__init__(what, where=where, mend="update this node", code=ExitCode.BAD_DATA)


def refused(what: str, mend: str, where: str = "model") -> SwarmError:
    """Give the one line about a model that cannot be used."""
    return SwarmError(what, where=where, mend=mend, code=ExitCode.BAD_DATA)
