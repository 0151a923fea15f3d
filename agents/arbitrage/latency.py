"""How long a venue takes to answer an order, as this node has measured it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

SMOOTHED = 16
LATENCY_NS_MAX = 60_000_000_000


class _Measured(msgspec.Struct, array_like=True):
    """One venue: the mean that forgets."""

    mean_ns: int


class Latencies:
    """Measure from sending to acknowledgement by the events' own times: no clock is read.

    Until a venue has answered, it is what the config expects.
    """

    def __init__(self, expected_ns: Mapping[str, int]) -> None:
        self._expected_ns = dict(expected_ns)
        self._measured: dict[str, _Measured] = {}
        self._mean_ns = dict(expected_ns)

    @property
    def mean_ns(self) -> Mapping[str, int]:
        """Give every venue's present mean."""
        return self._mean_ns

    def took(self, venue: str, latency_ns: int) -> None:
        """Take a sample; one that is no latency is left out."""
        if not 0 <= latency_ns <= LATENCY_NS_MAX or venue not in self._expected_ns:
            return
        known = self._measured.get(venue)
        if known is None:
            known = self._measured[venue] = _Measured(latency_ns)
        else:
            known.mean_ns += (latency_ns - known.mean_ns) // SMOOTHED
        self._mean_ns[venue] = known.mean_ns

    def state(self) -> bytes:
        """Give what was measured as data."""
        return msgspec.msgpack.encode(self._measured)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave, of the venues that are still there."""
        kept = msgspec.msgpack.decode(state, type=dict[str, _Measured])
        self._measured = {venue: one for venue, one in kept.items() if venue in self._expected_ns}
        self._mean_ns = self._expected_ns | {venue: one.mean_ns for venue, one in self._measured.items()}
