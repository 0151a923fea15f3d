"""Trades that a venue tells again to a new process are recorded once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from domain.market_events import Trade
from market.history.history import History
from market.history.layout import Kind
from market.history.retold import last_trade
from market.history.verification import verify
from market.rows import events_of
from tests.market.history.market import instrument, recorded

BTC = instrument()
AT_NS = 1_767_225_600_000_000_000


def trade(trade_id: int, at_ns: int | None = None) -> Trade:
    """Make one trade, a second after the one before."""
    at_ns = AT_NS + trade_id * 1_000_000_000 if at_ns is None else at_ns
    return Trade(BTC.index, at_ns, at_ns, trade_id, 10, 1, 1)


def ids(root: Path) -> list[int]:
    """Give the ids in history."""
    rows = np.concatenate(list(History(root).rows(BTC.venue, (BTC.symbol,), kinds=(Kind.TRADES,))))
    return [event.trade_id for event in events_of(rows) if isinstance(event, Trade)]


def test_what_history_has_is_not_recorded_again_and_what_is_new_is(tmp_path: Path) -> None:
    recorded(tmp_path, [trade(1), trade(2), trade(3)])
    assert last_trade(tmp_path, BTC) == (3, AT_NS + 3_000_000_000)
    recorded(tmp_path, [trade(2), trade(3)])
    recorded(tmp_path, [trade(2), trade(3), trade(4), trade(5)])
    assert ids(tmp_path) == [1, 2, 3, 4, 5]
    assert [one.trouble for one in verify(tmp_path)] == [()]


def test_a_venue_that_began_to_count_anew_is_recorded(tmp_path: Path) -> None:
    recorded(tmp_path, [trade(100)])
    recorded(tmp_path, [trade(1, AT_NS + 200_000_000_000), trade(2, AT_NS + 201_000_000_000)])
    assert ids(tmp_path) == [100, 1, 2]


@pytest.mark.parametrize("damage", ["cut", "pages"])
def test_a_damaged_file_does_not_end_a_recording(tmp_path: Path, damage: str) -> None:
    recorded(tmp_path, [trade(number) for number in range(1, 200)])
    path = next(tmp_path.rglob("trades-*.parquet"))
    data = path.read_bytes()
    half = 4 + len(data) // 2
    path.write_bytes(data[:-20] if damage == "cut" else data[:4] + bytes(half - 4) + data[half:])
    assert last_trade(tmp_path, BTC) is None
    recorder = recorded(tmp_path, [trade(300)])
    assert recorder.alarm is None and recorder.records[Kind.TRADES] == 1
