"""Shamir's shares: any `threshold` of them give the secret, fewer give nothing."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

PRIME = (1 << 521) - 1
SECRET_BYTES, SHARE_BYTES = 32, 66


def split(secret: bytes, count: int, threshold: int) -> dict[int, bytes]:
    """Share a secret of 32 bytes among the places 1 to `count`."""
    assert len(secret) == SECRET_BYTES and 1 <= threshold <= count
    factors = [int.from_bytes(secret, "big"), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    return {place: _value(factors, place).to_bytes(SHARE_BYTES, "big") for place in range(1, count + 1)}


def joined(shares: Mapping[int, bytes]) -> bytes:
    """Give the secret of enough shares; too few, or wrong ones, give a `ValueError` or another value.

    >>> joined({place: share for place, share in split(b"s" * 32, 3, 2).items() if place != 2}) == b"s" * 32
    True
    """
    points = {place: int.from_bytes(share, "big") for place, share in shares.items()}
    total = 0
    for place, value in points.items():
        above = below = 1
        for other in points:
            if other != place:
                above, below = above * -other % PRIME, below * (place - other) % PRIME
        total = (total + value * above * pow(below, -1, PRIME)) % PRIME
    if total >> (8 * SECRET_BYTES):
        raise ValueError("these shares do not make a secret")
    return total.to_bytes(SECRET_BYTES, "big")


def _value(factors: list[int], place: int) -> int:
    value = 0
    for factor in reversed(factors):
        value = (value * place + factor) % PRIME
    return value
