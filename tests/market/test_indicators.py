"""Named indicators of many symbols: what is absent, how old it is, what a restart keeps."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from domain.dtypes import ROW_WIDTH, TICK_ROW, TRADE_ROW, Rows
from domain.errors import ConfigError, ExitCode
from domain.market_events import Trade
from hw.kernel import kernels_on
from market.bar_kernels import MINUTE_NS
from market.indicator_feed import IndicatorFeed
from market.indicator_names import KINDS, parse
from market.indicators import Indicators
from market.ring import TickRings

BOOKS_BYTES = 32 * 1024  # two sides of 1,000 levels of 16 bytes
ROOT = Path(__file__).parents[2]
TWENTY = [
    "sma:20", "ema:20", "wma:20", "rsi:14", "macd:12,26,9", "roc:10", "atr:14", "adx:14", "keltner:20,10,2",
    "donchian:20", "stochastic:14,3,3", "bollinger:20,2", "zscore:20", "realised_volatility:20",
    "ewma_volatility:0.94", "vwap:100", "obv", "profile:10,50,500", "imbalance:5", "microprice", "ofi:10,100",
    "ema:20@1m", "rsi:14@5m", "macd:12,26,9@1h", "atr:14@4h", "sma:5@trade",
]  # fmt: skip


def rows(seed: int, count: int, step_ns: int = 7_000_000_000) -> Rows:
    draw, made, price, now = random.Random(seed), np.zeros((count, ROW_WIDTH), np.int64), 10_000, 0
    for row in made:
        now, price = now + draw.randrange(step_ns), max(10, price + draw.randint(-8, 8))
        row[2:5] = now, now + 5, 0
        if draw.random() < 0.5:
            row[0], row[5:9] = TICK_ROW, (price, draw.randint(1, 9), price + 2, draw.randint(1, 9))
        else:
            row[0], row[5:8] = TRADE_ROW, (price, draw.randint(1, 9), draw.choice([1, -1]))
    return made


def values(feed: IndicatorFeed, n: int = 0) -> list[float | None]:
    return [feed.indicators.value(n, column) for column in feed.indicators.columns]


def test_there_are_twenty_one_kinds() -> None:
    assert len(KINDS) == 21 and {parse(name).kind.opcode for name in TWENTY} == set(range(21))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_has_defaults_and_begins_absent(name: str) -> None:
    indicators = Indicators([name], 2)
    assert [indicators.value(1, column) for column in indicators.columns] == [None] * len(indicators.columns)
    assert indicators.age_ns(0, name, 5) is None and np.isnan(indicators.row(1)).all()
    assert not indicators.row(0).flags.writeable


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is not an indicator"),
        ("smaa:3", "is not an indicator"),
        ("sma:0", "out of range"),
        ("sma:100001", "out of range"),
        ("sma:x", "has 'x' for period"),
        ("sma:2.5", "has '2.5' for period"),
        ("bollinger:20,nan", "out of range"),
        ("sma:3,4", "too many parameters"),
        ("macd:26,12,9", "fast period"),
        ("sma:3@7m", "do not fill a day"),
        ("sma:3@5h", "do not fill a day"),
        ("sma:3@1d", "cannot run on @1d"),
        ("vwap@tick", "cannot run on @tick"),
        ("ofi:5@tick", "cannot run on @tick"),
        ("sma@book", "cannot run on @book"),
        ("profile@1m", "cannot run on @1m"),
        ("sma@bar", "cannot run on @bar"),
    ],
)
def test_a_wrong_name_is_refused_in_one_clear_line(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match="indicator") as refused:
        Indicators([name], 1, where="region tokyo")
    assert says in str(refused.value) and "(region tokyo): " in str(refused.value)
    assert refused.value.code is ExitCode.CONFIG and "\n" not in str(refused.value)


def test_a_value_that_is_not_computed_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'ema' is not computed .*one of sma:3"):
        Indicators(["sma:3"], 1).value(0, "ema")


def test_a_name_asked_for_twice_is_computed_once() -> None:
    assert Indicators(["sma:3", "ema", "sma:3"], 1).columns == ("sma:3", "ema")


def test_nothing_depends_on_what_comes_later() -> None:
    made = rows(1, 300)
    whole = IndicatorFeed(TWENTY, 1)
    seen = []
    for at in range(300):
        whole.take_rows(0, made, at, at + 1)
        seen.append(values(whole))
    for end in (1, 2, 57, 150, 299):
        again = IndicatorFeed(TWENTY, 3)
        again.take_rows(2, made, 0, end)
        assert values(again, 2) == seen[end - 1] and values(again, 1) == values(IndicatorFeed(TWENTY, 1))


@pytest.mark.parametrize("cut", [0, 3, 100, 251])
def test_a_restored_feed_goes_on_as_the_first(cut: int) -> None:
    made, first, again = rows(2, 260, 60_000_000_000), IndicatorFeed(TWENTY, 2), IndicatorFeed(TWENTY, 2)
    first.take_rows(1, made, 0, cut)
    again.rings.restore(first.rings.state())
    again.bars.restore(first.bars.state())
    assert again.indicators.restore(first.indicators.state_all())
    for one in (first, again):
        one.take_rows(1, made, cut, 260)
    assert (
        values(first, 1) == values(again, 1) and first.indicators.state_all() == again.indicators.state_all()
    )
    assert first.bars.state() == again.bars.state()


def test_the_state_of_other_indicators_is_a_cold_start() -> None:
    one, other = IndicatorFeed(["sma:1@trade"], 1), IndicatorFeed(["sma:2@trade"], 1)
    for feed in (one, other):
        feed.take(0, Trade(0, 1, 1, 1, 5, 1, 1))
        feed.take(0, Trade(0, 1, 1, 1, 5, 1, 1))
    assert not other.indicators.restore_to(0, one.indicators.state_of(0))
    assert other.indicators.value(0, "sma:2@trade") is None
    assert other.indicators.state_of(0) == Indicators(["sma:2@trade"], 1).state_of(0)


def test_a_value_has_the_age_of_its_newest_event() -> None:
    feed = IndicatorFeed(["sma:1@trade", "sma:1@1m"], 1)
    feed.take(0, Trade(0, 10, 15, 1, 5, 1, 1))
    assert (
        feed.indicators.updated_ns(0, "sma:1@trade") == 15
        and feed.indicators.age_ns(0, "sma:1@trade", 40) == 25
    )
    feed.close_until(0, MINUTE_NS, MINUTE_NS + 7)
    assert feed.indicators.updated_ns(0, "sma:1@1m") == MINUTE_NS + 7


def test_longer_bars_are_folded_from_all_of_their_minutes() -> None:
    feed = IndicatorFeed(["sma:1@5m", "atr:1@5m", "vwap:1@5m", "donchian:1@5m", "sma:1@60m", "sma:1@2h"], 1)
    for minute in range(3, 11):
        for price in (minute, minute + 100, minute + 50):
            feed.take(0, Trade(0, minute * MINUTE_NS, 0, 1, price, minute, 1))
    assert feed.indicators.value(0, "sma:1@5m") == 9 + 50  # minutes 5 to 9; 3 and 4 made no whole bar
    assert feed.indicators.value(0, "donchian:1@5m.upper") == 109
    assert feed.indicators.value(0, "donchian:1@5m.lower") == 5
    notional = sum((3 * minute + 150) * minute for minute in range(5, 10))
    assert feed.indicators.value(0, "vwap:1@5m") == pytest.approx(notional / (3 * sum(range(5, 10))))
    assert feed.indicators.value(0, "sma:1@60m") is None
    feed.take(0, Trade(0, 120 * MINUTE_NS, 0, 1, 7, 1, 1))
    assert feed.indicators.value(0, "sma:1@60m") == 60.0 and feed.indicators.value(0, "sma:1@2h") is None
    feed.take(0, Trade(0, 240 * MINUTE_NS, 0, 1, 8, 1, 1))
    assert feed.indicators.value(0, "sma:1@2h") == 7.0


def test_a_long_gap_leaves_longer_bars_out_that_it_cuts() -> None:
    feed = IndicatorFeed(["sma:1@12h", "roc:1@1m"], 1)
    feed.take(0, Trade(0, 0, 0, 1, 5, 1, 1))
    feed.take(0, Trade(0, 100_000 * MINUTE_NS, 0, 1, 7, 1, 1))
    assert feed.bars.skipped(0) > 0 and feed.indicators.value(0, "sma:1@12h") == 5.0
    assert feed.indicators.value(0, "roc:1@1m") == 0.0


def test_a_thousand_symbols_take_less_than_a_gigabyte() -> None:
    feed = IndicatorFeed(TWENTY, 3)
    rings, bars = feed.rings.bytes_per_symbol(), feed.bars.bytes_per_symbol()
    indicators = feed.indicators.bytes_per_symbol()
    kept = feed.indicators
    arrays = (kept.marks, kept.state, kept.values)
    assert indicators == pytest.approx(sum(each.nbytes for each in arrays) / 3, abs=8)
    assert (rings, bars) == (98_312, 283_264) and indicators < 30_000
    assert feed.bytes_per_symbol() == rings + bars + indicators
    assert 1_000 * (feed.bytes_per_symbol() + BOOKS_BYTES) < 450_000_000


def test_memory_may_come_from_elsewhere() -> None:
    given: list[tuple[tuple[int, ...], type]] = []

    def zeros(shape: tuple[int, ...], kind: type) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        given.append((shape, kind))
        return np.zeros(shape, kind)

    Indicators(["sma:3"], 2, zeros=zeros)
    TickRings(2, 4, zeros=zeros)
    assert [kind for _, kind in given] == [np.int64, np.int64, np.float64, np.float64, np.int64, np.int64]


@pytest.mark.skipif(not kernels_on(), reason="this is the inner run")
def test_plain_python_gives_the_same_figures() -> None:
    script = (
        "import sys; from tests.market.test_indicators import *; feed = IndicatorFeed(TWENTY, 1);"
        "feed.take_rows(0, rows(9, 500, 90_000_000_000), 0, 500);"
        "sys.stdout.write(repr(values(feed)))"
    )
    environment = {**os.environ, "SWARM_KERNELS": "off"}
    command = [sys.executable, "-W", "error", "-c", script]
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    feed = IndicatorFeed(TWENTY, 1)
    feed.take_rows(0, rows(9, 500, 90_000_000_000), 0, 500)
    assert told.stdout == repr(values(feed)) and None not in values(feed)[:20]


@pytest.mark.skipif(not kernels_on(), reason="this is the inner run")
def test_the_kernels_pass_their_tests_as_plain_python() -> None:
    names = ["bar", "ring", "indicator_flow", "indicator_oracles", "indicators", "schedule"]
    command = [sys.executable, "-m", "pytest", *(f"tests/market/test_{name}.py" for name in names)]
    environment = {**os.environ, "SWARM_KERNELS": "off"}
    told = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout
