"""The order flow of everybody else at one exchange, as a pure value."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from typing import Protocol

from domain.draws import stream
from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from sim.exchange.messages import Command, PlacedOrder, PlaceOrder
from sim.market.config import FlowConfig
from sim.market.lean import Lean
from sim.market.maker import Maker, allowed_lots
from sim.market.parent import Parent
from sim.market.prices import PriceProcess

NS = 1_000_000_000
MAKER, NOISE, MOMENTUM, ARBITRAGE, PARENT = range(5)
TAKERS = (NOISE, MOMENTUM, ARBITRAGE, PARENT)


class FlowView(Protocol):
    """What the crowd sees of an exchange."""

    def best(self, instrument: int) -> tuple[int, int]:
        """Give best bid and ask in ticks, 0 where there is none."""
        ...

    def open_of(self, account: int, instrument: int) -> Sequence[PlacedOrder]:
        """Give an account's open orders on a market."""
        ...

    def bought_lots(self, account: int, instrument: int) -> int:
        """Give what an account bought less what it sold on a market since the last time it was asked."""
        ...


class MarketFlow:
    """Trade all markets of one exchange: makers, noise takers, momentum takers, arbitrageurs, large orders.

    Same seed, same times and same view give the same commands. The three accounts belong to this flow alone.
    """

    def __init__(
        self,
        config: FlowConfig,
        instruments: Sequence[Instrument],
        prices: PriceProcess,
        *,
        maker_account: int,
        noise_account: int,
        momentum_account: int,
        seed: int,
    ) -> None:
        self.config, self.instruments, self.prices = config, tuple(instruments), prices
        self._noise_account, self._momentum_account = noise_account, momentum_account
        self._draws = [stream(seed, "flow", one.key) for one in self.instruments]
        self._makers = [
            Maker(config, one, maker_account, stream(seed, "flow", one.key, "maker"))
            for one in self.instruments
        ]
        self._leans = [Lean(config) for _ in self.instruments]
        self._parents = [Parent(config, stream(seed, "flow", one.key, "parent")) for one in self.instruments]
        self._rates = (config.maker_rate, config.noise_rate, config.momentum_rate, config.arbitrage_rate)
        self._due: list[tuple[int, int, int]] = []

    @property
    def next_ns(self) -> int:
        """Tell when somebody acts next; 0 before the first step."""
        return self._due[0][0] if self._due else 0

    def step(self, now_ns: int, view: FlowView) -> list[Command]:
        """Let everybody act whose time has come."""
        self.prices.step(now_ns)
        if not self._due:
            self._begin(now_ns)
        commands: list[Command] = []
        while self._due[0][0] <= now_ns:
            due_ns, market, actor = heapq.heappop(self._due)
            commands.extend(self._act(now_ns, market, actor, view))
            # After a pause nobody catches up: the crowd acts once and goes on from now.
            after_ns = due_ns if now_ns - due_ns < NS else now_ns
            next_ns = max(now_ns + 1, after_ns + self._wait_ns(market, actor))
            heapq.heappush(self._due, (next_ns, market, actor))
        return commands

    def _begin(self, now_ns: int) -> None:
        """Makers open the books at once; takers come later."""
        for market in range(len(self.instruments)):
            heapq.heappush(self._due, (now_ns, market, MAKER))
            for actor in TAKERS:
                heapq.heappush(self._due, (now_ns + NS + self._wait_ns(market, actor), market, actor))

    def _wait_ns(self, market: int, actor: int) -> int:
        if actor == PARENT:
            return round(self._parents[market].wait_s() * NS)
        return round(self._draws[market].expovariate(self._rates[actor]) * NS)

    def _act(self, now_ns: int, market: int, actor: int, view: FlowView) -> list[Command]:
        if actor == MAKER:
            return self._make(now_ns, market, view)
        if actor == NOISE:
            return self._noise(now_ns, market, view)
        if actor == MOMENTUM:
            return self._momentum(now_ns, market, view)
        if actor == ARBITRAGE:
            return self._correct(now_ns, market, view)
        side, usdt = self._parents[market].step()
        return self._cross(now_ns, self._noise_account, market, side, usdt, view)

    def _make(self, now_ns: int, market: int, view: FlowView) -> list[Command]:
        maker, instrument = self._makers[market], self.instruments[market]
        lots = self._lots(instrument, self.config.maker_usdt)
        bought = view.bought_lots(maker.account, instrument.index)
        fair = self._fair_ticks(instrument, self.config.maker_delay_quanta)
        fair *= self._leans[market].step(now_ns, bought, lots)
        own = view.open_of(maker.account, instrument.index)
        return maker.step(now_ns, fair, lots, own, view.best(instrument.index))

    def _correct(self, now_ns: int, market: int, view: FlowView) -> list[Command]:
        """Take what is wrong by more than the fee, as arbitrageurs would, who look sooner than makers."""
        instrument, config = self.instruments[market], self.config
        fair = self._fair_ticks(instrument, config.arbitrage_delay_quanta)
        bid, ask = view.best(instrument.index)
        edge = fair * config.arbitrage_edge_bps * 1e-4
        if bid > fair + edge:
            side, limit = Side.SELL, math.ceil(fair + edge)
        elif 0 < ask < fair - edge:
            side, limit = Side.BUY, math.floor(fair - edge)
        else:
            return []
        lots = round(self._lots(instrument, config.maker_usdt))
        return [self._take(now_ns, self._noise_account, instrument, side, limit, lots)]

    def _noise(self, now_ns: int, market: int, view: FlowView) -> list[Command]:
        side = Side.BUY if self._draws[market].random() < 0.5 else Side.SELL
        return self._cross(now_ns, self._noise_account, market, side, self._usdt(market), view)

    def _momentum(self, now_ns: int, market: int, view: FlowView) -> list[Command]:
        instrument = self.instruments[market]
        moved = self.prices.change_bps(instrument.base, instrument.quote, self.config.momentum_quanta)
        if abs(moved) < self.config.momentum_bps_min:
            return []
        side = Side.BUY if moved > 0 else Side.SELL
        return self._cross(now_ns, self._momentum_account, market, side, self._usdt(market), view)

    def _usdt(self, market: int) -> float:
        drawn = self.config.noise_usdt * self._draws[market].paretovariate(self.config.noise_tail)
        return min(self.config.noise_usdt_max, drawn)

    def _cross(
        self, now_ns: int, account: int, market: int, side: Side, usdt: float, view: FlowView
    ) -> list[Command]:
        instrument = self.instruments[market]
        bid, ask = view.best(instrument.index)
        touch = ask if side == Side.BUY else bid
        if touch == 0:
            return []
        limit = touch + side * max(1, round(touch * self.config.slip_bps * 1e-4))
        lots = round(self._lots(instrument, usdt))
        return [self._take(now_ns, account, instrument, side, max(1, limit), lots)]

    @staticmethod
    def _take(
        now_ns: int, account: int, instrument: Instrument, side: Side, price: int, lots: int
    ) -> PlaceOrder:
        size = allowed_lots(instrument, price, lots)
        return PlaceOrder(now_ns, account, instrument.index, side, TimeInForce.IOC, price, size)

    def _fair_ticks(self, instrument: Instrument, age: int) -> float:
        price = self.prices.pair(instrument.venue, instrument.base, instrument.quote, age)
        return price / instrument.tick.value(1)

    def _lots(self, instrument: Instrument, usdt: float) -> float:
        value = self.prices.value(instrument.venue, instrument.base) * instrument.lot.value(1)
        return usdt / value
