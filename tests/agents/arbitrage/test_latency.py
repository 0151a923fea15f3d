"""Latency as measured: by events alone, bounded, and the same after a restart."""

from __future__ import annotations

from agents.arbitrage.latency import LATENCY_NS_MAX, SMOOTHED, Latencies


def test_until_a_venue_has_answered_it_is_what_is_expected() -> None:
    found = Latencies({"a": 5, "b": 7})
    assert found.mean_ns == {"a": 5, "b": 7}
    found.took("a", 100)
    assert found.mean_ns == {"a": 100, "b": 7}


def test_the_mean_forgets() -> None:
    found, mean = Latencies({"a": 5}), 0.0
    for latency in range(0, 128_000, 1_000):
        found.took("a", latency)
        mean += (latency - mean) / SMOOTHED
    assert abs(found.mean_ns["a"] - mean) <= SMOOTHED


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
    assert again.mean_ns == {"b": 200, "c": 9}
