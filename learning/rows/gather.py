"""From what a node's journal tells, in order, to finished rows: decisions wait until their horizon is over.

A synchronous value: `take` facts, then ask for `finished` rows. Where a market was silent for too long within
a row's horizon, its feed broke or the node was away, nobody knows what became of it, and it is lost; every
loss is counted, and all that waits is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from domain.actions import Observed
from domain.control_events import NodeStarted
from domain.dtypes import ROW_WIDTH
from domain.ids import client_id_parts
from domain.instrument import Instrument
from domain.market_events import FeedLost, MarketRows, Tick
from domain.order_events import AccountSnapshot, Fill
from hw.kernel import entry
from learning.rows import gather_kernels
from learning.rows.labels import LabelConfig, Labels, label_path, write_labels
from learning.rows.pending import Path, Waiting, earned_bps, table_of
from learning.rows.row import Rows

TRADES_KNOWN_MAX = 1_024


class GatherConfig(BaseModel):
    """How rows are labelled, and what may wait. A market says nothing for `silence_s` at most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: LabelConfig = LabelConfig()
    silence_s: Annotated[float, Field(gt=0)] = 10.0
    waiting_max: Annotated[int, Field(ge=1)] = 8_192
    path_max: Annotated[int, Field(ge=16)] = 65_536
    fills_max: Annotated[int, Field(ge=1)] = 256


class Counts(msgspec.Struct, array_like=True):
    """What became of all decisions so far.

    `silent` were lost to a market that said nothing, `crowded` to the bounds; `refused` had no sense.
    """

    observed: int = 0
    finished: int = 0
    silent: int = 0
    crowded: int = 0
    refused: int = 0


class _State(msgspec.Struct, array_like=True):
    now_ns: int
    counts: Counts
    waiting: dict[str, list[Waiting]]
    paths: dict[str, tuple[bytes, bytes, int]]
    known: dict[str, list[int]] = msgspec.field(default_factory=dict)


class Gatherer:
    """Take `Observed`, market data and own fills of one node in their order, and give finished rows."""

    def __init__(self, instruments: Iterable[Instrument], config: GatherConfig | None = None) -> None:
        self.config = config if config is not None else GatherConfig()
        self.instruments = {one.index: one for one in instruments}
        self.now_ns, self.counts = 0, Counts()
        self._silence_ns = round(self.config.silence_s * 1e9)
        self._waiting: dict[int, list[Waiting]] = {index: [] for index in self.instruments}
        self._paths = {index: Path() for index in self.instruments}
        self._latest: dict[int, Waiting] = {}
        # Trades are told again after a link broke, and in every account snapshot for a while.
        self._known: dict[int, dict[int, None]] = {index: {} for index in self.instruments}
        self._done: list[Rows] = []
        self._find = entry(gather_kernels.find_touches)
        self._touches = np.empty((256, 3), np.int64)

    def take(self, fact: Any) -> None:
        """Take a decoded record of the journal, whatever it is; what is of no use only tells the time."""
        kind = type(fact)
        if kind is MarketRows:
            self._rows(fact.rows)
        elif kind is Tick:
            if 0 < fact.bid_ticks < fact.ask_ticks:
                self.mid(fact.instrument, fact.local_ts_ns, fact.bid_ticks + fact.ask_ticks)
        elif kind is Observed:
            self.observed(fact)
        elif kind is Fill:
            self.fill(fact)
        elif kind is AccountSnapshot:
            self.passed(fact.local_ts_ns)
            for one in fact.fills:
                self.fill(one)
        elif kind is FeedLost:
            self._lost([one.index for one in self.instruments.values() if one.venue == fact.venue])
            self.passed(fact.local_ts_ns)
        elif kind is NodeStarted:
            self._lost(list(self.instruments))
            self.passed(fact.local_ts_ns)
        else:
            self.passed(getattr(fact, "local_ts_ns", 0))

    def observed(self, fact: Observed) -> None:
        """Take a decision; it waits until its horizon is over."""
        self.passed(fact.at_ns)
        self.counts.observed += 1
        waiting = self._waiting.get(fact.instrument)
        if waiting is None or not _sensible(fact):
            self.counts.refused += 1
            return
        # A batch of market data comes before the decisions on it: mostly the path knows more than this.
        if fact.at_ns > self._paths[fact.instrument].seen_ns:
            self.mid(fact.instrument, fact.at_ns, fact.mid2_ticks)
        if len(waiting) >= self.config.waiting_max:
            waiting.pop(0)
            self.counts.crowded += 1
        self._latest[fact.shard] = one = Waiting(fact)
        waiting.append(one)

    def mid(self, instrument: int, at_ns: int, mid2_ticks: int) -> None:
        """Take a market's mid, told as bid + ask in ticks."""
        self.passed(at_ns)
        path = self._paths.get(instrument)
        if path is None:
            return
        if path.seen_ns and at_ns - path.seen_ns > self._silence_ns:
            path = self._fell_silent(instrument)
        path.add(at_ns, mid2_ticks)
        if len(path) > self.config.path_max:
            self._crowded(instrument)

    def fill(self, fact: Fill) -> None:
        """Take a fill of ours: it belongs to the decision of its shard that stood when it was first told."""
        self.passed(fact.local_ts_ns)
        known = self._known.get(fact.instrument)
        if known is None or fact.trade_id in known:
            return
        known[fact.trade_id] = None
        if len(known) > TRADES_KNOWN_MAX:
            del known[next(iter(known))]
        one = self._latest.get(client_id_parts(fact.client_id)[0])
        if one is None or one.observed.instrument != fact.instrument:
            return
        if len(one.fills) < self.config.fills_max:
            one.fills.append(fact)

    def passed(self, now_ns: int) -> None:
        """Take note of the time."""
        self.now_ns = max(self.now_ns, now_ns)

    def finished(self) -> Rows:
        """Give the rows whose horizon is over; each is given once."""
        horizon_ns = self.config.labels.horizon_ns
        for index, waiting in self._waiting.items():
            due = sum(1 for one in waiting if one.observed.at_ns + horizon_ns < self.now_ns)
            if due > 0:
                path = self._paths[index]
                self._settle(index, waiting[:due], min(self.now_ns, path.seen_ns + self._silence_ns + 1))
                del waiting[:due]
                wanted_ns = waiting[0].observed.at_ns if waiting else path.seen_ns
                path.forget(min(wanted_ns, path.seen_ns - self._silence_ns))
        done, self._done = self._done, []
        return Rows.joined(done)

    def path(self, instrument: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Give when a market's mid changed lately and to what, as bid + ask."""
        return self._paths[instrument].arrays()

    @property
    def waiting(self) -> int:
        """Count the decisions that wait."""
        return sum(len(waiting) for waiting in self._waiting.values())

    def state(self) -> bytes:
        """Give everything that a restart needs; ask for `finished` rows first, for they are no part of it."""
        assert not self._done, "finished rows were not asked for"
        waiting = {str(index): found for index, found in self._waiting.items() if found}
        paths = {str(index): path.state() for index, path in self._paths.items() if path.seen_ns}
        known = {str(index): list(trades) for index, trades in self._known.items() if trades}
        return msgspec.msgpack.encode(_State(self.now_ns, self.counts, waiting, paths, known))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; markets that are gone are forgotten."""
        kept = msgspec.msgpack.decode(state, type=_State)
        self.now_ns, self.counts = kept.now_ns, kept.counts
        for name, path in kept.paths.items():
            if int(name) in self._paths:
                self._paths[int(name)] = Path.restored(*path)
        for name, found in kept.waiting.items():
            if int(name) in self._waiting:
                self._waiting[int(name)] = found
        for name, trades in kept.known.items():
            if int(name) in self._known:
                self._known[int(name)] = dict.fromkeys(trades)
        everything = sorted((one for found in self._waiting.values() for one in found), key=_when)
        self._latest = {one.observed.shard: one for one in everything}

    def _rows(self, rows: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        assert rows.shape[1] == ROW_WIDTH
        if len(self._touches) < len(rows):
            self._touches = np.empty((2 * len(rows), 3), np.int64)
        for instrument, at_ns, mid2_ticks in self._touches[: self._find(rows, self._touches)].tolist():
            self.mid(instrument, at_ns, mid2_ticks)

    def _lost(self, markets: list[int]) -> None:
        """Nobody knows what happens in these markets until they are heard again."""
        for index in markets:
            self._fell_silent(index)

    def _fell_silent(self, index: int) -> Path:
        """Finish what a barrier ended before the silence, and lose the rest."""
        path, waiting = self._paths[index], self._waiting[index]
        if waiting:
            self._settle(index, waiting, path.seen_ns)
            waiting.clear()
        self._paths[index] = path = Path()
        return path

    def _crowded(self, index: int) -> None:
        """Lose the older half of what a path is kept for."""
        path, waiting = self._paths[index], self._waiting[index]
        cut_ns = path.ns[len(path) // 2]
        older = sum(1 for one in waiting if one.observed.at_ns < cut_ns)
        del waiting[:older]
        self.counts.crowded += older
        path.forget(cut_ns)

    def _settle(self, index: int, found: list[Waiting], until_ns: int) -> None:
        """Label decisions of one market by its path, which is whole before `until_ns`."""
        instrument, path, config = self.instruments[index], self._paths[index], self.config.labels
        table = table_of([one.observed for one in found], instrument)
        path_ns, mid2 = path.arrays()
        mids2 = np.array([one.observed.mid2_ticks for one in found], np.float64)
        labels: Labels = label_path(
            path_ns, mid2, table["at_ns"], mids2, table["volatility_bps"], config, until_ns
        )
        write_labels(table, labels, config)
        for place, one in enumerate(found):
            if one.fills and labels.label[place] >= 0:
                mark = mids2[place] / 2 * (1 + labels.gross_bps[place] * 1e-4)
                table["realised_bps"][place] = earned_bps(
                    one.fills, mark, int(labels.label_ns[place]), instrument
                )
        known = labels.label >= 0
        self.counts.finished += int(known.sum())
        self.counts.silent += int((~known).sum())
        for one in found:
            if self._latest.get(one.observed.shard) is one:
                del self._latest[one.observed.shard]
        self._done.append(Rows.of(instrument.venue, instrument.symbol, table[known]))


def _sensible(fact: Observed) -> bool:
    if len(fact.features) != 64 or len(fact.probabilities) not in (0, 12) or fact.mid2_ticks <= 0:
        return False
    return bool(np.isfinite(np.frombuffer(fact.features, "<f4")).all())


def _when(one: Waiting) -> int:
    return one.observed.at_ns
