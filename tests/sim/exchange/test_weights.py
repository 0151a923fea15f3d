"""Rolling windows, refusals and bans, in virtual time."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

from sim.exchange.config import LimitsConfig
from sim.exchange.weights import ADDRESSES_MAX, MINUTE_NS, SECOND_NS, Weights, Window

START_NS = 1_700_000_000 * SECOND_NS
HERE = "127.0.0.1"


def weights(**limits: Any) -> Weights:
    """Make a count with small limits."""
    small = {"weight_minute": 100, "requests_5m": 1_000, "offences_minute": 2, "ban_s": 60, "ban_s_max": 240}
    return Weights(LimitsConfig(**{**small, **limits}))


def test_a_window_never_holds_more_than_its_limit_within_its_span() -> None:
    draw = random.Random(4)
    window, taken = Window("weight", 50, MINUTE_NS), deque[tuple[int, int]]()
    now_ns, refused = START_NS, 0
    for _ in range(5_000):
        now_ns += draw.randrange(3 * SECOND_NS)
        amount = draw.randrange(1, 9)
        refusal = window.refuses(amount, now_ns)
        while taken and taken[0][0] <= now_ns - MINUTE_NS:
            taken.popleft()
        exact = sum(each for _, each in taken)
        if refusal is None:
            assert exact + amount <= 50
            window.count(amount, now_ns)
            taken.append((now_ns, amount))
            continue
        refused += 1
        assert now_ns < refusal.again_ns <= now_ns + MINUTE_NS + 2 * SECOND_NS
        if draw.random() < 0.1:
            now_ns = refusal.again_ns
            assert window.refuses(amount, now_ns) is None
    assert refused > 500


def test_weight_is_counted_per_address_and_let_go_after_a_minute() -> None:
    count = weights()
    assert count.request(HERE, 60, START_NS) is None
    assert count.request("10.0.0.1", 60, START_NS) is None
    refusal = count.request(HERE, 41, START_NS)
    assert refusal is not None and (refusal.rule, refusal.limit, refusal.banned_until_ns) == (
        "weight",
        100,
        0,
    )
    assert count.used_weight(HERE, START_NS) == 60
    assert count.request(HERE, 40, START_NS) is None
    later_ns = refusal.again_ns
    assert count.used_weight(HERE, later_ns) == 0 and count.request(HERE, 100, later_ns) is None


def test_requests_and_connections_have_windows_of_their_own() -> None:
    count = weights(requests_5m=3, connections_5m=2)
    assert [count.request(HERE, 1, START_NS) is None for _ in range(4)] == [True, True, True, False]
    assert [count.connection(HERE, START_NS) is None for _ in range(3)] == [True, True, False]
    refusal = count.connection(HERE, START_NS)
    assert refusal is not None and refusal.rule == "connections"


def test_who_goes_on_after_a_refusal_is_banned_twice_as_long_each_time() -> None:
    count, now_ns = weights(), START_NS
    lengths = []
    for _ in range(4):
        assert count.request(HERE, 100, now_ns) is None
        for _ in range(2):
            refusal = count.request(HERE, 1, now_ns)
            assert refusal is not None and refusal.rule == "weight"
        banned = count.request(HERE, 1, now_ns)
        assert banned is not None and banned.rule == "ban"
        assert count.request(HERE, 1, banned.banned_until_ns - 1) == banned
        assert count.connection(HERE, now_ns) == banned
        lengths.append((banned.banned_until_ns - now_ns) // SECOND_NS)
        now_ns = banned.banned_until_ns + 2 * MINUTE_NS
    assert lengths == [60, 120, 240, 240]
    now_ns += 241 * SECOND_NS
    assert count.request(HERE, 100, now_ns) is None
    last = [count.request(HERE, 1, now_ns) for _ in range(3)][-1]
    assert last is not None and last.banned_until_ns - now_ns == 60 * SECOND_NS


def test_orders_are_counted_per_account_in_ten_seconds_and_a_day() -> None:
    count = weights(orders_10s=3, orders_day=5)
    for _ in range(3):
        assert count.may_order(0, START_NS) is None
        count.ordered(0, 1, START_NS)
    refusal = count.may_order(0, START_NS)
    assert refusal is not None and refusal.rule == "orders_10s"
    assert count.may_order(1, START_NS) is None
    later_ns = START_NS + 11 * SECOND_NS
    assert count.may_order(0, later_ns) is None
    count.ordered(0, 2, later_ns)
    refusal = count.may_order(0, later_ns)
    assert refusal is not None and refusal.rule == "orders_day"
    assert count.used_orders(0, later_ns) == (2, 5)


def test_addresses_are_remembered_up_to_a_bound() -> None:
    count = weights()
    assert count.request(HERE, 100, START_NS) is None
    for number in range(ADDRESSES_MAX):
        assert count.request(f"10.0.{number}", 1, START_NS) is None
    assert count.request(HERE, 100, START_NS) is None
