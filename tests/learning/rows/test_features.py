"""Features as a node makes them, against what they are defined to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from domain.market_events import BookSnapshot, Tick, Trade
from learning.rows import features_kernels as k
from learning.rows.features import FEATURES, NO_LEVELS, SCHEMA, Features, FeaturesConfig
from market.book import Book
from tests.learning.rows.builders import START_NS, Event, S, Seen, book, feed, vector, walk, when

WARM = FeaturesConfig(warm_s=0)
PLACE = {name: place for place, name in enumerate(FEATURES)}


def mid_of(seen: Seen) -> float:
    return (seen.bids[0][0] + seen.asks[0][0]) / 2


def mid_at(ticks: list[Seen], end_ns: int) -> float:
    """Give the mid that stood just before a time; before the first tick, that one's."""
    before = [seen for seen in ticks if seen.now_ns < end_ns]
    return mid_of(before[-1]) if before else mid_of(ticks[0])


def held_mean(times: list[int], values: list[float], now_ns: int, tau_s: float) -> float:
    """Average values, each held until the next, by how long ago it was; the first has stood for ever."""
    mean = values[0]
    for place, value in enumerate(values):
        until_ns = times[place + 1] if place + 1 < len(times) else now_ns
        mean += (value - mean) * (1 - math.exp(-(until_ns - times[place]) / 1e9 / tau_s))
    return mean


def depth_of(seen: Seen) -> float:
    sizes = [lots for _, lots in (*seen.bids[:5], *seen.asks[:5])]
    return sum(sizes) / len(sizes)


def flow_of(before: Seen, after: Seen, level: int) -> int:
    """Give the flow of a level by the paper's three cases, bids less asks."""
    flow = 0
    for old, new, sign in ((before.bids, after.bids, 1), (before.asks, after.asks, -1)):
        if level >= min(len(old), len(new)):
            continue
        (was, was_lots), (now, now_lots) = old[level], new[level]
        if now == was:
            flow += sign * (now_lots - was_lots)
        elif (now > was) == (sign > 0):
            flow += sign * now_lots
        else:
            flow -= sign * was_lots
    return flow


def reference(events: list[Event], now_ns: int) -> np.ndarray:
    """Compute every feature from the whole stream up to a time."""
    ticks = [event for event in events if isinstance(event, Seen) and event.now_ns <= now_ns]
    trades = [event for event in events if isinstance(event, Trade) and event.local_ts_ns <= now_ns]
    trades = [trade for trade in trades if trade.local_ts_ns >= ticks[0].now_ns]
    last, times = ticks[-1], [seen.now_ns for seen in ticks]
    depth = held_mean(times, [depth_of(seen) for seen in ticks], now_ns, 30)
    ofi = [
        sum(
            flow_of(before, after, level) * math.exp(-(now_ns - after.now_ns) / 2e9)
            for before, after in pairwise(ticks)
        )
        / depth
        for level in range(5)
    ]
    mid, (bid, bid_lots), (ask, ask_lots) = mid_of(last), last.bids[0], last.asks[0]
    spread = (ask - bid) / mid * 1e4
    below, above = (sum(lots for _, lots in side[:5]) for side in (last.bids, last.asks))
    quarter = 250_000_000
    now_bucket, first_bucket = now_ns // quarter, times[0] // quarter
    moves = [
        math.log(mid_at(ticks, (one + 1) * quarter) / mid_at(ticks, one * quarter)) * 1e4
        for one in range(first_bucket, now_bucket)
    ]
    keep = math.exp(-1 / 120)
    weights = [keep**age for age in range(len(moves) - 1, -1, -1)]
    variance = sum(w * move**2 for w, move in zip(weights, moves, strict=True)) / max(1.0, sum(weights))
    flows = [
        sum(
            trade.size_lots * trade.aggressor * math.exp(-(now_ns - trade.local_ts_ns) / tau / 1e9)
            for trade in trades
        )
        / depth
        for tau in (1.0, 5.0)
    ]
    changed = [after.now_ns for before, after in pairwise(ticks) if mid_of(before) != mid_of(after)]
    mean = held_mean(times, [mid_of(seen) for seen in ticks], now_ns, 60)
    return np.array(
        [
            *ofi[:3],
            ofi[3] + ofi[4],
            (bid_lots - ask_lots) / (bid_lots + ask_lots),
            (below - above) / (below + above),
            (bid * ask_lots + ask * bid_lots) / (bid_lots + ask_lots) / mid * 1e4 - 1e4,
            spread,
            *(math.log(mid / mid_at(ticks, (now_bucket - 4 * lag) * quarter)) * 1e4 for lag in (1, 5, 30)),
            math.sqrt(variance * 4),
            *flows,
            math.log1p((now_ns - (changed[-1] if changed else times[0])) / 1e9),
            math.log(mid / mean) * 1e4,
        ]
    )


def test_there_are_sixteen_of_schema_f1() -> None:
    assert SCHEMA == "f1" and len(set(FEATURES)) == 16


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_features_are_what_the_whole_stream_says(seed: int) -> None:
    events, features, asked = walk(700, seed), Features(WARM), 0
    for place, event in enumerate(events):
        feed(features, [event])
        if place % 47 == 46:
            now_ns = when(event) + (place % 3) * 400_000_000
            if place + 1 < len(events) and place % 3 == 0:
                wanted = reference(events[: place + 1], now_ns)
                np.testing.assert_allclose(vector(features, now_ns), wanted, rtol=2e-5, atol=2e-5)
                asked += 1
    assert asked >= 4


def test_a_silence_between_ticks_is_filled_in() -> None:
    events = [
        *walk(200, 5),
        *(Seen(START_NS + S * (30 + 3 * n), ((60_010 + n, 5),), ((60_020, 5),)) for n in range(4)),
    ]
    features = Features(WARM)
    feed(features, events)
    now_ns = START_NS + 41 * S
    np.testing.assert_allclose(vector(features, now_ns), reference(events, now_ns), rtol=2e-5, atol=2e-5)


def test_what_comes_later_changes_nothing() -> None:
    events, long, told = walk(600, 7), Features(WARM), {}
    for place, event in enumerate(events):
        feed(long, [event])
        if isinstance(event, Seen) and place > 100 and place % 50 < 2:
            told[place] = vector(long, event.now_ns).tobytes()
    assert len(told) > 10
    for place, wanted in told.items():
        short, last = Features(WARM), events[place]
        feed(short, events[: place + 1])
        assert isinstance(last, Seen)
        assert vector(short, last.now_ns).tobytes() == wanted


def test_asking_changes_nothing() -> None:
    events, asked, unasked = walk(400, 8), Features(WARM), Features(WARM)
    for event in events:
        feed(asked, [event])
        feed(unasked, [event])
        now_ns = when(event)
        asked.vector(now_ns, np.empty(16, np.float32))
    end_ns = when(events[-1]) + 3 * S
    assert vector(asked, end_ns).tobytes() == vector(unasked, end_ns).tobytes()
    assert asked.state() == unasked.state()


def test_a_restart_goes_on_where_it_was() -> None:
    events, whole, first, second = walk(500, 9), Features(WARM), Features(WARM), Features(WARM)
    feed(whole, events)
    feed(first, events[:300])
    second.restore(first.state())
    feed(second, events[300:])
    assert second.state() == whole.state()


@pytest.mark.parametrize(
    "harm", [lambda kept: ["f0", *kept[1:]], lambda kept: [kept[0], kept[1][8:], kept[2]]]
)
def test_a_state_of_another_build_begins_anew(harm: Callable[[list[Any]], list[Any]]) -> None:
    old, events = Features(WARM), walk(200)
    feed(old, events)
    now_ns, out = when(events[-1]), np.empty(16, np.float32)
    whole, other = Features(WARM), Features(WARM)
    whole.restore(old.state())
    other.restore(msgspec.msgpack.encode(harm(msgspec.msgpack.decode(old.state()))))
    assert whole.vector(now_ns, out) and not other.vector(now_ns, out)


def test_a_real_book_is_seen_as_one_of_the_tests() -> None:
    real, plain, there = Features(WARM), Features(WARM), Book(0)
    there.feed_up(1)
    for place, event in enumerate(one for one in walk(300, 4) if isinstance(one, Seen)):
        there.apply(BookSnapshot(0, event.now_ns, event.now_ns, place + 1, event.bids, event.asks))
        real.step(event.tick, there)
        feed(plain, [event])
    assert real.state() == plain.state()


def test_windows_that_are_not_full_are_not_believed() -> None:
    features, out = Features(FeaturesConfig(warm_s=30)), np.full(16, 7, np.float32)
    assert not features.vector(START_NS, out)
    for second in range(31):
        feed(features, [Seen(START_NS + second * S, ((100, 5),), ((101, 5),))])
        assert features.vector(START_NS + second * S, out) == (second >= 30)
    few = Features(WARM)
    feed(few, [Seen(START_NS, ((100, 5),), ((101, 5),))] * (k.TICKS_MIN - 1))
    assert not few.vector(START_NS, out)


def test_after_a_long_silence_windows_begin_anew() -> None:
    features, out = Features(FeaturesConfig(warm_s=5, gap_s=2)), np.empty(16, np.float32)
    feed(features, walk(400, 3))
    now_ns = when(walk(400, 3)[-1])
    assert features.vector(now_ns, out)
    assert not features.vector(now_ns + 3 * S, out)
    feed(features, [Seen(now_ns + 3 * S, ((70_000, 5),), ((70_001, 5),))])
    assert not features.vector(now_ns + 3 * S, out)
    for step in range(1, 40):
        feed(features, [Seen(now_ns + 3 * S + step * S // 4, ((70_000, 5),), ((70_001, 5),))])
    assert features.vector(now_ns + 13 * S, out)
    assert out[PLACE["return_30s_bps"]] == 0 and out[PLACE["ofi_1"]] == 0


@pytest.mark.parametrize(
    "touch", [(0, 5, 101, 5), (100, 5, 0, 0), (101, 5, 100, 5), (100, 0, 101, 5), (5, 1, 5, 1)]
)
def test_a_touch_without_two_sides_says_nothing(touch: tuple[int, int, int, int]) -> None:
    features = Features(WARM)
    feed(features, walk(100))
    before = features.state()
    bid, bid_lots, ask, ask_lots = touch
    features.step(Tick(0, 0, START_NS + 90 * S, bid, bid_lots, ask, ask_lots, 0), book())
    assert features.state() == before


def test_everything_is_finite_and_bounded_whatever_comes() -> None:
    draws, features, out = (
        np.random.default_rng(4),
        Features(FeaturesConfig(warm_s=0, gap_s=60)),
        np.empty(16, np.float32),
    )
    now_ns = START_NS
    for _ in range(600):
        now_ns += int(draws.choice([-50_000_000, 0, 1, 10**6, 10**9, 20 * 10**9]))
        bid = int(10 ** draws.uniform(0, 12))
        lots = [int(10 ** draws.uniform(0, 12)) for _ in range(4)]
        features.see(
            now_ns, bid, lots[0], bid + int(10 ** draws.uniform(0, 9)), lots[1], NO_LEVELS, NO_LEVELS
        )
        features.traded(now_ns, lots[2], int(draws.choice([-1, 1])))
        if features.vector(now_ns, out):
            assert np.isfinite(out).all() and np.abs(out).max() <= k.BPS_MAX


def test_a_stale_book_leaves_the_touch() -> None:
    features = Features(WARM)
    for n in range(30):
        features.step(Tick(0, 0, START_NS + n * S // 10, 100, 5 + n, 101, 5, 0), book())
    seen = vector(features, START_NS + 3 * S)
    assert seen[PLACE["ofi_1"]] > 0 and seen[PLACE["ofi_2"]] == seen[PLACE["ofi_45"]] == 0
    assert seen[PLACE["imbalance_1"]] == seen[PLACE["imbalance_5"]] > 0
