"""The small file that says which versions serve: what a running node watches."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from learning.registry.blob import HASH_BYTES, NewerFormat, refused

FORMAT = 1
MEND = "any change by `swarm models` writes it again"
PPM = 1_000_000


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name the champion and the canary ("" for none); the history counts up to line `generation`.

    `canary_ppm` is the share of agents that the canary serves, `previous` what a rollback brings back.
    """

    champion: str = ""
    canary: str = ""
    canary_ppm: int = 0
    generation: int = 0
    previous: str = ""
    head: str = ""
    format: int = FORMAT


def encode_pointer(pointer: Pointer) -> bytes:
    """Write a pointer, sealed: a share that a bad disk changed would be believed without."""
    return msgspec.json.encode({**msgspec.structs.asdict(pointer), "seal": _seal(pointer)}) + b"\n"


def _seal(pointer: Pointer) -> str:
    return hashlib.blake2b(msgspec.json.encode(pointer), digest_size=HASH_BYTES).hexdigest()


def decode_pointer(text: bytes, where: str) -> Pointer:
    """Read a pointer, or say what is wrong with it."""
    try:
        told = msgspec.json.decode(text, type=dict[str, Any])
        found = told.get("format")
        if isinstance(found, int) and found > FORMAT:
            raise NewerFormat(found, FORMAT, where)
        seal = told.pop("seal", "")
        pointer = msgspec.convert(told, Pointer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(f"corrupt: {error}", MEND, where) from error
    if seal != _seal(pointer):
        raise refused("corrupt: its seal is another", MEND, where)
    if not (0 <= pointer.canary_ppm <= PPM and pointer.generation >= 0):
        raise refused("corrupt: a share or generation that cannot be", "write it again", where)
    return pointer
