"""Sixteen features of one market as a strategy sees it, kept up tick by tick, live and in replay alike."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from domain.market_events import Tick, Trade
from domain.protocols import BookView
from hw.kernel import entry
from learning.rows import features_kernels as k

SCHEMA = "f1"
FEATURES = (
    "ofi_1",  # order flow into level 1 over about 2 s, bids less asks, in levels of average size
    "ofi_2",
    "ofi_3",
    "ofi_45",  # levels 4 and 5 together
    "imbalance_1",  # bid lots less ask lots, of both, at the touch
    "imbalance_5",  # and over five levels
    "micro_bps",  # how far the size-weighted mid lies above the mid
    "spread_bps",
    "return_1s_bps",
    "return_5s_bps",
    "return_30s_bps",
    "volatility_bps",  # of one second, over about 30 s
    "flow_1s",  # bought less sold by takers over about 1 s, in levels of average size
    "flow_5s",
    "since_move",  # ln(1 + seconds since the mid moved)
    "away_bps",  # how far the mid lies above its mean over about 60 s
)
VOLATILITY, SPREAD = FEATURES.index("volatility_bps"), FEATURES.index("spread_bps")
NO_LEVELS = np.empty(0, np.int64)


class FeaturesConfig(BaseModel):
    """When windows are full enough to be believed; after `gap_s` without a tick they begin anew."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warm_s: Annotated[float, Field(ge=0)] = 30.0
    gap_s: Annotated[float, Field(gt=0, le=60)] = 10.0


class _State(msgspec.Struct, frozen=True, array_like=True):
    schema: str
    ints: bytes
    reals: bytes


class Features:
    """Step on ticks and trades of one market, and write its features as of a time.

    >>> features = Features(FeaturesConfig(warm_s=0))
    >>> for second in range(20):
    ...     features.see(second * 10**9, 100, 5, 101, 5 + second, NO_LEVELS, NO_LEVELS)
    >>> out = np.empty(16, np.float32)
    >>> features.vector(19 * 10**9, out), bool(out[FEATURES.index("imbalance_1")] < 0)
    (True, True)
    """

    __slots__ = ("_gap_ns", "_ints", "_reals", "_see_tick", "_see_trade", "_warm_ns", "_write", "config")

    def __init__(self, config: FeaturesConfig | None = None) -> None:
        self.config = config if config is not None else FeaturesConfig()
        self._gap_ns, self._warm_ns = int(self.config.gap_s * 1e9), int(self.config.warm_s * 1e9)
        # Not at import: that would compile them in whoever only wants their names.
        self._see_tick, self._see_trade = entry(k.see_tick), entry(k.see_trade)
        self._write = entry(k.write_vector)
        self._ints, self._reals = np.zeros(k.INT_WORDS, np.int64), np.zeros(k.REAL_WORDS)

    def step(self, tick: Tick, book: BookView) -> None:
        """Take a tick and the book beside it; a stale book has no levels, and then the touch alone counts."""
        bids, asks = book.bids.view(np.int64), book.asks.view(np.int64)
        self._see_tick(
            self._ints,
            self._reals,
            self._gap_ns,
            tick.local_ts_ns,
            tick.bid_ticks,
            tick.bid_lots,
            tick.ask_ticks,
            tick.ask_lots,
            bids,
            asks,
        )

    def trade(self, trade: Trade) -> None:
        """Take a trade of anybody."""
        self.traded(trade.local_ts_ns, trade.size_lots, trade.aggressor)

    def traded(self, now_ns: int, size_lots: int, aggressor: int) -> None:
        """Take a trade's size and its taker's side."""
        self._see_trade(self._ints, self._reals, now_ns, size_lots, +aggressor)

    def see(
        self,
        now_ns: int,
        bid_ticks: int,
        bid_lots: int,
        ask_ticks: int,
        ask_lots: int,
        bids: NDArray[np.int64],
        asks: NDArray[np.int64],
    ) -> None:
        """Take a touch, and levels as flat (ticks, lots), best first."""
        self._see_tick(
            self._ints,
            self._reals,
            self._gap_ns,
            now_ns,
            bid_ticks,
            bid_lots,
            ask_ticks,
            ask_lots,
            bids,
            asks,
        )

    def vector(self, now_ns: int, out: NDArray[np.float32]) -> bool:
        """Write the sixteen features as of a time; False, and nothing written, while they are not warm."""
        return bool(self._write(self._ints, self._reals, self._gap_ns, self._warm_ns, now_ns, out))

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(_State(SCHEMA, self._ints.tobytes(), self._reals.tobytes()))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; windows begin anew after another schema's."""
        kept = msgspec.msgpack.decode(state, type=_State)
        sizes = len(kept.ints), len(kept.reals)
        if kept.schema == SCHEMA and sizes == (self._ints.nbytes, self._reals.nbytes):
            self._ints[:] = np.frombuffer(kept.ints, np.int64)
            self._reals[:] = np.frombuffer(kept.reals, np.float64)
