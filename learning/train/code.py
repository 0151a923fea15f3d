"""Which code made a version: a hash of what learns, so that one name is the same code on every machine."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

HASH_BYTES = 8


@lru_cache(maxsize=1)
def code_version(root: Path = Path(__file__).parents[1]) -> str:
    """Hash the sources that make rows, labels and models."""
    made = hashlib.blake2b(digest_size=HASH_BYTES)
    for path in sorted(root.rglob("*.py")):
        text = path.read_bytes()
        made.update(f"{path.relative_to(root).as_posix()} {len(text)}\n".encode() + text)
    return made.hexdigest()
