"""Slow indicators run less often or elsewhere; what is seen depends on rows and recorded classes alone."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from pydantic import ValidationError

from domain.market_events import Trade
from hw.clock import perf_ns
from hw.kernel import kernels_on
from market import indicator_layout as layout
from market.indicator_feed import IndicatorFeed
from market.indicator_feed_kernels import on_rows
from market.rows import rows_of
from market.schedule import Schedule, ScheduleConfig, classed
from market.schedule_cost import measure
from tests.market.test_indicators import TWENTY, rows, values

NAMES = ["sma:3@trade", "ema:3@trade", "profile:4,8,5", "donchian:4@trade", "sma:4", "ofi:2,3", "sma:1@1m"]


def plan(few: int = 4, batch: int = 8, delay: int = 3, **classes: str) -> Schedule:
    named = {name: classes.get(name.split(":")[0], "every") for name in NAMES}
    return Schedule(named, {}, few, batch, delay)


def trade(number: int) -> Trade:
    return Trade(0, number, number, number, 100 + number * number % 17, 1 + number % 5, 1)


def take(feed: IndicatorFeed, numbers: range) -> None:
    for number in numbers:
        feed.take(0, trade(number))


def seen(schedule: Schedule, events: int, name: str) -> list[float | None]:
    feed, found = IndicatorFeed(NAMES, 1, schedule), []
    for number in range(1, events + 1):
        feed.take(0, trade(number))
        found.append(feed.indicators.value(0, name))
    feed.indicators.close()
    return found


@pytest.mark.parametrize("name", ["sma:3@trade", "ema:3@trade", "profile:4,8,5.high", "donchian:4@trade"])
def test_every_few_events_the_value_is_what_it_would_be_and_stands_in_between(name: str) -> None:
    kind = name.partition(":")[0]
    always, few = seen(plan(), 30, name), seen(plan(4, 8, 3, **{kind: "few"}), 30, name)
    assert few == [always[at // 4 * 4 - 1] if at >= 4 else None for at in range(1, 31)]


@pytest.mark.parametrize("name", ["sma:3@trade", "ema:3@trade", "profile:4,8,5.high", "donchian:4@trade"])
def test_a_deferred_value_is_published_a_stated_number_of_events_after_its_batch(name: str) -> None:
    kind = name.partition(":")[0]
    always, later = seen(plan(), 60, name), seen(plan(4, 8, 3, **{kind: "deferred"}), 60, name)
    wanted = [always[(at - 3) // 8 * 8 - 1] if at >= 11 else None for at in range(1, 61)]
    assert later == wanted and wanted[-1] is not None


def test_a_replay_in_one_batch_sees_what_the_live_run_saw_with_its_thread() -> None:
    schedule = plan(profile="deferred", ema="deferred", donchian="few", sma="deferred")
    live, made = IndicatorFeed(NAMES, 2, schedule), rows(3, 600)
    threads = set()
    for at in range(600):
        live.take_rows(1, made, at, at + 1)
        threads |= {each.name for each in threading.enumerate() if each.name.startswith("indicators")}
        if at in (50, 599):
            replay = IndicatorFeed(NAMES, 2, schedule)
            replay.take_rows(1, made, 0, at + 1)
            assert values(replay, 1) == values(live, 1)
            assert replay.indicators.state_all() == live.indicators.state_all()
            replay.indicators.close()
    assert threads == {"indicators_0"}
    live.indicators.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("indicators")]


def test_a_replay_needs_no_thread_even_for_the_state_that_it_keeps() -> None:
    live, replay = (IndicatorFeed(NAMES, 1, plan(profile="deferred")) for _ in range(2))
    for number in range(10):  # a batch is whole and not yet published
        live.take(0, trade(number))
        on_rows(replay._block, 0, rows_of(trade(number)), 0, 1)
    assert live.indicators._jobs._running and not replay.indicators._jobs._running
    assert live.indicators.state_all() == replay.indicators.state_all()
    live.indicators.close()


def test_a_thread_that_is_late_is_waited_for() -> None:
    feed, held, always = (
        IndicatorFeed(NAMES, 1, plan(profile="deferred")),
        threading.Event(),
        seen(plan(), 8, "profile:4,8,5"),
    )
    take(feed, range(1, 2))
    feed.indicators._jobs._thread().submit(held.wait)
    take(feed, range(2, 11))
    assert feed.indicators.value(0, "profile:4,8,5") is None and feed.indicators._jobs._running
    threading.Timer(0.05, held.set).start()
    take(feed, range(11, 12))
    assert held.is_set() and feed.indicators.value(0, "profile:4,8,5") == always[-1]
    feed.indicators.close()


@pytest.mark.parametrize("cut", range(7, 21))
def test_a_restart_between_a_batch_and_its_publishing_changes_nothing(cut: int) -> None:
    schedule = plan(profile="deferred", donchian="few")
    first, again = IndicatorFeed(NAMES, 1, schedule), IndicatorFeed(NAMES, 1, schedule)
    for number in range(cut):
        first.take(0, trade(number))
    assert again.indicators.restore(first.indicators.state_all())
    for number in range(cut, 60):
        for feed in (first, again):
            feed.take(0, trade(number))
        assert values(first) == values(again)
    assert first.indicators.updated_ns(0, "profile:4,8,5") == 55
    for feed in (first, again):
        feed.indicators.close()


def test_deferred_order_flow_counts_nothing_across_a_break_of_the_book() -> None:
    found = []
    for schedule in (plan(), plan(few=1, batch=2, delay=1, ofi="deferred")):
        feed, told = IndicatorFeed(NAMES, 1, schedule), []
        for event in range(24):
            if event % 7 == 3:
                feed.forget_book(0)
            feed.take_book(
                0, event, ((99 - event % 3, 1 + event), (90, 5)), ((101 + event % 2, 7), (110, event))
            )
            told.append(feed.indicators.value(0, "ofi:2,3"))
        found.append(told)
        feed.indicators.close()
    always, later = found
    assert later[2::2] == always[1:-1:2] and later[-1] is not None


def test_the_age_of_a_slow_value_grows_until_its_next_one() -> None:
    feed = IndicatorFeed(NAMES, 1, plan(profile="deferred", donchian="few"))
    for number in range(1, 23):
        feed.take(0, trade(number))
    ages = [
        feed.indicators.age_ns(0, name, 22) for name in ("sma:3@trade", "donchian:4@trade", "profile:4,8,5")
    ]
    assert ages == [0, 2, 6]
    feed.indicators.close()


def test_bars_are_rare_so_what_runs_on_them_is_never_put_off() -> None:
    feed = IndicatorFeed(NAMES, 1, plan(sma="deferred"))
    assert feed.indicators.classes[NAMES.index("sma:1@1m")] == layout.EVERY
    assert feed.indicators.classes[NAMES.index("sma:4")] == layout.DEFERRED


def test_a_batch_that_nobody_settled_is_our_own_mistake() -> None:
    feed = IndicatorFeed(NAMES, 1, plan(profile="deferred"))
    take(feed, range(8))
    kept = feed.indicators
    kept.settle(0)
    mark = layout.TRADE_CLOCK * layout.MARKS
    kept._jobs.close()
    kept.marks[mark + layout.JOB] = layout.TAKEN
    with pytest.raises(AssertionError, match="settle"):
        take(feed, range(8, 17))


def test_classes_follow_costs_and_are_kept_as_data() -> None:
    config = ScheduleConfig(every_ns_max=50, few_ns_max=60, few=2, batch=10, delay=9)
    made = classed({"a": 50.0, "b": 50.1, "c": 60.1}, config)
    assert [made.of(name) for name in "abcd"] == [0, 1, 2, 0]
    assert Schedule.parse(made.record()) == made and (made.few, made.batch, made.delay) == (2, 10, 9)


@pytest.mark.parametrize("wrong", [{"delay": 64}, {"few": 65}, {"every_ns_max": 2_000.0}, {"speed": 1}])
def test_a_schedule_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        ScheduleConfig.model_validate(wrong)


class ToldClock:
    """Let each second call come a told time after the one before it."""

    def __init__(self, lengths_ns: list[int]) -> None:
        self.lengths_ns, self.now_ns, self.running = lengths_ns, 0, False

    def __call__(self) -> int:
        if self.running:
            self.now_ns += self.lengths_ns.pop(0)
        self.running = not self.running
        return self.now_ns


def test_costs_are_those_that_the_clock_tells() -> None:
    clock = ToldClock([100] * 5 + [9_000, 8_100, 9_000, 9_000, 9_000] + [400_000] * 5)
    made = measure(["sma:5", "profile:4,8,5"], ScheduleConfig(measured_events=100), clock)
    assert made.costs_ns == {"sma:5": 80.0, "profile:4,8,5": 3_999.0} and not clock.lengths_ns
    assert made.classes == {"sma:5": "every", "profile:4,8,5": "deferred"}


def test_every_indicator_can_be_measured_here() -> None:
    made = measure(TWENTY, ScheduleConfig(measured_events=500 if kernels_on() else 100), perf_ns)
    assert set(made.costs_ns) == set(TWENTY) and np.isfinite(list(made.costs_ns.values())).all()
    assert made.costs_ns["profile:10,50,500"] > made.costs_ns["ema:20"]
