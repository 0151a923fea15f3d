"""A version: the arrays, where they come from, and all that the loop must know after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from federation.aggregation.adam import Moments
from federation.update import Arrays, Names, RejectedUpdate, Update, digest
from federation.vetting.history import History


class Member(msgspec.Struct, frozen=True):
    """An update that a version is made of; how much one counted that was summed under masks, nobody knows."""

    region: str
    base: int
    attempt: int
    examples: int | None
    weight: float | None
    staleness: int


class Version(msgspec.Struct, frozen=True):
    """One model of the line, and the loop's memory as of it.

    `counted` names for every region the last (version, attempt) that was counted: nothing at or before it
    counts again.
    """

    number: int
    hash: str
    parent: str
    names: Names
    arrays: Arrays
    made_ns: int
    members: tuple[Member, ...] = ()
    left_out: tuple[RejectedUpdate, ...] = ()
    counted: Mapping[str, tuple[int, int]] = {}
    durations_ns: Mapping[str, tuple[int, ...]] = {}
    history: History = History()
    moments: Moments | None = None
    loss: float | None = None
    champion: int = 0


def first_version(names: Names, arrays: Arrays, now_ns: int = 0, loss: float | None = None) -> Version:
    """Begin a line: version 0, which everybody starts from."""
    return Version(0, digest(names, arrays, "0:"), "", names, tuple(arrays), now_ns, loss=loss)


def next_hash(parent: Version, arrays: Arrays) -> str:
    """Hash a version's arrays together with its place in the line."""
    return digest(parent.names, arrays, f"{parent.number + 1}:{parent.hash}")


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, np.ascontiguousarray(value).tobytes())
    raise NotImplementedError(type(value))


def _decode(kind: type, value: Any) -> Any:
    if kind is np.ndarray or getattr(kind, "__origin__", None) is np.ndarray:
        dtype, shape, data = value
        if not dtype[1:2] == "f":
            raise ValueError(f"an array of {dtype}")
        return np.frombuffer(data, np.dtype(dtype)).reshape(shape).copy()
    raise NotImplementedError(kind)


def encode(value: Version | Update) -> bytes:
    """Write as bytes that carry data only."""
    return msgspec.msgpack.encode(value, enc_hook=_encode)


def decode_version(data: bytes) -> Version:
    """Read a version back; a hash that does not fit its arrays is refused."""
    version = msgspec.msgpack.decode(data, type=Version, dec_hook=_decode)
    salt = f"{version.number}:{version.parent}"
    if digest(version.names, version.arrays, salt) != version.hash:
        raise ValueError(f"version {version.number} is not what its hash says")
    return version


def decode_update(data: bytes) -> Update:
    """Read an update back."""
    return msgspec.msgpack.decode(data, type=Update, dec_hook=_decode)
