"""What everything was worth when, by the venues' own books: the mean of their mids."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from sim.exchange.exchange import Exchange
from sim.market.config import REFERENCE

ATOM = 1e-10


class Mids:
    """Sample every asset's mid against the reference, and give the latest sample of a time."""

    def __init__(self, exchanges: Iterable[Exchange]) -> None:
        self._exchanges = tuple(exchanges)
        self._times: list[int] = []
        self._samples: list[dict[str, float]] = []

    def sample(self, now_ns: int) -> None:
        """Look at all books."""
        found: dict[str, list[float]] = {}
        for exchange in self._exchanges:
            for market in exchange.instruments:
                bid, ask = exchange.best(market.index)
                if market.quote == REFERENCE and bid > 0 and ask > 0:
                    found.setdefault(market.base, []).append(market.tick.value((bid + ask) / 2))
        latest = self._samples[-1] if self._samples else {}
        means = {asset: sum(mids) / len(mids) for asset, mids in found.items()}
        self._times.append(now_ns)
        self._samples.append({REFERENCE: 1.0, **latest, **means})

    def at(self, now_ns: int) -> Mapping[str, float]:
        """Give what everything was worth at a time; before the first sample, that one."""
        return self._samples[max(0, bisect_right(self._times, now_ns) - 1)]

    def latest(self) -> Mapping[str, float]:
        """Give what everything is worth now."""
        return self._samples[-1]


def usdt(flows: Mapping[str, int], worth: Mapping[str, float]) -> float:
    """Value atoms of assets."""
    return sum(atoms * ATOM * worth[asset] for asset, atoms in flows.items())
