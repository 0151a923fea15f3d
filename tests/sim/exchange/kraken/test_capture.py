"""The captured session is still what the server says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.sim.exchange.kraken.capture import CAPTURED, record


def kinds(lines: list[dict[str, str]]) -> set[tuple[Any, ...]]:
    """Give what tells one kind of frame from another: its door, its names, and its fields'."""
    found = set()
    for line in lines:
        message = json.loads(line["payload"])
        data = message.get("data")
        first = data[0] if isinstance(data, list) and data else {}
        names = tuple(message.get(name) for name in ("channel", "type", "method", "success"))
        found.add((line["door"], *names, first.get("exec_type"), *sorted(first)))
    return found


def test_every_kind_of_frame_is_captured_as_it_is_sent_today() -> None:
    captured = [json.loads(line) for line in CAPTURED.read_text(encoding="utf-8").splitlines()]
    now = asyncio.run(record())
    assert kinds(captured) == kinds(now)
    assert len(kinds(now)) >= 35
