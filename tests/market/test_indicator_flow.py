"""Volatility, volume and book indicators equal slow, obvious references, also after a very long stream."""

from __future__ import annotations

import math
import random
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from domain.dtypes import ROW_WIDTH, TICK_ROW, TRADE_ROW, Rows
from domain.market_events import Levels, Tick, Trade
from hw.kernel import kernels_on
from market.indicator_feed import IndicatorFeed

EVENTS = 400 if kernels_on() else 120


def trades(seed: int, count: int, first: int = 5_000, spread: int = 12) -> list[tuple[int, int]]:
    draw = random.Random(seed)
    price, made = first, []
    for _ in range(count):
        price = max(1, price + draw.randint(-spread, spread))
        made.append((price, draw.randint(0, 40)))
    return made


def after_each(name: str, made: list[tuple[int, int]]) -> list[list[float | None]]:
    feed, found = IndicatorFeed([name], 1), []
    for number, (price, size) in enumerate(made):
        feed.take(0, Trade(0, number, number, number, price, size, 1))
        found.append([feed.indicators.value(0, column) for column in feed.indicators.columns])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_the_average_price_is_that_of_the_last_trades(seed: int) -> None:
    made = trades(seed, EVENTS)
    for at, (found,) in enumerate(after_each("vwap:9", made)):
        window = made[at - 8 : at + 1] if at >= 8 else []
        lots = sum(size for _, size in window)
        wanted = sum(price * size for price, size in window) / lots if lots else None
        assert found == (None if wanted is None else pytest.approx(wanted, rel=1e-12))


def test_there_is_no_average_price_where_nothing_was_traded() -> None:
    assert after_each("vwap:2", [(5, 0), (6, 0), (7, 1)])[1:] == [[None], [7.0]]


@pytest.mark.parametrize("seed", range(3))
def test_volatilities_are_those_of_the_log_returns(seed: int) -> None:
    made = trades(seed, EVENTS)
    returns = [math.log(after[0] / before[0]) for before, after in pairwise(made)]
    weighted = None
    realised, ewma = (
        after_each("realised_volatility:6@trade", made),
        after_each("ewma_volatility:0.9@trade", made),
    )
    for at in range(len(made)):
        window = returns[at - 6 : at] if at >= 6 else []
        wanted = math.sqrt(sum(each**2 for each in window)) if window else None
        assert realised[at] == [None if wanted is None else pytest.approx(wanted, rel=1e-9)]
        if at == 10:
            weighted = sum(each**2 for each in returns[:10]) / 10
        elif weighted is not None:
            weighted = 0.9 * weighted + 0.1 * returns[at - 1] ** 2
        assert ewma[at] == [None if weighted is None else pytest.approx(math.sqrt(weighted), rel=1e-9)]


class SlowProfile:
    """Count the window's volume by bin from the trades themselves."""

    def __init__(self, width: int, bins: int, window: int) -> None:
        self.width, self.bins, self.window = width, bins, window
        self.seen: list[tuple[int, int]] = []
        self.first: int | None = None

    def add(self, price: int, size: int) -> list[float | None]:
        self.seen.append((price // self.width, size))
        if self.first is None or not self.first <= self.seen[-1][0] < self.first + self.bins:
            self.first = self.seen[-1][0] - self.bins // 2
        if len(self.seen) < self.window:
            return [None, None, None]
        held: Counter[int] = Counter()
        for place, volume in self.seen[-self.window :]:
            if self.first <= place < self.first + self.bins:
                held[place] += volume
        return self.area(held, range(self.first, self.first + self.bins))

    def area(self, held: Counter[int], places: range) -> list[float | None]:
        peak = max(places, key=lambda place: (held[place], -place))
        inside, total = {peak}, sum(held.values())
        while sum(held[place] for place in inside) < 0.7 * total:
            above, below = max(inside) + 1, min(inside) - 1
            more = held[above] if above in places else -1
            inside.add(above if more >= (held[below] if below in places else -1) else below)
        width = self.width
        return [peak * width + (width - 1) / 2, min(inside) * width, max(inside) * width + width - 1]


@pytest.mark.parametrize("seed", range(4))
def test_a_profile_is_that_of_the_last_trades(seed: int) -> None:
    made, slow = trades(seed, EVENTS, spread=9 if seed % 2 else 60), SlowProfile(5, 16, 40)
    found = after_each("profile:5,16,40", made)
    assert found == [slow.add(price, size) for price, size in made]
    assert found[-1][0] is not None


def book(draw: random.Random, middle: int) -> tuple[Levels, Levels]:
    def side(sign: int) -> Levels:
        prices = sorted(draw.sample(range(1, 9), draw.randint(1, 7)))
        return tuple((middle + sign * price, draw.randint(1, 30)) for price in prices)

    return side(-1), side(1)


def flow(before: tuple[Levels, Levels], after: tuple[Levels, Levels], levels: int) -> int:
    """Sum order flow as Cont, Kukanov and Stoikov write it, level by level."""
    total = 0
    for sign, old_side, new_side in ((1, before[0], after[0]), (-1, before[1], after[1])):
        nothing = (-(10**9), 0)
        for level in range(levels):
            old = (sign * old_side[level][0], old_side[level][1]) if level < len(old_side) else nothing
            new = (sign * new_side[level][0], new_side[level][1]) if level < len(new_side) else nothing
            total += sign * ((new[1] if new[0] >= old[0] else 0) - (old[1] if new[0] <= old[0] else 0))
    return total


@pytest.mark.parametrize("seed", range(4))
def test_book_indicators_equal_what_the_levels_tell(seed: int) -> None:
    draw, feed = (
        random.Random(seed),
        IndicatorFeed(["ofi:5,7", "ofi:10,3", "imbalance:3", "microprice@book"], 2),
    )
    books: list[tuple[Levels, Levels]] = []
    flows: dict[int, list[int]] = {5: [], 10: []}
    for event in range(EVENTS // 2):
        books.append(book(draw, 1000 + draw.randint(-3, 3)))
        (bids, asks), broken = books[-1], draw.random() < 0.05
        if broken:
            feed.forget_book(1)
        feed.take_book(1, event, bids, asks)
        if event and not broken:
            for levels, kept in flows.items():
                kept.append(flow(books[-2], books[-1], levels))
        for (levels, kept), name, window in zip(flows.items(), ("ofi:5,7", "ofi:10,3"), (7, 3), strict=True):
            assert feed.indicators.value(1, name) == (sum(kept[-window:]) if len(kept) >= window else None)
            assert levels in (5, 10)
        bid, ask = sum(size for _, size in bids[:3]), sum(size for _, size in asks[:3])
        assert feed.indicators.value(1, "imbalance:3") == pytest.approx((bid - ask) / (bid + ask), rel=1e-12)
        (bid, bid_lots), (ask, ask_lots) = bids[0], asks[0]
        wanted = (bid * ask_lots + ask * bid_lots) / (bid_lots + ask_lots)
        assert feed.indicators.value(1, "microprice@book") == pytest.approx(wanted, rel=1e-12)
    assert feed.indicators.value(0, "imbalance:3") is None


def test_an_empty_side_of_the_book_is_passed_over() -> None:
    feed = IndicatorFeed(["microprice@book"], 1)
    feed.take_book(0, 1, ((9, 1),), ((11, 1),))
    feed.take_book(0, 2, (), ((12, 1),))
    assert feed.indicators.value(0, "microprice@book") == 10.0


def test_a_tick_tells_one_level() -> None:
    feed = IndicatorFeed(["imbalance:1@tick", "ofi:1,1@tick", "microprice", "sma:1"], 1)
    feed.take(0, Tick(0, 1, 1, 99, 3, 101, 1, 1))
    assert [feed.indicators.value(0, name) for name in feed.indicators.names] == [0.5, None, 100.5, 100.0]
    feed.take(0, Tick(0, 2, 2, 99, 5, 102, 1, 2))
    assert feed.indicators.value(0, "ofi:1,1@tick") == 3.0  # two bids more, one ask gone
    feed.take(0, Tick(0, 3, 3, 0, 0, 102, 1, 3))
    assert feed.indicators.value(0, "sma:1") == 100.5
    assert feed.rings.ring(0).count == 3
    feed.take(0, Tick(0, 4, 4, 99, 0, 102, 0, 4))
    assert feed.indicators.value(0, "microprice") is None
    assert feed.indicators.value(0, "imbalance:1@tick") is None


LONG = [
    "sma:50",
    "wma:50",
    "bollinger:50,1",
    "zscore:50",
    "realised_volatility:50",
    "vwap:50",
    "ema:50",
    "rsi:50",
]
LONG_COUNT = 1_000_000 if kernels_on() else 3_000


def long_rows(count: int) -> Rows:
    """Give trades at very high prices with small moves, now and then a jump of a million ticks."""
    draw, rows = np.random.default_rng(5), np.zeros((count, ROW_WIDTH), np.int64)
    steps = draw.integers(-3, 4, count)
    steps[draw.integers(0, count, count // 5_000)] += 1_000_000
    steps[draw.integers(0, count, count // 5_000)] -= 1_000_000
    rows[:, 0], rows[:, 2], rows[:, 3] = TRADE_ROW, np.arange(count), np.arange(count)
    rows[:, 5], rows[:, 6] = 10**9 + np.cumsum(steps), draw.integers(1, 1_000, count)
    return rows


def test_a_million_values_later_nothing_has_drifted() -> None:
    rows, feed = long_rows(LONG_COUNT), IndicatorFeed([f"{name}@trade" for name in LONG], 1)
    stop, checks = 0, 40
    for check in range(1, checks + 1):
        start, stop = stop, LONG_COUNT * check // checks - (checks - check) % 7
        feed.take_rows(0, rows, start, stop)
        prices, lots = rows[stop - 51 : stop, 5].tolist(), rows[stop - 50 : stop, 6].tolist()
        value = {name: feed.indicators.value(0, f"{name}@trade") for name in LONG}
        last = [Fraction(price) for price in prices[1:]]
        mean = sum(last) / 50
        deviation = math.sqrt(sum((each - mean) ** 2 for each in last) / 50)
        weighted = sum(weight * each for weight, each in enumerate(last, 1)) / 1275
        paid = sum(each * size for each, size in zip(last, lots, strict=True)) / sum(lots)
        returns = [math.log(b / a) ** 2 for a, b in pairwise(prices)]
        assert value["sma:50"] == pytest.approx(float(mean), rel=1e-14)
        assert value["wma:50"] == pytest.approx(float(weighted), rel=1e-14)
        assert value["vwap:50"] == pytest.approx(float(paid), rel=1e-14)
        assert value["bollinger:50,1"] == pytest.approx(float(mean), rel=1e-14)
        upper = feed.indicators.value(0, "bollinger:50,1@trade.upper")
        assert upper is not None and upper - float(mean) == pytest.approx(deviation, rel=1e-4, abs=1e-4)
        assert value["zscore:50"] == pytest.approx(float(last[-1] - mean) / deviation, rel=1e-4, abs=1e-4)
        wanted = math.sqrt(math.fsum(returns))
        assert value["realised_volatility:50"] == pytest.approx(wanted, rel=1e-6, abs=1e-12)
        assert _ema(rows[:stop, 5]) == pytest.approx(value["ema:50"], rel=1e-13)
        assert 0 <= (value["rsi:50"] or 0) <= 100


def _ema(prices: Rows) -> float:
    """Give the EMA(50) from the last values alone: what is further back weighs less than 1e-15."""
    value = Fraction(int(prices[-1000:][0])) if len(prices) > 1000 else Fraction(int(prices[:50].sum()), 50)
    since = prices[-1000:] if len(prices) > 1000 else prices[50:]
    estimate, alpha = float(value), 2 / 51
    for price in since.tolist():
        estimate += alpha * (price - estimate)
    return estimate


def test_rows_of_other_kinds_pass_by() -> None:
    feed, rows = IndicatorFeed(["sma:1", "sma:1@trade"], 1), np.zeros((3, ROW_WIDTH), np.int64)
    rows[:, 0] = 3, TICK_ROW, 4
    rows[1, 5:9] = 9, 1, 11, 1
    feed.take_rows(0, rows, 0, 3)
    assert feed.indicators.value(0, "sma:1") == 10.0 and feed.indicators.value(0, "sma:1@trade") is None
