"""Latency as measured: by events alone, bounded, and the same after a restart."""

from __future__ import annotations

from agents.arbitrage.latency import KEPT, LATENCY_NS_MAX, Latencies


def test_until_a_venue_has_answered_it_is_what_is_expected() -> None:
    found = Latencies({"a": 5, "b": 7})
    assert found.mean_ns == {"a": 5, "b": 7} and found.quantile_ns("b", 500_000) == 7
    found.took("a", 100)
    assert found.mean_ns == {"a": 100, "b": 7}


def test_the_mean_forgets_and_the_quantile_is_of_the_latest() -> None:
    found = Latencies({"a": 5})
    for latency in range(2 * KEPT):
        found.took("a", latency * 1_000)
    assert found.quantile_ns("a", 0) == KEPT * 1_000
    assert found.quantile_ns("a", 1_000_000) == (2 * KEPT - 1) * 1_000
    assert found.quantile_ns("a", 500_000) == (KEPT + KEPT // 2) * 1_000
    assert (KEPT * 1_000) < found.mean_ns["a"] < 2 * KEPT * 1_000


def test_what_is_no_latency_is_left_out() -> None:
    found = Latencies({"a": 5})
    for latency, venue in ((-1, "a"), (LATENCY_NS_MAX + 1, "a"), (9, "other")):
        found.took(venue, latency)
    assert found.mean_ns == {"a": 5}


def test_a_restart_remembers_venues_that_are_still_there() -> None:
    found = Latencies({"a": 5, "b": 7})
    found.took("a", 100)
    found.took("b", 200)
    again = Latencies({"b": 7, "c": 9})
    again.restore(found.state())
    assert again.mean_ns == {"b": 200, "c": 9} and again.quantile_ns("b", 500_000) == 200
