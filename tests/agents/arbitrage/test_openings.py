"""A route is followed once for as long as it gains, also over a restart in between."""

from __future__ import annotations

from agents.arbitrage.openings import OPEN_MAX, Openings

ONE, TWO = ((0, 1), (1, -1)), ((2, 1), (3, -1))


def test_a_route_that_goes_on_is_followed_once_and_after_a_pause_anew() -> None:
    made = Openings(gone_ns=100)
    assert not made.seen(ONE, 1_000, taken=False)
    made.follow(ONE)
    assert made.seen(ONE, 1_100, taken=False) and not made.seen(TWO, 1_100, taken=False)
    assert made.seen(ONE, 1_200, taken=False)
    assert not made.seen(ONE, 1_301, taken=False)


def test_one_that_was_taken_begins_anew() -> None:
    made = Openings(gone_ns=100)
    made.seen(ONE, 1_000, taken=False)
    made.follow(ONE)
    assert made.seen(ONE, 1_010, taken=True)
    assert not made.seen(ONE, 1_020, taken=False)


def test_a_restart_follows_nothing_twice_and_forgets_the_same() -> None:
    made = Openings(gone_ns=100)
    for place in range(OPEN_MAX + 5):
        made.seen(((place, 1),), 1_000, taken=False)
        made.follow(((place, 1),))
    again = Openings(gone_ns=100)
    again.restore(made.state())
    assert again.state() == made.state() and len(made.state()) == OPEN_MAX
    for place in (OPEN_MAX + 4, 5, 4, 0):
        assert again.seen(((place, 1),), 1_001, taken=False) == (place >= 5)
