"""A market maker of the simulated crowd: several levels a side around its own idea of fair value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from sim.exchange.messages import CancelPlaced, Command, PlacedOrder, PlaceOrder, SelfTradePrevention
from sim.market.config import FlowConfig


class Maker:
    """Bring the open orders of one account on one market nearer to what it would quote now."""

    def __init__(self, config: FlowConfig, instrument: Instrument, account: int, draws: Random) -> None:
        self.config, self.instrument, self.account = config, instrument, account
        self._draws = draws

    def step(
        self,
        now_ns: int,
        fair_ticks: float,
        size_lots: float,
        own: Sequence[PlacedOrder],
        best: tuple[int, int],
    ) -> list[Command]:
        """Answer with cancels first, then new post-only quotes."""
        noisy = fair_ticks * (1 + self._draws.gauss(0.0, self.config.maker_noise_bps) * 1e-4)
        cancels: list[Command] = []
        places: list[Command] = []
        for side, opposite in ((Side.BUY, best[1]), (Side.SELL, best[0])):
            mine = sorted((one for one in own if one.side == side), key=_best_first)
            self._side(now_ns, side, noisy, size_lots, mine, opposite, cancels, places)
        return cancels + places

    def _side(
        self,
        now_ns: int,
        side: Side,
        fair: float,
        size_lots: float,
        mine: list[PlacedOrder],
        opposite: int,
        cancels: list[Command],
        places: list[Command],
    ) -> None:
        half = max(1.0, fair * self.config.maker_half_spread_bps * 1e-4)
        gap = max(1.0, fair * self.config.maker_gap_bps * 1e-4)
        # Whom the market has come so near that a fill would not pay the fee steps back.
        kept = [one for one in mine if side * (fair - one.price_ticks) >= half * 0.6]
        gone = mine[: len(mine) - len(kept)]
        prices = [one.price_ticks for one in kept]
        wanted = self._new_prices(side, fair - side * half, gap, prices)
        if len(kept) >= 2 and self._draws.random() < 0.5:
            renewed = kept.pop(self._draws.randrange(len(kept)))
            gone.append(renewed)
            wanted.append(renewed.price_ticks)
        surplus = max(0, len(kept) + len(wanted) - self.config.maker_levels)
        if surplus > 0 and kept:
            gone.extend(kept[-surplus:])
        for one in gone:
            cancels.append(CancelPlaced(now_ns, self.account, self.instrument.index, one.order_id))
        for price in wanted:
            places.append(self._order(now_ns, side, _behind(side, price, opposite), size_lots))

    def _new_prices(self, side: Side, touch: float, gap: float, prices: list[int]) -> list[int]:
        wanted: list[int] = []
        if not prices or side * (touch - prices[0]) >= gap:
            wanted.append(_rounded(side, touch))
        worst = float(prices[-1] if prices else wanted[0])
        room = self.config.maker_levels - len(prices) - len(wanted)
        for _ in range(min(room, self.config.maker_places_max)):
            worst -= side * max(1.0, gap * (0.6 + 0.8 * self._draws.random()))
            wanted.append(_rounded(side, worst))
        return [price for price in wanted if price > 0]

    def _order(self, now_ns: int, side: Side, price_ticks: int, size_lots: float) -> PlaceOrder:
        drawn = round(size_lots * math.exp(self._draws.gauss(0.0, 0.6)))
        return PlaceOrder(
            now_ns,
            self.account,
            self.instrument.index,
            side,
            TimeInForce.POST,
            price_ticks,
            allowed_lots(self.instrument, price_ticks, drawn),
            "",
            SelfTradePrevention.EXPIRE_MAKER,
        )


def allowed_lots(instrument: Instrument, price_ticks: int, lots: int) -> int:
    """Bring a size inside the market's filters."""
    unit = instrument.notional_atoms(price_ticks, 1)
    least = max(instrument.size_lots_min, -(-instrument.notional_atoms_min // unit))
    return min(instrument.size_lots_max, max(least, lots))


def _best_first(order: PlacedOrder) -> tuple[int, int]:
    return (-order.side * order.price_ticks, order.order_id)


def _rounded(side: Side, price: float) -> int:
    return math.floor(price) if side == Side.BUY else math.ceil(price)


def _behind(side: Side, price: int, opposite: int) -> int:
    """Stay one tick short of the other side's best, which would refuse a post-only order."""
    if opposite == 0 or side * (opposite - price) > 0:
        return price
    return max(1, opposite - side)
