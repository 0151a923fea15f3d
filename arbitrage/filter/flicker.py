"""Sizes at the touch that come and go."""

from __future__ import annotations

import msgspec


class Flicker:
    """Count sizes that turned back on themselves, two sides a market; one count drains every `drain_ns`.

    What is kept is the time at which a side will have drained, so that nothing need be done as time goes by.
    """

    def __init__(self, markets: int, drain_ns: int) -> None:
        self.drain_ns = drain_ns
        self._direction, self.drained_ns = [0] * (2 * markets), [0] * (2 * markets)

    def swung(self, side: int, direction: int, now_ns: int) -> None:
        """Take a large change of size, up (1) or down (-1)."""
        if direction == -self._direction[side]:
            self.drained_ns[side] = max(self.drained_ns[side], now_ns) + self.drain_ns
        self._direction[side] = direction

    def reversals(self, market: int, now_ns: int) -> float:
        """Give the reversals of the worse side that have not drained."""
        drained_ns = max(self.drained_ns[2 * market], self.drained_ns[2 * market + 1])
        return max(drained_ns - now_ns, 0) / self.drain_ns

    def state(self) -> bytes:
        """Give both columns as data."""
        return msgspec.msgpack.encode((self._direction, self.drained_ns), enc_hook=int)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._direction, self.drained_ns = msgspec.msgpack.decode(state, type=tuple[list[int], list[int]])
