"""Histograms count every latency, add up, and are wrong by no more than they say."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from domain.report import LatencySummary
from hw.latency import ERROR_BPS_MAX, LatencyHistogram, bucket_middle_ns, bucket_of

latencies = st.integers(0, 2**42 - 1)


@given(latencies)
def test_a_bucket_stands_for_its_latencies_within_the_stated_error(latency_ns: int) -> None:
    assert abs(bucket_middle_ns(bucket_of(latency_ns)) - latency_ns) * 10_000 <= ERROR_BPS_MAX * latency_ns


@given(latencies, latencies)
def test_buckets_keep_the_order_of_latencies(left: int, right: int) -> None:
    low, high = sorted((left, right))
    assert bucket_of(low) <= bucket_of(high)


@given(st.lists(latencies, min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
def test_quantiles_are_those_of_the_sorted_latencies(seen: list[int], frac: float) -> None:
    histogram = LatencyHistogram()
    for latency_ns in seen:
        histogram.record(latency_ns)
    exact_ns = sorted(seen)[max(0, math.ceil(frac * len(seen)) - 1)]
    found_us = histogram.quantile_us(frac)
    assert found_us is not None and abs(found_us * 1000 - exact_ns) * 10_000 <= ERROR_BPS_MAX * exact_ns + 1
    assert histogram.total == len(seen)


@given(st.lists(latencies), st.lists(latencies))
def test_counts_of_two_histograms_add_up(left: list[int], right: list[int]) -> None:
    parts = [LatencyHistogram(), LatencyHistogram()]
    whole = LatencyHistogram()
    for part, seen in zip(parts, (left, right), strict=True):
        for latency_ns in seen:
            part.record(latency_ns)
            whole.record(latency_ns)
    merged = LatencyHistogram(parts[0].counts())
    merged.merge(parts[1].counts())
    assert merged.counts() == whole.counts() and sum(whole.counts().values()) == len(left) + len(right)


def test_nothing_recorded_is_none_and_not_zero() -> None:
    assert LatencyHistogram().summary() == LatencySummary(None, None)


def test_what_is_out_of_range_is_counted_at_the_ends() -> None:
    histogram = LatencyHistogram()
    histogram.record(-5)
    histogram.record(2**60)
    histogram.merge({-1: 1, 10**9: 1})
    assert histogram.counts() == {0: 2, bucket_of(2**60): 2} and bucket_of(-5) == 0


def test_a_summary_is_in_microseconds() -> None:
    histogram = LatencyHistogram()
    for latency_ns in [10_000] * 98 + [80_000] * 2:
        histogram.record(latency_ns)
    summary = histogram.summary()
    assert summary.p50 is not None and abs(summary.p50 - 10) < 0.2
    assert summary.p99 is not None and abs(summary.p99 - 80) < 1.6
