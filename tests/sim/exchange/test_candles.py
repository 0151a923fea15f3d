"""Bars, checked against the slow obvious way."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from sim.exchange.candles import DAY_NS, HOUR_NS, INTERVALS, KEPT, MINUTE_NS, SECOND_NS, Candles
from sim.exchange.messages import PublicTrade

# A Wednesday, 2026-02-25, 23:50 UTC.
START_NS = int(datetime(2026, 2, 25, 23, 50, tzinfo=UTC).timestamp()) * SECOND_NS


def trades(seed: int, number: int, gap_ns: int) -> list[PublicTrade]:
    """Draw trades that wander."""
    draw, now_ns, price = random.Random(seed), START_NS, 1_000
    found = []
    for trade_id in range(1, number + 1):
        now_ns += draw.randrange(1, gap_ns)
        price += draw.randrange(-3, 4)
        found.append(PublicTrade(now_ns, 0, trade_id, price, draw.randrange(1, 50), draw.random() < 0.5))
    return found


def slow(found: list[PublicTrade], name: str, until_ns: int) -> list[tuple[int, ...]]:
    """Make bars by looking at every trade for each."""
    interval = INTERVALS[name]
    rows: list[tuple[int, ...]] = []
    at_ns, last = interval.open_ns(found[0].now_ns), found[0].price_ticks
    while at_ns <= until_ns:
        next_ns = interval.next_ns(at_ns)
        inside = [one for one in found if at_ns <= one.now_ns < next_ns]
        prices = [one.price_ticks for one in inside] or [last]
        taken = [one for one in inside if not one.buyer_is_maker]
        rows.append(
            (
                at_ns,
                prices[0],
                max(prices),
                min(prices),
                prices[-1],
                sum(one.size_lots for one in inside),
                sum(one.size_lots * one.price_ticks for one in inside),
                len(inside),
                sum(one.size_lots for one in taken),
                sum(one.size_lots * one.price_ticks for one in taken),
            )
        )
        at_ns, last = next_ns, prices[-1]
    return rows


def kept(
    candles: Candles,
    name: str,
    now_ns: int,
    from_ns: int | None = None,
    until_ns: int | None = None,
    limit: int = 1_000,
) -> list[tuple[int, ...]]:
    """Give the bars as tuples."""
    bars = candles.bars(0, INTERVALS[name], now_ns, from_ns, until_ns, limit)
    return [
        (
            one.open_ns,
            one.first,
            one.high,
            one.low,
            one.last,
            one.lots,
            one.notional,
            one.count,
            one.taker_lots,
            one.taker_notional,
        )
        for one in bars
    ]


def test_bars_of_every_length_equal_those_made_of_all_trades() -> None:
    found = trades(1, 400, 40 * MINUTE_NS)
    candles = Candles(1, lambda _: 5)
    for one in found:
        candles.add(one)
    now_ns = found[-1].now_ns + 2 * HOUR_NS
    for name in ("30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"):
        assert kept(candles, name, now_ns) == slow(found, name, now_ns), name
    few = trades(2, 300, 3 * SECOND_NS)
    candles = Candles(1, lambda _: 5)
    for one in few:
        candles.add(one)
    for name in ("1s", "1m", "3m", "5m", "15m"):
        assert kept(candles, name, few[-1].now_ns) == slow(few, name, few[-1].now_ns)[-1_000:], name


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    monday = INTERVALS["1w"].open_ns(START_NS)
    assert datetime.fromtimestamp(monday // SECOND_NS, UTC).isoformat() == "2026-02-23T00:00:00+00:00"
    month = INTERVALS["1M"]
    first = month.open_ns(START_NS)
    assert datetime.fromtimestamp(first // SECOND_NS, UTC).isoformat() == "2026-02-01T00:00:00+00:00"
    assert month.next_ns(first) - first == 28 * DAY_NS


def test_a_part_can_be_asked_for_and_gaps_before_it_are_known() -> None:
    found = trades(3, 200, 5 * MINUTE_NS)
    candles = Candles(1, lambda _: 5)
    for one in found:
        candles.add(one)
    now_ns = found[-1].now_ns + 3 * MINUTE_NS
    whole = kept(candles, "1m", now_ns)
    assert kept(candles, "1m", now_ns, limit=7) == whole[-7:]
    from_ns = whole[40][0]
    assert kept(candles, "1m", now_ns, from_ns, limit=5) == whole[40:45]
    assert kept(candles, "1m", now_ns, from_ns - 1, limit=5) == whole[40:45]
    assert kept(candles, "1m", now_ns, from_ns, whole[42][0]) == whole[40:43]
    assert kept(candles, "1m", now_ns, None, whole[42][0], limit=2) == whole[41:43]
    # Where nothing traded within the part, its bars are flat at the price before it.
    (flat, *_) = kept(candles, "1m", now_ns + HOUR_NS, now_ns + MINUTE_NS, limit=3)
    assert flat[1:] == (found[-1].price_ticks,) * 4 + (0,) * 5


def test_before_the_first_trade_only_the_open_bar_is_shown() -> None:
    candles = Candles(1, lambda _: 77)
    assert [row[1] for row in kept(candles, "1h", START_NS)] == [77]
    assert kept(candles, "1h", START_NS, None, START_NS - DAY_NS) == []
    assert kept(candles, "1h", START_NS, START_NS + DAY_NS) == []
    assert candles.total(0, HOUR_NS, 0) is None


def test_bars_are_kept_up_to_a_bound() -> None:
    candles = Candles(1, lambda _: 5)
    for at in range(3_000):
        candles.add(PublicTrade(START_NS + at * SECOND_NS, 0, at + 1, 10, 1, True))
    assert len(candles.since(0, SECOND_NS, 0)) == KEPT[SECOND_NS]
    assert len(candles.since(0, MINUTE_NS, 0)) == 50
    whole = candles.total(0, MINUTE_NS, 0)
    assert whole is not None and (whole.count, whole.first_id, whole.last_id) == (3_000, 1, 3_000)
