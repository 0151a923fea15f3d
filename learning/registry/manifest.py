"""What is known of a version, beside its tensors: where it comes from and how it did."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from learning.models.model import Settings
from learning.registry.blob import HASH_BYTES, SCHEMA, NewerFormat, refused

FORMAT = 1


class Gate(msgspec.Struct, frozen=True):
    """One condition that a version met or did not, with the figure that decided it."""

    name: str
    passed: bool
    figure: float | None
    limit: float | None
    reason: str = ""


class Window(msgspec.Struct, frozen=True):
    """The stretch of rows that it was trained on."""

    from_ns: int
    until_ns: int
    rows: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Describe a version. `model` is its hash, `parent` the one it went on from ("" for none)."""

    model: str
    kind: str
    source: str
    made_ns: int
    parent: str = ""
    schema: str = SCHEMA
    features: tuple[str, ...] = ()
    window: Window = Window(0, 0, 0)
    config: Settings = {}
    code_version: str = ""
    metrics: dict[str, float | None] = {}
    gates: tuple[Gate, ...] = ()
    format: int = FORMAT


class _Format(msgspec.Struct):
    format: int = 0


def encode_manifest(manifest: Manifest) -> bytes:
    """Write a manifest as JSON; figures that are not finite become null, since JSON has no word for them."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def decode_manifest(text: bytes, where: str) -> Manifest:
    """Read a manifest, or say what is wrong with it."""
    try:
        newer = msgspec.json.decode(text, type=_Format).format
        if newer > FORMAT:
            raise NewerFormat(newer, FORMAT, where)
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(f"corrupt: {error}", "use another version, or copy it again", where) from error


def digest(text: bytes) -> str:
    """Hash a manifest's bytes, for the history to hold."""
    return hashlib.blake2b(text, digest_size=HASH_BYTES).hexdigest()


def latest(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Keep the last gate of each name, in the order of first appearance.

    >>> [gate.passed for gate in latest([Gate("norm", False, 9.0, 4.0), Gate("norm", True, 3.0, 4.0)])]
    [True]
    """
    return tuple({gate.name: gate for gate in gates}.values())
