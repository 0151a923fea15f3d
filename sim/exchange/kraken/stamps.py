"""Times as Kraken writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

S_NS = 1_000_000_000
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")


@lru_cache(maxsize=64)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def rfc3339(now_ns: int, digits: int = 6) -> str:
    """Write a time in UTC with so many digits of the second.

    >>> rfc3339(1_700_000_000_123_456_789)
    '2023-11-14T22:13:20.123456Z'
    """
    fraction = f".{now_ns % S_NS:09d}"[: digits + 1] if digits > 0 else ""
    return f"{_second(now_ns // S_NS)}{fraction}Z"


def read_rfc3339(text: str) -> int | None:
    """Read a time; `None` when it is none.

    >>> read_rfc3339("2023-11-14T22:13:20.123456789Z")
    1700000000123456789
    """
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    try:
        second = datetime.fromisoformat(found.group(1) + found.group(3).replace("Z", "+00:00"))
    except ValueError:
        return None
    return int(second.timestamp()) * S_NS + int((found.group(2) or "").ljust(9, "0"))


def seconds(now_ns: int) -> float:
    """Give REST's time: seconds with a fraction."""
    return now_ns // 1_000 / 1_000_000
