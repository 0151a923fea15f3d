"""Limits are kept in any window, cancels always have room, and turns are taken by priority."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from hw.clock import SystemClock
from market.venues.quota import NEVER_NS, Priority, Quota, Quotas, Reserve, Rule, Turns

S = 1_000_000_000
WEIGHT = (("WEIGHT", 1),)
CANCEL, HEDGE, NEW, DATA = Priority


def quota(limit: int = 100, span_s: float = 60.0, reserve: Reserve | None = None) -> Quota:
    return Quotas(reserve).of("x", "ours", [Rule("WEIGHT", limit, span_ns=int(span_s * S))])


@given(some.lists(some.tuples(some.integers(0, 5 * S), some.integers(1, 9)), max_size=200))
def test_no_window_of_the_span_ever_holds_more_than_the_limit(asked: list[tuple[int, int]]) -> None:
    one, now_ns, granted = quota(20, 10.0), 0, []
    for gap_ns, amount in asked:
        now_ns += gap_ns
        if one.ask((("WEIGHT", amount),), CANCEL, now_ns) == 0:
            granted.append((now_ns, amount))
    for first_ns, _ in granted:
        assert sum(amount for at, amount in granted if first_ns <= at < first_ns + 10 * S) <= 20


@given(some.lists(some.tuples(some.integers(0, 3 * S), some.integers(1, 9)), min_size=1, max_size=60))
def test_a_request_that_waits_as_long_as_it_was_told_goes(asked: list[tuple[int, int]]) -> None:
    one, now_ns = quota(10, 5.0), 0
    leak = Quotas().of("y", "ours", [Rule("WEIGHT", 10, decay_per_s=2.0)])
    for gap_ns, amount in asked:
        now_ns += gap_ns
        for each in (one, leak):
            costs = (("WEIGHT", amount),)
            waits = 0
            while (wait_ns := each.ask(costs, CANCEL, now_ns)) != 0:
                assert wait_ns < NEVER_NS and waits < 70
                now_ns, waits = now_ns + wait_ns, waits + 1


def test_the_last_part_of_a_limit_is_for_cancels_alone() -> None:
    one, gone = quota(), dict.fromkeys(Priority, 0)
    for priority in (DATA, NEW, HEDGE, CANCEL):
        while one.ask(WEIGHT, priority, 1) == 0:
            gone[priority] += 1
    assert gone == {DATA: 60, NEW: 20, HEDGE: 10, CANCEL: 10}
    assert one.refused == dict.fromkeys(Priority, 1)


def test_nothing_is_counted_for_a_request_that_is_refused_by_any_of_its_limits() -> None:
    rules = [Rule("WEIGHT", 100, span_ns=60 * S), Rule("ORDERS", 5, span_ns=10 * S, scope="account")]
    one = Quotas().of("x", "ours", rules)
    both = (("WEIGHT", 1), ("ORDERS", 1))
    assert [one.ask(both, CANCEL, 1) == 0 for _ in range(7)] == [True] * 5 + [False] * 2
    assert (one.used("WEIGHT", 1), one.used("ORDERS", 1)) == (5, 5)


def test_accounts_share_what_is_counted_by_address_and_nothing_else() -> None:
    rules = [Rule("WEIGHT", 10, span_ns=60 * S), Rule("ORDERS", 3, span_ns=10 * S, scope="account")]
    quotas = Quotas()
    one, two, elsewhere = quotas.of("x", "a", rules), quotas.of("x", "b", rules), quotas.of("y", "a", rules)
    assert quotas.of("x", "a", rules) is one
    one.count((("WEIGHT", 9), ("ORDERS", 3)), 1)
    assert two.used("WEIGHT", 1) == 9 and two.used("ORDERS", 1) == 0 and elsewhere.used("WEIGHT", 1) == 0
    one.hold(5 * S)
    assert two.ask((("ORDERS", 1),), CANCEL, 1) == 5 * S - 1 and elsewhere.ask(WEIGHT, CANCEL, 1) == 0


def test_markets_are_counted_apart_and_the_oldest_is_forgotten() -> None:
    one = Quotas().of("x", "ours", [Rule("PAIR", 60, decay_per_s=1.0, scope="market")])
    one.count((("PAIR", 50),), 1, "BTC/USD")
    assert one.used("PAIR", 1, "BTC/USD") == 50 and one.used("PAIR", 1, "ETH/USD") == 0
    for number in range(5_000):
        one.count((("PAIR", 1),), 1, f"M{number}")
    assert one.used("PAIR", 1, "M4999") == 1 and one.used("PAIR", 1, "BTC/USD") == 0


def test_a_leak_forgets_at_its_rate_and_never_takes_what_is_above_it() -> None:
    one = Quotas().of("x", "ours", [Rule("CALLS", 15, decay_per_s=0.5)])
    assert one.ask((("CALLS", 15),), CANCEL, 1) == 0
    assert one.ask((("CALLS", 1),), CANCEL, 1) == pytest.approx(2 * S, rel=1e-6)
    assert one.used("CALLS", 1 + 10 * S) == 10
    assert one.ask((("CALLS", 16),), CANCEL, 1) == NEVER_NS


def test_what_the_venue_counts_stands_where_it_is_higher() -> None:
    one, leak = quota(), Quotas().of("x", "ours", [Rule("CALLS", 15, decay_per_s=0.5)])
    one.count((("WEIGHT", 30),), 1)
    one.told("WEIGHT", 20, 2)
    assert one.used("WEIGHT", 2) == 30
    one.told("WEIGHT", 80, 3)
    one.told("SOMETHING-ELSE", 80, 3)
    leak.told("CALLS", 7, 3)
    assert one.used("WEIGHT", 3) == 80 and leak.used("CALLS", 3) == 7


def test_retry_after_holds_everything_back_even_cancels() -> None:
    one = quota()
    one.hold(30 * S)
    one.hold(20 * S)
    assert [one.ask(WEIGHT, each, 10 * S) for each in Priority] == [20 * S] * 4
    assert one.ask(WEIGHT, CANCEL, 30 * S) == 0


def test_memory_stays_bounded_on_a_long_stream() -> None:
    one = quota(1_000_000, 60.0)
    for step in range(20_000):
        one.count(WEIGHT, step * S // 10)
    assert one.used("WEIGHT", 1_999 * S) <= 620


def test_turns_are_taken_by_priority_then_in_order() -> None:
    async def run() -> list[str]:
        clock, order = SystemClock(), []
        one = quota(10, 0.2, Reserve(hedge=0.0, new=0.0, data=0.0))
        turns = Turns(one, clock, waiting_max=5)
        one.count((("WEIGHT", 10),), clock.now_ns())

        async def wait(name: str, priority: Priority) -> None:
            assert await turns.take((("WEIGHT", 10),), priority)
            order.append(name)

        async with asyncio.TaskGroup() as group:
            for name, priority in (("data", DATA), ("new", NEW), ("more", NEW), ("cancel", CANCEL)):
                group.create_task(wait(name, priority))
            gone = group.create_task(wait("gone", CANCEL))
            await asyncio.sleep(0)
            gone.cancel()
            full = Turns(one, clock, waiting_max=0)
            assert not await full.take(WEIGHT, CANCEL)
        return order

    assert asyncio.run(run()) == ["cancel", "new", "more", "data"]


def test_ceilings_fall_with_priority_and_never_to_nothing() -> None:
    for limit in (1, 2, 15, 6000):
        assert all(one >= two >= 1 for one, two in pairwise(Reserve().ceilings(limit)))
