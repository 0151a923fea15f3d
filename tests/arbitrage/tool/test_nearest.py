"""The cycle that is nearest to a gain, whether it gains or not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from arbitrage.tool.books import Books, books_of
from arbitrage.tool.entries import entries
from arbitrage.tool.nearest import nearest
from tests.arbitrage.tool_builders import book, last


def books(*given: dict[str, Any]) -> Books:
    return books_of(entries(json.dumps(given).encode(), "test"), "test")


def keys(known: Books) -> list[tuple[str, int]]:
    found = nearest(known)
    assert found is not None
    return [(known.instruments[hop.market].key, hop.side) for hop in found.hops]


def test_two_venues_that_do_not_meet_are_told_with_what_they_lack_after_fees() -> None:
    a = book("BTC/USDT", [("99.9", "1")], [("100", "1")], venue="a", taker_bps="5")
    b = book("BTC/USDT", [("99.95", "1")], [("100.1", "1")], venue="b", taker_bps="5")
    found = nearest(books(a, b))
    assert found is not None
    assert found.bps == pytest.approx(-5 - 10, abs=0.02)
    assert sorted(keys(books(a, b))) == [("a:BTCUSDT", 1), ("b:BTCUSDT", -1)]


def test_a_triangle_is_found_either_way_round() -> None:
    markets = [last("BTC/USDT", "100"), last("ETH/USDT", "10")]
    found = nearest(books(*markets, last("ETH/BTC", "0.11")))
    assert found is not None
    assert found.product == pytest.approx(1.1)
    found = nearest(books(*markets, last("ETH/BTC", "0.08")))
    assert found is not None
    assert found.product == pytest.approx(1.25)


def test_a_market_there_and_back_is_no_cycle() -> None:
    assert nearest(books(book("BTC/USDT", [("99", "1")], [("100", "1")]))) is None
