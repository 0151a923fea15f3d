"""How much of each leg fills: which one of a route is the hard one."""

from __future__ import annotations

import msgspec

from domain.units import PPM


class Filled(msgspec.Struct, array_like=True):
    """One market's side: how many shadows asked for it, and what they got in sum, both fading."""

    count: float = 0.0
    filled: float = 0.0


class LegFills:
    """Keep by (market, side) what share of a leg shadows found still there; their number bounds it.

    A leg leans on all legs together, which weighs as `samples` of its own; of what was seen `1 / memory`
    fades with each shadow of it.
    """

    def __init__(self, samples: int, memory: int) -> None:
        self._samples, self._kept_frac = samples, 1 - 1 / memory
        self._pooled = Filled()
        self._legs: dict[tuple[int, int], Filled] = {}
        # What was told since the last leg was added.
        self._told: dict[tuple[int, int], int] = {}

    def add(self, market: int, side: int, filled_frac: float) -> None:
        """Take what a leg's book had left."""
        self._told.clear()
        for known in (self._pooled, self._legs.setdefault((market, side), Filled())):
            known.count = known.count * self._kept_frac + 1
            known.filled = known.filled * self._kept_frac + filled_frac

    def fill_ppm(self, market: int, side: int) -> int:
        """Give how much of such a leg fills; all of it while nothing is known of any."""
        told = self._told.get((market, side))
        if told is None:
            told = self._told[market, side] = self._filled_ppm(market, side)
        return told

    def _filled_ppm(self, market: int, side: int) -> int:
        pooled = self._pooled
        if pooled.count <= 0:
            return PPM
        known = self._legs.get((market, side), Filled())
        lean = self._samples * pooled.filled / pooled.count
        return round((lean + known.filled) / (self._samples + known.count) * PPM)

    def state(self) -> bytes:
        """Give what was seen as data."""
        return msgspec.msgpack.encode((self._pooled, list(self._legs.items())))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=tuple[Filled, list[tuple[tuple[int, int], Filled]]])
        self._pooled, legs = kept
        self._legs = dict(legs)
        self._told.clear()
