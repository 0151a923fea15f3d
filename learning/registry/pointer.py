"""The small file that says which versions serve: what a running node watches."""

from __future__ import annotations

import msgspec

from learning.registry.blob import refused

FORMAT = 1
PPM = 1_000_000


class Pointer(msgspec.Struct, frozen=True):
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
    """Write a pointer."""
    return msgspec.json.encode(pointer) + b"\n"


def decode_pointer(text: bytes, where: str) -> Pointer:
    """Read a pointer, or say what is wrong with it."""
    try:
        pointer = msgspec.json.decode(text, type=Pointer)
    except msgspec.DecodeError as error:
        raise refused(f"corrupt: {error}", "any change by `swarm models` writes it again", where) from error
    if pointer.format > FORMAT:
        raise refused(f"written in format {pointer.format}, newer than {FORMAT}", "update this node", where)
    if not (0 <= pointer.canary_ppm <= PPM and pointer.generation >= 0):
        raise refused("corrupt: a share or generation that cannot be", "write it again", where)
    return pointer
