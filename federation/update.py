"""What a region sends: arrays learnt from a stated version, never a row."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Arrays = Sequence[NDArray[np.floating]]
Names = tuple[str, ...]
REGION = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")


class Update(msgspec.Struct, frozen=True):
    """A region's arrays, the version that they were learnt from, and by how many examples.

    `attempt` tells apart what a region learnt from one version twice, after its first try did not count.
    """

    region: str
    base: str
    arrays: Arrays
    examples: int
    metrics: dict[str, float] = {}
    names: Names = ()
    attempt: int = 0


class RejectedUpdate(msgspec.Struct, frozen=True):
    """An update that does not count, and why."""

    region: str
    reason: str


def plain(text: str, most: int = 200) -> str:
    """Keep a stranger's words to one line that no terminal obeys.

    >>> plain("no rows\\x1b[2J")
    'no rows?[2J'
    """
    return "".join(each if each.isprintable() else "?" for each in text[:most])


def digest(names: Names, arrays: Arrays, salt: str = "") -> str:
    """Hash names, types, shapes and bytes: two models are the same when this is.

    >>> digest(("w",), [np.zeros(2, np.float32)]) == digest(("w",), [np.zeros(2, np.float32)])
    True
    """
    hashed = hashlib.blake2b(salt.encode(), digest_size=16)
    for name, array in zip(names, arrays, strict=True):
        hashed.update(f"|{name}:{array.dtype.str}{array.shape}:".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()
