"""What waits for its label: decisions with their fills so far, and the path of one market's mids."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from domain.actions import Observed
from domain.instrument import Instrument
from domain.order_events import Fill
from domain.units import PPM
from learning.rows.features import VOLATILITY
from learning.rows.row import CLASS_COUNT, FEATURE_COUNT, ROW, UNLABELLED, Table


class Waiting(msgspec.Struct, array_like=True):
    """A decision, and what was traded while it stood."""

    observed: Observed
    fills: list[Fill] = msgspec.field(default_factory=list)


class Path:
    """Where a market's mid (told as bid + ask) changed, and when the market was last heard."""

    __slots__ = ("mid2", "ns", "seen_ns")

    def __init__(self) -> None:
        self.ns: list[int] = []
        self.mid2: list[int] = []
        self.seen_ns = 0

    def add(self, at_ns: int, mid2_ticks: int) -> None:
        """Take the mid as of a time; an earlier time than the last counts as that."""
        self.seen_ns = at_ns = max(at_ns, self.seen_ns)
        if not self.mid2 or self.mid2[-1] != mid2_ticks:
            self.ns.append(at_ns)
            self.mid2.append(mid2_ticks)

    def forget(self, before_ns: int) -> None:
        """Forget what was over before a time; the mid that stood then is kept."""
        gone = max(0, bisect_left(self.ns, before_ns) - 1)
        del self.ns[:gone], self.mid2[:gone]

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give times and mids as arrays."""
        return np.array(self.ns, np.int64), np.array(self.mid2, np.float64)

    def state(self) -> tuple[bytes, bytes, int]:
        """Give the path as data."""
        return np.array(self.ns, np.int64).tobytes(), np.array(self.mid2, np.int64).tobytes(), self.seen_ns

    @staticmethod
    def restored(ns: bytes, mid2: bytes, seen_ns: int) -> Path:
        """Make a path of what `state` gave."""
        path = Path()
        path.ns, path.mid2 = np.frombuffer(ns, np.int64).tolist(), np.frombuffer(mid2, np.int64).tolist()
        path.seen_ns = seen_ns
        return path

    def __len__(self) -> int:
        return len(self.ns)


def table_of(found: Sequence[Observed], instrument: Instrument) -> Table:
    """Make rows of decisions, without their labels."""
    table = np.zeros(len(found), ROW)
    mid2 = np.array([one.mid2_ticks for one in found], np.float64)
    table["at_ns"] = [one.at_ns for one in found]
    table["shard"] = [one.shard for one in found]
    table["model"] = [one.model.encode() for one in found]
    table["mode"] = [one.mode for one in found]
    table["decision_ppm"] = [one.decision_ppm for one in found]
    features = np.frombuffer(b"".join(one.features for one in found), "<f4")
    table["features"] = features.reshape(-1, FEATURE_COUNT)
    none = np.full(CLASS_COUNT, np.nan, "<f4").tobytes()
    said = np.frombuffer(b"".join(one.probabilities or none for one in found), "<f4")
    table["probabilities"] = said.reshape(-1, CLASS_COUNT)
    table["mid"] = mid2 / 2 * instrument.tick.value(1)
    table["spread_bps"] = np.array([one.spread_ticks for one in found], np.float64) * 2e4 / mid2
    table["volatility_bps"] = table["features"][:, VOLATILITY]
    table["label"] = table["meta"] = UNLABELLED
    table["realised_bps"] = np.nan
    return table


def earned_bps(fills: Sequence[Fill], mark_ticks: float, until_ns: int, instrument: Instrument) -> float:
    """Tell what fills up to a time earned by then, less fees, of what they traded; NaN without any."""
    traded = earned = 0.0
    for fill in fills:
        if fill.local_ts_ns <= until_ns:
            value = fill.price_ticks * fill.size_lots
            traded += value
            earned += fill.side * (mark_ticks * fill.size_lots - value) - _fee(fill, instrument)
    return earned / traded * 1e4 if traded > 0 else float("nan")


def _fee(fill: Fill, instrument: Instrument) -> float:
    """Give a fee in ticks × lots; one in a third asset is taken as the market's own rate says."""
    if fill.fee_asset == instrument.quote:
        return fill.fee_atoms / instrument.tick_lot_atoms
    if fill.fee_asset == instrument.base:
        return fill.fee_atoms / instrument.lot_atoms * fill.price_ticks
    rate_ppm = instrument.maker_fee_ppm if fill.maker else instrument.taker_fee_ppm
    return fill.price_ticks * fill.size_lots * rate_ppm / PPM
