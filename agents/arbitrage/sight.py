"""What a group sees: which of its markets are believed, and the best cycle over them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from arbitrage.fee import Fees
from arbitrage.filter.anomaly_filter import SOUND, AnomalyFilter
from arbitrage.graph.price_graph import PriceGraph
from arbitrage.ticket import Cycle
from market.columns import ASK_LOTS_AT, BID, LEVEL, REASON, SYMBOL_WORDS

if TYPE_CHECKING:
    from agents.arbitrage.config import ArbitrageConfig
    from domain.instrument import Instrument
    from market.pipeline import Pipeline

# So many are told beside the best cycle, of what is walked in so many steps of some nanoseconds.
OTHERS_MAX, STEPS_MAX = 6, 50_000
TOUCH_END = ASK_LOTS_AT + 1


class Sight:
    """Keep filter and graph in step with the pipeline, by every touch of the group's markets.

    Markets that are stale, doubted or in quarantine leave the graph; their next sound touch brings them back.
    """

    __slots__ = ("_cells", "_inside", "_pipeline", "_search", "filter", "graph", "markets")

    def __init__(
        self,
        config: ArbitrageConfig,
        instruments: Sequence[Instrument],
        markets: Iterable[int],
        pipeline: Pipeline,
        fees: Fees,
    ) -> None:
        self.filter = AnomalyFilter(config.filter, instruments, fees)
        self.graph = PriceGraph(instruments, config.graph)
        self._search = self.graph.search(config.graph.legs_max, OTHERS_MAX + 1)
        self.markets = tuple(markets)
        self._pipeline = pipeline
        # What `pipeline.touch` and `pipeline.believed` say, looked up once.
        words, columns = pipeline.columns.block.data, pipeline.columns
        self._cells = {
            index: words[columns.symbol(index) : columns.symbol(index) + SYMBOL_WORDS]
            for index in self.markets
        }
        self._inside = [False] * len(instruments)

    def look(self, index: int, now_ns: int) -> bool:
        """Take a market as it is now; tell whether a cycle that gains passes what improved."""
        cells = self._cells[index]
        if cells[REASON] == 0 and cells[LEVEL] == 0:
            bid_ticks, bid_lots, ask_ticks, ask_lots = cells[BID:TOUCH_END].tolist()
            if self.filter.touched(index, bid_ticks, bid_lots, ask_ticks, ask_lots, now_ns):
                self._inside[index] = True
                return self.graph.update(index, bid_ticks, bid_lots, ask_ticks, ask_lots)
        self._leave(index)
        return False

    def review(self, now_ns: int) -> None:
        """Let markets go that are believed no more, though nobody told of them."""
        for index in self.filter.sweep(now_ns).dropped:
            self._leave(index)
        believed = self._pipeline.believed
        for index in self.markets:
            if self._inside[index] and not believed(index):
                self._leave(index)

    def _leave(self, index: int) -> None:
        if self._inside[index]:
            self._inside[index] = False
            self.graph.drop(index)

    def inside(self, index: int) -> bool:
        """Tell whether a market is in the graph."""
        return self._inside[index]

    def seen(self, index: int) -> tuple[int, int]:
        """Give a market's touch for what must be traded there, zeros where it is not believed.

        A market that is only kept from new opportunities, as by a new fee, is still one to go back by.
        """
        if not self._pipeline.believed(index) or self.filter.sound[index] != SOUND:
            return 0, 0
        bid_ticks, _, ask_ticks, _, _, _ = self._pipeline.touch(index)
        return bid_ticks, ask_ticks

    def others(self, without: Collection[int] = ()) -> list[Cycle]:
        """Give the cycles that gain most, `OTHERS_MAX` and the best, of those that pass none of some markets.

        Where there are more ways than can be walked in good time, they are the most gainful of those walked.
        """
        return [] if self.graph.certified else self._search.best(STEPS_MAX, without=without)[0]

    def worth(self, asset: str) -> float:
        """Give what an atom of an asset is worth in atoms of the anchor, 0 where that is not known."""
        consensus = self.filter.consensus
        return consensus.worth[consensus.index[asset]]

    def state(self) -> bytes:
        """Give everything that decides as data."""
        return msgspec.msgpack.encode((self.filter.state(), self.graph.state(), self._inside))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept, graph, inside = msgspec.msgpack.decode(state, type=tuple[bytes, bytes, list[bool]])
        self.filter.restore(kept)
        self.graph.restore(graph)
        self._inside = inside
