"""How much less than expected was paid, learnt by route, venues and hour."""

from __future__ import annotations

import msgspec

from arbitrage.legs import Legs
from arbitrage.worth.quantile import Window

HOUR_NS = 3_600_000_000_000
# A route or none, venues or none, an hour of the day (UTC) or -1.
Key = tuple[Legs, tuple[int, ...], int]


class Shortfalls:
    """Keep the latest shortfalls by route and hour, by route, by venues and hour, by venues, and of all.

    It holds at most `keys_max` windows of `size` values; the one not added to for longest goes first.
    """

    def __init__(self, keys_max: int, size: int) -> None:
        self.keys_max, self.size = keys_max, size
        # How many were taken: what was read off before is known to stand while it does.
        self.added = 0
        self._windows: dict[Key, Window] = {}

    def add(self, route: Legs, venues: tuple[int, ...], now_ns: int, shortfall_bps: float) -> None:
        """Take a shortfall into all five."""
        self.added += 1
        for key in _keys(route, venues, now_ns):
            window = self._windows.pop(key, None) or Window(self.size)
            window.add(shortfall_bps)
            self._windows[key] = window
        while len(self._windows) > self.keys_max:
            del self._windows[next(iter(self._windows))]

    def quantile(
        self, route: Legs, venues: tuple[int, ...], now_ns: int, frac: float, samples_min: int
    ) -> float | None:
        """Give the quantile of the closest kind that has samples enough, `None` where none has."""
        windows = self._windows
        for key in _keys(route, venues, now_ns):
            window = windows.get(key)
            if window is not None and len(window.values) >= samples_min:
                return window.quantile(frac)
        return None

    def __len__(self) -> int:
        return len(self._windows)

    def state(self) -> bytes:
        """Give every window as data, the one not added to for longest first."""
        kept = [(key, window.oldest_first()) for key, window in self._windows.items()]
        return msgspec.msgpack.encode(kept)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=list[tuple[Key, list[float]]])
        self._windows = {key: Window(self.size, values) for key, values in kept}


def _keys(route: Legs, venues: tuple[int, ...], now_ns: int) -> tuple[Key, ...]:
    hour = now_ns // HOUR_NS % 24
    return (route, (), hour), (route, (), -1), ((), venues, hour), ((), venues, -1), ((), (), -1)
