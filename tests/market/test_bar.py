"""Bars are made of trades, close with their minute, and are never reopened."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from domain.market_events import Tick, Trade
from market.bar import BAR_DTYPE, BarRings
from market.bar_kernels import HOURS, MINUTE_NS, MINUTES, NOTIONAL_MAX

S = 1_000_000_000


def trade(at_ns: int, price: int = 100, size: int = 1, aggressor: int = 1) -> Trade:
    return Trade(0, at_ns, at_ns, 0, price, size, aggressor)


def quote(at_ns: int) -> Tick:
    return Tick(0, at_ns, at_ns, 99, 1, 101, 1, 0)


@dataclass
class SlowBars:
    """Make the same bars out of a list of all trades."""

    trades: list[Trade]

    def minutes(self, until_ns: int) -> list[tuple[int, ...]]:
        first = self.trades[0].exchange_ts_ns // MINUTE_NS
        return [self._bar(minute, minute + 1) for minute in range(first, until_ns // MINUTE_NS)]

    def hours(self, until_ns: int) -> list[tuple[int, ...]]:
        first = -(-(self.trades[0].exchange_ts_ns // MINUTE_NS) // 60) * 60
        last = until_ns // MINUTE_NS
        return [self._bar(start, start + 60) for start in range(first, last - 59, 60)]

    def _bar(self, first: int, end: int) -> tuple[int, ...]:
        inside = [one for one in self.trades if first <= one.exchange_ts_ns // MINUTE_NS < end]
        before = [one for one in self.trades if one.exchange_ts_ns // MINUTE_NS < first]
        prices = [one.price_ticks for one in inside]
        # An hour that begins without a trade opens at the last price, as its first flat minute does.
        if before and (not inside or inside[0].exchange_ts_ns // MINUTE_NS > first):
            prices.insert(0, before[-1].price_ticks)
        return (
            first * MINUTE_NS,
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            sum(one.size_lots for one in inside),
            len(inside),
            sum(one.price_ticks * one.size_lots for one in inside),
            sum(one.size_lots for one in inside if one.aggressor > 0),
            inside[0].exchange_ts_ns if inside else 0,
            inside[-1].exchange_ts_ns if inside else 0,
        )


@pytest.mark.parametrize("seed", range(8))
def test_bars_equal_those_made_of_all_trades_at_once(seed: int) -> None:
    draw = random.Random(seed)
    now, price, trades, bars = draw.randrange(10_000) * S, 10_000, [], BarRings(2)
    for _ in range(400):
        now += draw.choice([S // 3, 7 * S, 50 * S, 400 * S])
        price += draw.randint(-9, 9)
        trades.append(trade(now, price, draw.randint(1, 50), draw.choice([1, -1])))
        bars.trade(1, trades[-1])
    slow = SlowBars(trades)
    assert bars.minutes(1).tolist() == slow.minutes(now)[-MINUTES:]
    assert bars.hours(1).tolist() == slow.hours(now)[-HOURS:]
    assert len(bars.hours(1)) >= 5 and len(bars.minutes(0)) == 0 and bars.late(1) == 0


def test_a_bar_is_not_there_before_its_minute_is_over() -> None:
    bars = BarRings(1)
    bars.trade(0, trade(10 * S))
    bars.tick(0, quote(MINUTE_NS - 1))
    assert len(bars.minutes(0)) == 0
    bars.tick(0, quote(MINUTE_NS))
    assert len(bars.minutes(0)) == 1


def test_before_the_first_trade_time_passes_without_bars() -> None:
    bars = BarRings(1)
    for minute in (0, 1, 5, 900_000):
        bars.tick(0, quote(minute * MINUTE_NS))
    assert len(bars.minutes(0)) == 0 and bars.skipped(0) == 0


def test_minutes_without_a_trade_are_flat_and_have_no_volume() -> None:
    bars = BarRings(1)
    bars.trade(0, trade(0, 100, 5))
    bars.trade(0, trade(3 * MINUTE_NS, 110, 5))
    bars.close_until(0, 4 * MINUTE_NS)
    kept = bars.minutes(0)
    assert kept["close_ticks"].tolist() == [100, 100, 100, 110]
    assert kept["open_ticks"].tolist() == [100, 100, 100, 110]
    assert kept["volume_lots"].tolist() == [5, 0, 0, 5] and kept["trades"].tolist() == [1, 0, 0, 1]
    assert kept["last_ns"].tolist() == [0, 0, 0, 3 * MINUTE_NS]


def test_a_late_trade_is_counted_and_changes_no_bar() -> None:
    bars = BarRings(1)
    bars.trade(0, trade(0, 100))
    bars.tick(0, quote(2 * MINUTE_NS))
    before = bars.minutes(0).tolist()
    bars.trade(0, trade(MINUTE_NS, 500))
    bars.tick(0, quote(3 * MINUTE_NS))
    assert bars.late(0) == 1
    assert bars.minutes(0).tolist()[:2] == before and bars.minutes(0)["high_ticks"].tolist()[2] == 100


def test_a_tick_of_the_past_closes_nothing() -> None:
    bars = BarRings(1)
    bars.trade(0, trade(5 * MINUTE_NS))
    bars.tick(0, quote(MINUTE_NS))
    assert len(bars.minutes(0)) == 0


def test_a_gap_longer_than_the_ring_is_filled_at_its_end_only() -> None:
    bars = BarRings(1)
    bars.trade(0, trade(0, 100))
    bars.trade(0, trade(10_000 * MINUTE_NS, 110))
    kept = bars.minutes(0)
    assert len(kept) == MINUTES and bars.skipped(0) == 10_000 - 1 - MINUTES
    first = 10_000 - MINUTES
    assert kept["start_ns"].tolist() == [at * MINUTE_NS for at in range(first, 10_000)]
    assert (bars.hours(0)["start_ns"] // MINUTE_NS % 60 == 0).all() and len(bars.hours(0)) == 23


def test_an_hour_without_its_first_minutes_is_left_out() -> None:
    bars = BarRings(1)
    for minute in range(30, 200):
        bars.trade(0, trade(minute * MINUTE_NS, minute))
    kept = bars.hours(0)
    assert kept["start_ns"].tolist() == [60 * MINUTE_NS, 120 * MINUTE_NS]
    assert kept["open_ticks"].tolist() == [60, 120] and kept["close_ticks"].tolist() == [119, 179]


def test_only_as_many_bars_as_fit_are_kept() -> None:
    bars = BarRings(1)
    for minute in range(60 * (HOURS + 3)):
        bars.trade(0, trade(minute * MINUTE_NS, minute + 1))
    assert len(bars.hours(0)) == HOURS and len(bars.minutes(0)) == MINUTES
    assert bars.minutes(0, 2)["open_ticks"].tolist() == [60 * (HOURS + 3) - 2, 60 * (HOURS + 3) - 1]
    assert len(bars.minutes(0, -1)) == 0 and not bars.minutes(0).flags.writeable


def test_a_turnover_beyond_an_integer_stops_at_the_largest() -> None:
    bars = BarRings(1)
    for _ in range(3):
        bars.trade(0, trade(0, 1 << 40, 1 << 21))
    for minute in range(1, 61):
        bars.trade(0, trade(minute * MINUTE_NS, 1, 1))
    assert bars.minutes(0)["notional_tick_lots"][0] == NOTIONAL_MAX
    assert bars.hours(0)["notional_tick_lots"].tolist() == [NOTIONAL_MAX]


@pytest.mark.parametrize("minutes", [0, 1, 100, 1500])
def test_restored_bars_go_on_as_the_first(minutes: int) -> None:
    bars, again = BarRings(2), BarRings(2)
    for minute in range(minutes):
        bars.trade(1, trade(minute * MINUTE_NS, 7 * minute % 31))
    again.restore(bars.state())
    for one in (bars, again):
        one.trade(1, trade((minutes + 2) * MINUTE_NS, 5))
    assert again.state() == bars.state()
    assert (again.bars == bars.bars).all() and again.minutes(1).tolist() == bars.minutes(1).tolist()


def test_bars_of_another_number_of_symbols_cannot_be_restored() -> None:
    with pytest.raises(AssertionError, match="bars of 2 symbols"):
        BarRings(1).restore(BarRings(2).state())


def test_the_memory_of_a_symbol_is_stated() -> None:
    assert BarRings(3).bytes_per_symbol() == 2 * (1440 + 168) * BAR_DTYPE.itemsize + 32 * 8
