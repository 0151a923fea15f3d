"""Whatever REST answers: an account and instruments that are whole, or one line that says why not."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import SwarmError
from market.venues.config import VenueConfig
from market.venues.venue import account_truth, load_instruments
from tests.chaos.harness import SYMBOLS, venue_config
from tests.chaos.virtual_loop import VirtualClock, VirtualLoop
from tests.fuzz.mutations import mutated, session
from tests.market.venue_server import KRAKEN_SECRET, SECRET, with_keys

ROUNDS = 150


class Answers:
    """A REST door at which everything is spoiled now and then."""

    def __init__(self, dialect: str) -> None:
        self._found: dict[str, list[bytes]] = {}
        for door, payload in session(dialect):
            if door.startswith("/"):
                self._found.setdefault(door, []).append(payload)
        self._spoiled: dict[str, Iterator[bytes]] = {
            door: mutated(at, bodies, 100_000) for at, (door, bodies) in enumerate(self._found.items())
        }
        self.wrong_door = ""

    def next(self, door: str) -> bytes:
        """Answer: honestly where this is not the door that is spoiled now."""
        if door not in self._found:
            return b"{}"
        return next(self._spoiled[door]) if door == self.wrong_door else self._found[door][0]

    @property
    def doors(self) -> list[str]:
        """Name the doors."""
        return list(self._found)


@pytest.mark.parametrize("dialect", ["binance", "kraken"])
def test_what_cannot_be_read_is_one_line_and_never_a_traceback(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, loop = Answers(dialect), VirtualLoop()
    with_keys(monkeypatch, secret=KRAKEN_SECRET if dialect == "kraken" else SECRET)

    async def exchange(self: Any, method: str, path: str, **more: Any) -> tuple[int, str | None, bytes]:
        return 200, None, answers.next(path.partition("?")[0])

    client = importlib.import_module(f"market.venues.{dialect}.rest").RestClient
    monkeypatch.setattr(client, "_exchange", exchange)
    changes = {"start_timeout_s": 0.05, "rest_attempts": 2, "backoff_min_s": 0.01, "backoff_max_s": 0.02}
    config: VenueConfig = venue_config("http://127.0.0.1:1", dialect).model_copy(update=changes)
    clock = VirtualClock(loop)
    told: dict[str, int] = {"whole": 0, "refused": 0}

    async def run() -> None:
        for door in answers.doors:
            answers.wrong_door = door
            for _ in range(ROUNDS // len(answers.doors) * 4):
                for asked in (load_instruments(config, SYMBOLS, clock), account_truth(config, clock)):
                    try:
                        assert await asked is not None
                        told["whole"] += 1
                    except SwarmError as error:
                        told["refused"] += "\n" not in str(error)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(run())
    assert told["whole"] > 100 and told["refused"] > 50
