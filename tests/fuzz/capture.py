"""Record a short session with the simulated exchange: `python -m tests.fuzz.capture binance`."""

from __future__ import annotations

import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from market.venues.link import VenueLink
from tests.chaos.harness import live_through

CAPTURED = Path(__file__).resolve().parent.parent / "captured"
FRAMES_MAX, SAME_MAX = 60, 3


def record(dialect: str) -> list[dict[str, str]]:
    """Give frames by the link that they came on, and REST answers by their path."""
    found: list[dict[str, str]] = []
    counts: Counter[str] = Counter()
    client = importlib.import_module(f"market.venues.{dialect}.rest").RestClient
    link_init, exchange = VenueLink.__init__, client._exchange

    def keep(door: str, payload: bytes, most: int) -> None:
        if counts[door] < most:
            counts[door] += 1
            found.append({"door": door, "payload": payload.decode()})

    def init(link: Any, purpose: str, *rest: Any, on_frame: Callable[[bytes], None], **named: Any) -> None:
        def told(payload: bytes) -> None:
            keep(purpose, payload, FRAMES_MAX)
            on_frame(payload)

        link_init(link, purpose, *rest, on_frame=told, **named)

    async def asked(calls: Any, method: str, path: str, **named: Any) -> Any:
        status, retry, body = await exchange(calls, method, path, **named)
        keep(path.partition("?")[0], body, SAME_MAX)
        return status, retry, body

    with patch.object(VenueLink, "__init__", init), patch.object(client, "_exchange", asked):
        live_through(1, [], account_every_s=15.0, dialect=dialect, minutes=2)
    return found


def main(dialect: str) -> None:
    """Write a session down."""
    path = CAPTURED / dialect / "native.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(one, separators=(",", ":")) for one in record(dialect)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
