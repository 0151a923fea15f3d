"""One graph of all prices: what every book converts at, and the best cycle over them at every update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from struct import Struct

import msgspec
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

import arbitrage.graph.graph_kernels as k
from arbitrage.graph.certificate import Certificate
from arbitrage.graph.columns import (
    ASK_LOTS,
    BEST,
    BEST_AT,
    BEST_PRODUCT,
    BID_TICKS,
    FEE_PPM,
    HOT,
    LOADING,
    PAIR,
    PRODUCT_MIN,
    REPAIRS,
    GraphColumns,
    Ints,
    Reals,
)
from arbitrage.graph.cycles import EVERY_STEP, STEPS_MAX, CycleSearch
from arbitrage.graph.route import LEGS_MAX, Route, RouteSearch, hops_of
from arbitrage.graph.sequence import shortest_sequence
from arbitrage.graph.worths import begin_values
from arbitrage.ticket import Cycle, Hop
from domain.instrument import Instrument
from domain.units import PPM
from hw.kernel import entry

BUY = 1
_pack = Struct("=5q").pack_into
# Under this a gain is rounding: what is certified stays below it for any number of legs.
PRODUCT_LEAST = 1.0 + 1e-9
_decoder = msgspec.msgpack.Decoder(tuple[bytes, bytes])


class GraphConfig(BaseModel):
    """Say how long cycles may be, what gains, and what swapping inventory between venues costs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    legs_max: int = Field(4, ge=2, le=4)
    # A cycle gains where its product is above this.
    product_min: float = Field(PRODUCT_LEAST, ge=PRODUCT_LEAST, le=1e6)
    # Cost of swapping inventory of one asset between two venues, of every asset and of those that differ.
    swap_ppm: int = Field(50, ge=0, lt=PPM)
    swaps: dict[str, int] = Field(default_factory=dict)
    # The assets whose inventory is swapped; `None` is all of them.
    swappable: tuple[str, ...] | None = None
    # Taker fees of the account's own tier, by venue or by `venue:symbol`, over what instruments say.
    fees: dict[str, int] = Field(default_factory=dict)


class PriceGraph:
    """Hold every market's rates in place, and the best cycle of up to `legs_max` legs over them.

    A market is a place in `instruments`. What is best is a function of the touches and fees that stand, never
    of how they came about; equal products go to fewer legs, then to lower markets.
    """

    __slots__ = (
        "_call",
        "_certificate",
        "_ints",
        "_product",
        "_reals",
        "_row",
        "_row_bytes",
        "_told",
        "assets",
        "columns",
        "config",
        "instruments",
        "venues",
    )

    def __init__(self, instruments: Sequence[Instrument], config: GraphConfig | None = None) -> None:
        self.config, self.instruments = config or GraphConfig(), tuple(instruments)
        venues: dict[str, int] = {}
        assets: dict[tuple[str, str], int] = {}
        markets = []
        for one in self.instruments:
            venue = venues.setdefault(one.venue, len(venues))
            base, quote = (
                assets.setdefault(self._key(one, name), len(assets)) for name in (one.base, one.quote)
            )
            assert base != quote, f"{one.key} trades {one.base} for itself"
            markets.append((base, quote, venue))
        self.venues, self.assets = tuple(venues), tuple(assets)
        rests = [1.0 - self.config.swaps.get(name, self.config.swap_ppm) / PPM for name, _ in assets]
        self.columns = GraphColumns(markets, rests, self.config.legs_max)
        self._ints, self._reals = self.columns.ints, self.columns.reals
        self._reals[PRODUCT_MIN] = self.config.product_min
        for market, one in enumerate(self.instruments):
            self.columns.scales[market, 0] = one.tick.value(1)
            self._keep_fee(market, self._fee(one))
        self._certificate: Certificate | None = None
        self._row, self._product = np.zeros((1, k.ROW_WORDS), np.int64), np.zeros(1)
        self._row_bytes = self._row.data.cast("B")
        self._told = self._row.reshape(-1).data
        self._call: Callable[[Ints, Reals, k.Rows, Reals, int, int, bool], int] = entry(k.update_rows)

    def _key(self, one: Instrument, asset: str) -> tuple[str, str]:
        """Name what one value stands for: an asset everywhere, or at one venue where it is not swapped."""
        free = self.config.swappable is None or asset in self.config.swappable
        return (asset, "") if free else (asset, one.venue)

    def _fee(self, one: Instrument) -> int:
        return self.config.fees.get(one.key, self.config.fees.get(one.venue, one.taker_fee_ppm))

    def _keep_fee(self, market: int, taker_ppm: int) -> None:
        assert -PPM < taker_ppm < PPM, f"a fee of {taker_ppm} ppm"
        self.columns.markets[market, FEE_PPM] = taker_ppm
        self.columns.scales[market, 1] = 1.0 - taker_ppm / PPM

    def update(self, market: int, bid_ticks: int, bid_lots: int, ask_ticks: int, ask_lots: int) -> bool:
        """Take a book's touch; tell whether a cycle that gains passes a side that improved.

        A side without price or size is no edge; a book that crosses itself has none.
        """
        _pack(self._row_bytes, 0, market, bid_ticks, bid_lots, ask_ticks, ask_lots)
        self._call(self._ints, self._reals, self._row, self._product, 0, 1, False)
        told = self._told[k.ROW_HIT]
        assert told >= 0, f"market {market} of {len(self.instruments)}"
        return told > 0

    def update_rows(self, rows: k.Rows, products: Reals, start: int = 0, *, stop: bool = False) -> int:
        """Take rows `market, bid_ticks, bid_lots, ask_ticks, ask_lots, hit`; give the place after the last.

        Each row's `hit` becomes what `update` would tell (-1: no such market), and `products` its best, or 0.
        With `stop` it comes back after a row that hits.
        """
        assert rows.dtype == np.int64 and rows.flags.carray and rows.shape[1] == k.ROW_WORDS
        assert len(products) >= len(rows)
        return self._call(self._ints, self._reals, rows, products, start, len(rows), stop)

    def set_rate(self, market: int, rate: float) -> bool:
        """Take the plain rate, fee included, of a market that only turns base into quote; 0 is none."""
        self.columns.scales[market] = rate, 1.0
        return self.update(market, 1, 1, 0, 0)

    def load(self, rates: Mapping[int, float]) -> None:
        """Take plain rates of markets, as `set_rate` does one by one, in a fraction of its time.

        The best cycle is looked for once. Into an empty graph those come first that lose most by what assets
        are worth on the whole, so that few pairs are hot in the end.
        """
        markets, given = np.array(list(rates), np.int64), np.array(list(rates.values()))
        order = np.arange(len(markets))
        if rates and not self.columns.rates.any():
            pair = self.columns.markets[markets, PAIR]
            order = np.argsort(begin_values(self.columns, pair, given), kind="stable")
        self.columns.scales[markets] = np.stack([given, np.ones(len(given))], axis=1)
        rows = np.zeros((len(markets), k.ROW_WORDS), np.int64)
        rows[:, 0], rows[:, 1:3] = markets[order], 1
        self._ints[LOADING], self._ints[BEST] = 1, 0
        self.update_rows(rows, np.zeros(len(rows)))
        self._ints[LOADING] = 0
        for cycle in self.search(self.config.legs_max, 1).best(EVERY_STEP)[0]:
            edges = [2 * hop.market + (hop.side == BUY) for hop in cycle.hops]
            self._ints[BEST], self._reals[BEST_PRODUCT] = len(edges), cycle.product
            self._ints[BEST_AT : BEST_AT + len(edges)] = edges

    def drop(self, market: int) -> None:
        """Let a market that is stale, quarantined or halted leave; its next update brings it back."""
        self.update(market, 0, 0, 0, 0)

    def set_fee(self, market: int, taker_ppm: int) -> None:
        """Charge another fee from now on."""
        self._keep_fee(market, taker_ppm)
        self.update(market, *self.touch(market))

    def touch(self, market: int) -> tuple[int, int, int, int]:
        """Give a market's touch as it was last taken."""
        bid_ticks, bid_lots, ask_ticks, ask_lots = self.columns.markets[
            market, BID_TICKS : ASK_LOTS + 1
        ].tolist()
        return bid_ticks, bid_lots, ask_ticks, ask_lots

    def rate(self, hop: Hop) -> float:
        """Give what a hop converts at, after its fee; 0 where there is no price."""
        return float(self.columns.rates[hop.market, int(hop.side == BUY)])

    @property
    def best(self) -> Cycle | None:
        """Give the best cycle of up to `legs_max` legs."""
        count = int(self._ints[BEST])
        if count == 0:
            return None
        edges = self._ints[BEST_AT : BEST_AT + count].tolist()
        return Cycle(hops_of(edges), float(self._reals[BEST_PRODUCT]))

    @property
    def certified(self) -> bool:
        """Tell whether it is proven that no cycle of any length gains."""
        return bool(self._ints[HOT] == 0)

    @property
    def hot(self) -> int:
        """Count the pairs that cannot be certified."""
        return int(self._ints[HOT])

    @property
    def repairs(self) -> int:
        """Count how often values had to move."""
        return int(self._ints[REPAIRS])

    def longer(self) -> Cycle | None:
        """Give any cycle of any length that gains; `None` is the proof that there is none.

        Where the graph is certified that is known already; else it is decided over (venue, asset), which
        takes a millisecond on a large graph. A leg must gain `LEG_MARGIN` over nothing.
        """
        if self.certified:
            return None
        if self._certificate is None:
            self._certificate = Certificate(self.columns, len(self.venues))
        edges = self._certificate.gaining()
        return None if edges is None else self._cycle(edges)

    def cycles(
        self,
        legs_max: int,
        limit: int,
        through: str | None = None,
        product_min: float = 1.0,
        steps_max: int = STEPS_MAX,
    ) -> tuple[list[Cycle], bool]:
        """Give simple cycles that gain more than so much, best first, and whether all ways were walked.

        Each begins with its lowest edge. With `through` they pass an asset, wherever it is.
        """
        if self.certified:
            return [], True
        search = self.search(legs_max, limit)
        if through is not None:
            search.through(self._classes(through))
        return search.best(steps_max, product_min=product_min)

    def search(self, legs_max: int, limit: int) -> CycleSearch:
        """Make room for a search that is asked often."""
        return CycleSearch(self.columns, legs_max, limit)

    def _classes(self, asset: str) -> list[int]:
        return [place for place, (name, _) in enumerate(self.assets) if name == asset]

    def route(
        self, have: str, want: str, legs_max: int = 4, venues: Sequence[str] | None = None
    ) -> Route | None:
        """Give the best conversion of one asset into another; each asset is passed once.

        It begins at whichever venue is best, as inventory of one asset is as good at any of them.
        """
        assert 1 <= legs_max <= LEGS_MAX
        if have == want:
            return None
        allowed = [place for place, name in enumerate(self.venues) if venues is None or name in venues]
        search = RouteSearch(self.columns, [name for name, _ in self.assets], allowed)
        found = search.best(have, want, legs_max)
        if found is None:
            return None
        return Route(have, want, hops_of(found[1]), found[0], search.direct(have, want))

    def shortest(self, product_min: float, begin: str | None = None) -> Cycle | None:
        """Give the sequence of fewest hops that gives more than `product_min`; assets may repeat in it.

        It begins with whichever asset that is shortest from, or with the one that is named.
        """
        classes = None if begin is None else self._classes(begin)
        found = shortest_sequence(self.columns, product_min, classes)
        return None if found is None else Cycle(hops_of(found[1]), found[0])

    def state(self) -> bytes:
        """Give touches and fees: everything else follows from them."""
        return msgspec.msgpack.encode((self._touches().tobytes(), self._fees().tobytes()))

    def restore(self, state: bytes) -> None:
        """Take touches and fees; plain rates are not among them."""
        touches, fees = (np.frombuffer(part, np.int64) for part in _decoder.decode(state))
        assert len(fees) == len(self.instruments), f"the state is of {len(fees)} markets"
        for market, (fee, touch) in enumerate(
            zip(fees.tolist(), touches.reshape(-1, 4).tolist(), strict=True)
        ):
            self._keep_fee(market, fee)
            self.update(market, *touch)

    def _touches(self) -> Ints:
        return self.columns.markets[:, BID_TICKS : ASK_LOTS + 1]

    def _fees(self) -> Ints:
        return self.columns.markets[:, FEE_PPM]

    def _cycle(self, edges: Sequence[int]) -> Cycle:
        """Write a cycle from its lowest edge on, multiplied out from the rates."""
        low = edges.index(min(edges))
        ordered = (*edges[low:], *edges[:low])
        product = 1.0
        for edge, onward in zip(ordered, (*ordered[1:], ordered[0]), strict=True):
            product *= float(self.columns.rates[edge >> 1, edge & 1]) * self._rest(edge, onward)
        return Cycle(hops_of(ordered), product)

    def _rest(self, edge: int, onward: int) -> float:
        """Give what is left between two legs."""
        here, there = self.instruments[edge >> 1], self.instruments[onward >> 1]
        got = here.base if edge & 1 else here.quote
        swapped = here.venue != there.venue
        return 1.0 - self.config.swaps.get(got, self.config.swap_ppm) / PPM if swapped else 1.0
