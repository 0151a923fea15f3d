"""Venues and markets that stand still while others move."""

from __future__ import annotations

import msgspec


class Stillness:
    """Count the moves of every venue against those of all, and a market's against its assets' worth.

    Memory: two numbers a venue and two a market.
    """

    def __init__(self, venues: int, markets: int, quiet_ns: int, moves_min: int) -> None:
        self.quiet_ns, self.moves_min = quiet_ns, moves_min
        self.moves = 0
        self.venue_moves, self.venue_moved_ns = [0] * venues, [0] * venues
        self._price, self._moved_ns = [0.0] * markets, [0] * markets

    def moved(self, venue: int, now_ns: int) -> None:
        """Count that a touch of a venue moved."""
        self.moves = self.venue_moves[venue] = self.moves + 1
        self.venue_moved_ns[venue] = now_ns

    def alive(self, venue: int, now_ns: int) -> bool:
        """Tell whether a venue moved of late."""
        return now_ns - self.venue_moved_ns[venue] <= self.quiet_ns

    def frozen(self, venue: int, now_ns: int) -> bool:
        """Tell whether a venue stands still while others move."""
        return not self.alive(venue, now_ns) and self.moves - self.venue_moves[venue] >= self.moves_min

    def off_bps(self, market: int, moved_ns: int, price: float) -> float:
        """Tell how far the price by all others went since the market's own moved; 0 where it just did."""
        if price <= 0 or moved_ns != self._moved_ns[market] or self._price[market] <= 0:
            self._price[market], self._moved_ns[market] = price, moved_ns
            return 0.0
        return abs(price / self._price[market] - 1) * 10_000

    def state(self) -> bytes:
        """Give every count as data."""
        venues, markets = (self.venue_moves, self.venue_moved_ns), (self._price, self._moved_ns)
        return msgspec.msgpack.encode((self.moves, venues, markets), enc_hook=int)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kind = tuple[int, tuple[list[int], list[int]], tuple[list[float], list[int]]]
        self.moves, venues, markets = msgspec.msgpack.decode(state, type=kind)
        (self.venue_moves, self.venue_moved_ns), (self._price, self._moved_ns) = venues, markets
