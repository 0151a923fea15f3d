"""The touch of every market as last heard, when it moved, and how much it moves."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.instrument import Instrument

NS_PER_S = 1_000_000_000
FAR = 1 << 62  # a mid that no market has: the bound before there is one

# Read and written singly from Python, which is twice as fast in lists as in arrays.
Whole = list[int]


class _State(msgspec.Struct, array_like=True):
    bid_ticks: Whole
    bid_lots: Whole
    ask_ticks: Whole
    ask_lots: Whole
    heard_ns: Whole
    moved_ns: Whole
    before_ns: Whole
    sampled_ns: Whole
    sampled_mid: Whole
    variance: list[float]


class Quotes:
    """Hold columns by market; the sizes of all are fixed by the number of markets.

    A mid is kept doubled (bid + ask), whole. The variance is of the mid's return, in bps² per second, by
    samples at least `sample_ns` apart, weighted by `dt / (dt + memory_ns)`: a moving average that needs no
    exponential. `heard_ns` is 0 before the first quote; `before_ns` is of the move before the last.
    """

    def __init__(self, instruments: Sequence[Instrument], memory_ns: int) -> None:
        count = len(instruments)
        self.memory_ns = memory_ns
        self.half_tick = [each.tick.value(1) / 2 for each in instruments]
        self.bid_ticks, self.bid_lots = [0] * count, [0] * count
        self.ask_ticks, self.ask_lots = [0] * count, [0] * count
        self.heard_ns, self.moved_ns, self.before_ns = [0] * count, [0] * count, [0] * count
        self.sampled_ns, self.sampled_mid = [0] * count, [0] * count
        self.variance = [0.0] * count

    def sample(self, market: int, mid2: int, now_ns: int) -> None:
        """Take the mid into the market's variance."""
        before, self.sampled_mid[market] = self.sampled_mid[market], mid2
        elapsed_ns, self.sampled_ns[market] = now_ns - self.sampled_ns[market], now_ns
        if before == 0 or elapsed_ns <= 0:
            return
        moved_bps = (mid2 / before - 1) * 10_000
        weight = elapsed_ns / (elapsed_ns + self.memory_ns)
        self.variance[market] += weight * (
            moved_bps * moved_bps * NS_PER_S / elapsed_ns - self.variance[market]
        )

    def mid(self, market: int) -> float:
        """Give the mid in the quote asset; 0 before the first quote."""
        return (self.bid_ticks[market] + self.ask_ticks[market]) * self.half_tick[market]

    def spread_bps(self, market: int) -> float:
        """Give the spread against the mid."""
        bid, ask = self.bid_ticks[market], self.ask_ticks[market]
        return (ask - bid) / (ask + bid) * 20_000

    def state(self) -> bytes:
        """Give the columns as data."""
        columns = (getattr(self, name) for name in _State.__struct_fields__)
        return msgspec.msgpack.encode(_State(*columns), enc_hook=int)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave, in place: others hold these columns."""
        kept = msgspec.msgpack.decode(state, type=_State)
        for name in _State.__struct_fields__:
            getattr(self, name)[:] = getattr(kept, name)
