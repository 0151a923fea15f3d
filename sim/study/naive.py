"""A bot as the field writes it: tops of books, a fixed margin, all legs at once, retries at market.

What it lacks is what is studied: depth, thresholds that learn, a filter, a bounded saga, an unwind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from domain.instrument import Instrument
from domain.market_events import Tick
from domain.order import Side, TimeInForce
from sim.study.naive_routes import Route, ends_of, routes_of

PPM = 1_000_000


class NaiveConfig(BaseModel):
    """How much the bot wants, dares and repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    margin_bps: float = Field(default=1.0, ge=0)
    order_usdt_max: float = Field(default=5_000.0, gt=0)
    retries_max: int = Field(default=3, ge=0)


@dataclass(frozen=True, slots=True)
class NaiveOrder:
    """An order to be sent; `order` is its number and `price_ticks` is 0 at market."""

    order: int
    instrument: int
    side: int
    tif: int
    price_ticks: int
    size_lots: int


@dataclass(slots=True)
class NaiveLeg:
    """One leg of an attempt: what is wanted, what was filled, and the order that is out."""

    instrument: int
    side: int
    size_lots: int
    filled_lots: int = 0
    order: int | None = None


@dataclass(slots=True)
class NaiveAttempt:
    """All legs of one opportunity, and every order that was sent for them."""

    route: Route
    begun_ns: int
    in_usdt: float
    expected_usdt: float
    legs: tuple[NaiveLeg, ...]
    orders: list[int] = field(default_factory=list)
    retries: int = 0
    over: bool = False

    @property
    def whole(self) -> bool:
        """Tell whether every leg is filled."""
        return all(leg.filled_lots >= leg.size_lots for leg in self.legs)

    @property
    def begun(self) -> bool:
        """Tell whether anything filled."""
        return any(leg.filled_lots > 0 for leg in self.legs)


class Naive:
    """Take ticks and the fate of orders, and give orders; a pure value."""

    def __init__(
        self, instruments: Sequence[Instrument], config: NaiveConfig, usdt_of: dict[str, float]
    ) -> None:
        self.instruments, self.config = tuple(instruments), config
        self.usdt_of = dict(usdt_of)
        self.routes = routes_of(self.instruments)
        self.attempts: list[NaiveAttempt] = []
        self.detected = 0
        self._through: list[list[int]] = [[] for _ in self.instruments]
        for number, route in enumerate(self.routes):
            for market, _ in route:
                self._through[market].append(number)
        self._bid = [(0.0, 0.0)] * len(self.instruments)
        self._ask = [(0.0, 0.0)] * len(self.instruments)
        self._touch: list[tuple[int, int]] = [(0, 0)] * len(self.instruments)
        self._open = [False] * len(self.routes)
        self._busy: set[int] = set()
        self._out: dict[int, tuple[NaiveAttempt, NaiveLeg, int]] = {}
        self._number = 0

    def seen(self, tick: Tick) -> list[NaiveOrder]:
        """Take a top of book, and answer with all legs of the best route that it opens."""
        one, place = self.instruments[tick.instrument], tick.instrument
        price, lot = one.tick.value(1), one.lot.value(1)
        self._touch[place] = (tick.bid_ticks, tick.ask_ticks)
        self._bid[place] = (tick.bid_ticks * price, tick.bid_lots * lot)
        self._ask[place] = (tick.ask_ticks * price, tick.ask_lots * lot)
        if one.quote == "USDT" and tick.bid_ticks > 0 and tick.ask_ticks > 0:
            self.usdt_of[one.base] = (tick.bid_ticks + tick.ask_ticks) * price / 2
        best = self._best(place)
        return [] if best is None else self._begin(tick.local_ts_ns, *best)

    def _best(self, place: int) -> tuple[Route, float] | None:
        least, best = 1 + self.config.margin_bps * 1e-4, None
        for number in self._through[place]:
            route = self.routes[number]
            product = self._product(route)
            opened = product > least
            self.detected += opened and not self._open[number]
            self._open[number] = opened
            if opened and (best is None or product > best[1]):
                best = (route, product)
        if best is None or any(market in self._busy for market, _ in best[0]):
            return None
        return best

    def _product(self, route: Route) -> float:
        product = 1.0
        for market, side in route:
            kept = 1 - self.instruments[market].taker_fee_ppm / PPM
            if side == Side.BUY:
                ask = self._ask[market][0]
                product = product / ask * kept if ask > 0 else 0.0
            else:
                product *= self._bid[market][0] * kept
        return product

    def _begin(self, now_ns: int, route: Route, product: float) -> list[NaiveOrder]:
        given = self._most(route)
        legs: list[NaiveLeg] = []
        amount = given
        for market, side in route:
            one = self.instruments[market]
            ask = self._ask[market][0]
            size = amount / ask if side == Side.BUY else amount
            lots = math.floor(size / one.lot.value(1) + 1e-9)
            if lots < one.size_lots_min or one.notional_atoms(self._price(market, side), lots) < (
                one.notional_atoms_min
            ):
                return []
            legs.append(NaiveLeg(market, side, lots))
            kept = 1 - one.taker_fee_ppm / PPM
            amount = lots * one.lot.value(1) * kept * (1.0 if side == Side.BUY else self._bid[market][0])
        asset = ends_of(route[0], self.instruments)[0]
        worth = given * self.usdt_of[asset]
        attempt = NaiveAttempt(route, now_ns, worth, (product - 1) * worth, tuple(legs))
        self.attempts.append(attempt)
        self._busy.update(market for market, _ in route)
        return [self._order(attempt, leg, TimeInForce.IOC) for leg in legs]

    def _most(self, route: Route) -> float:
        """Give how much the touch of every leg bears, in the first asset; no leg above its bound."""
        rate, most = 1.0, math.inf
        for market, side in route:
            given, _ = ends_of((market, side), self.instruments)
            price, size = self._ask[market] if side == Side.BUY else self._bid[market]
            bears = size * price if side == Side.BUY else size
            most = min(most, bears / rate, self.config.order_usdt_max / self.usdt_of[given] / rate)
            rate *= (1 / price if side == Side.BUY else price) * (
                1 - self.instruments[market].taker_fee_ppm / PPM
            )
        return most

    def _price(self, market: int, side: int) -> int:
        bid, ask = self._touch[market]
        return ask if side == Side.BUY else bid

    def filled(self, order: int, size_lots: int) -> list[NaiveOrder]:
        """Take a fill; the last one of an order ends it."""
        attempt, leg, left_lots = self._out[order]
        leg.filled_lots += size_lots
        self._out[order] = (attempt, leg, left_lots - size_lots)
        return self.ended(order) if left_lots == size_lots else []

    def ended(self, order: int) -> list[NaiveOrder]:
        """Take the end of an order; with all ends in, what is missing is sent again, at market."""
        known = self._out.pop(order, None)
        if known is None:
            return []
        attempt, leg, _ = known
        leg.order = None
        if any(one.order is not None for one in attempt.legs):
            return []
        if attempt.whole or not attempt.begun or attempt.retries == self.config.retries_max:
            attempt.over = True
            self._busy.difference_update(market for market, _ in attempt.route)
            return []
        attempt.retries += 1
        missing = [one for one in attempt.legs if one.filled_lots < one.size_lots]
        return [self._order(attempt, one, TimeInForce.MARKET) for one in missing]

    def _order(self, attempt: NaiveAttempt, leg: NaiveLeg, tif: TimeInForce) -> NaiveOrder:
        self._number += 1
        leg.order = self._number
        attempt.orders.append(self._number)
        lots = leg.size_lots - leg.filled_lots
        self._out[self._number] = (attempt, leg, lots)
        price = 0 if tif == TimeInForce.MARKET else self._price(leg.instrument, leg.side)
        return NaiveOrder(self._number, leg.instrument, leg.side, int(tif), price, lots)
