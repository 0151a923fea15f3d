"""Bars of trades."""

from __future__ import annotations

from domain.instrument import Instrument
from sim.exchange.kraken.candles import MINUTE_NS, SHOWN_MAX, Candles, candle_record
from sim.exchange.messages import PublicTrade

MARKET = Instrument.of(0, "k", "BTC", "USD", tick="0.1", lot="0.1")


def trade(minute: float, ticks: int, lots: int = 1) -> PublicTrade:
    return PublicTrade(int(minute * MINUTE_NS), 0, 1, ticks, lots, False)


def bars(candles: Candles, minutes: int, now: float) -> list[tuple[int, int, int, int, int, int, int]]:
    return [
        (one.begin_ns // MINUTE_NS, one.first, one.high, one.low, one.last, one.lots, one.count)
        for one in candles.list(minutes, int(now * MINUTE_NS))
    ]


def test_minutes_are_joined_and_quiet_ones_repeat_the_last_price() -> None:
    candles = Candles()
    for one in (trade(10.1, 100, 2), trade(10.9, 90), trade(12.5, 95, 3)):
        candles.add(one)
    assert bars(candles, 1, 13.2) == [
        (10, 100, 100, 90, 90, 3, 2),
        (11, 90, 90, 90, 90, 0, 0),
        (12, 95, 95, 95, 95, 3, 1),
        (13, 95, 95, 95, 95, 0, 0),
    ]
    assert bars(candles, 5, 13.2) == [(10, 100, 100, 90, 95, 6, 3)]
    record = candle_record(MARKET, 5, candles.list(5, 13 * MINUTE_NS)[0])
    assert bytes(record["vwap"]) == b"9.6"  # type: ignore[call-overload]
    assert (record["interval_begin"], record["interval"]) == ("1970-01-01T00:10:00.000000000Z", 5)


def test_nothing_traded_is_no_bar_and_a_long_silence_is_cut() -> None:
    candles = Candles()
    assert candles.list(1, MINUTE_NS) == []
    candles.add(trade(1, 5))
    kept = candles.list(1, 10_000 * MINUTE_NS)
    assert len(kept) == SHOWN_MAX and kept[-1].begin_ns == 10_000 * MINUTE_NS
    assert {(one.first, one.lots) for one in kept} == {(5, 0)}
