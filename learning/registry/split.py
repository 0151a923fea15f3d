"""Which agents a canary serves: a share of them, drawn by hash, the same on every machine."""

from __future__ import annotations

import hashlib

from learning.registry.pointer import PPM


def serves(model: str, shard: int, share_ppm: int) -> bool:
    """Tell whether a model serves this agent; agents that it serves stay so while the share grows.

    >>> sum(serves("f00d", shard, 250_000) for shard in range(1_000))
    271
    """
    drawn = hashlib.blake2b(f"{shard}:{model}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") % PPM < share_ppm
