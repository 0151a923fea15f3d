"""Latencies counted in buckets that grow with them: small, mergeable, and within a stated error."""

from __future__ import annotations

from domain.report import LatencySummary

# 32 buckets in every doubling: a bucket is 1/32 of its lower edge wide at most, and its middle is given,
# so the error is at most 1/64 = 156 bps of the value.
_FINE_BITS = 5
_FINE = 1 << _FINE_BITS
ERROR_BPS_MAX = 200
# 2^42 ns is more than an hour: what takes longer is counted as that.
_BITS_MAX = 42
_BUCKETS = (_BITS_MAX - _FINE_BITS + 1) * _FINE


def bucket_of(latency_ns: int) -> int:
    """Give the bucket of a latency; below 32 ns buckets are exact."""
    if latency_ns < _FINE:
        return max(latency_ns, 0)
    shift = latency_ns.bit_length() - _FINE_BITS - 1
    return min((shift << _FINE_BITS) + (latency_ns >> shift), _BUCKETS - 1)


def bucket_middle_ns(bucket: int) -> float:
    """Give the latency that stands for a bucket."""
    if bucket < _FINE:
        return float(bucket)
    shift = (bucket >> _FINE_BITS) - 1
    low = (_FINE + (bucket & (_FINE - 1))) << shift
    return low + ((1 << shift) - 1) / 2


class LatencyHistogram:
    """Count latencies; the counts of several add up.

    >>> seen = LatencyHistogram()
    >>> for latency_ns in (10_000, 20_000, 900_000):
    ...     seen.record(latency_ns)
    >>> 19.6 < seen.quantile_us(0.5) < 20.4
    True
    """

    __slots__ = ("_counts",)

    def __init__(self, counts: dict[int, int] | None = None) -> None:
        self._counts = [0] * _BUCKETS
        self.merge(counts or {})

    def record(self, latency_ns: int) -> None:
        """Count one latency; a negative one (a clock that is not ours) counts as 0."""
        if latency_ns < _FINE:
            self._counts[max(latency_ns, 0)] += 1
            return
        shift = latency_ns.bit_length() - _FINE_BITS - 1
        bucket = (shift << _FINE_BITS) + (latency_ns >> shift)
        self._counts[bucket if bucket < _BUCKETS else _BUCKETS - 1] += 1

    def merge(self, counts: dict[int, int]) -> None:
        """Add counts, as `counts` gives them; buckets that do not exist are added to the last one."""
        for bucket, count in counts.items():
            self._counts[min(max(bucket, 0), _BUCKETS - 1)] += count

    def counts(self) -> dict[int, int]:
        """Give the buckets that are not empty, for a report."""
        return {bucket: count for bucket, count in enumerate(self._counts) if count != 0}

    @property
    def total(self) -> int:
        """Count what was recorded."""
        return sum(self._counts)

    def quantile_us(self, frac: float) -> float | None:
        """Give the latency that this fraction does not exceed; `None` where nothing was recorded."""
        total = self.total
        if total == 0:
            return None
        rank, seen = frac * total, 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count != 0 and seen >= rank:
                return bucket_middle_ns(bucket) / 1000
        raise AssertionError("the last bucket reaches every rank")

    def summary(self) -> LatencySummary:
        """Give the median and the 99th percentile."""
        return LatencySummary(self.quantile_us(0.5), self.quantile_us(0.99))
