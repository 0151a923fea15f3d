"""What would bring inventory back to where it should lie: proposed to the operator, never done by a node."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.stock.inventory import Inventory
from arbitrage.stock.rebalance import Plan, TradeWay, Way, proposals
from arbitrage.ticket import Hop
from domain.units import PPM, atoms, atoms_text

if TYPE_CHECKING:
    from agents.arbitrage.arbitrageur import Arbitrageur
    from agents.arbitrage.config import ArbitrageConfig
    from domain.instrument import Instrument


class WayConfig(BaseModel):
    """How an asset is sent between two venues, either way: a fixed fee, a share, and how long it takes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str
    between: tuple[str, str]
    fee: Annotated[Decimal, Field(ge=0, le=Decimal(1_000_000))] = Decimal(0)
    fee_ppm: Annotated[int, Field(ge=0, le=PPM)] = 0
    delay_s: Annotated[float, Field(ge=0, le=7 * 86_400)] = 600.0

    def ways(self) -> list[Way]:
        """Give both directions."""
        fee_atoms, delay_ns = atoms(format(self.fee, "f"), "up"), round(self.delay_s * 1e9)
        here, there = self.between
        return [
            Way(self.asset, one, other, fee_atoms, self.fee_ppm, delay_ns)
            for one, other in ((here, there), (there, here))
        ]


class Move(msgspec.Struct, frozen=True):
    """One proposal, in words: send an asset, or sell it at one venue and buy it at the other."""

    node: str
    region: str
    group: str
    kind: str
    asset: str
    from_venue: str
    to_venue: str
    amount: str
    cost: str
    delay_s: float
    reason: str


class Standing(msgspec.Struct, frozen=True):
    """Where inventory lies now and what trading it elsewhere would cost: a copy to think about."""

    inventory: bytes
    trades: tuple[TradeWay, ...]


def standing(group: Arbitrageur) -> Standing:
    """Copy what a plan is made of."""
    return Standing(group.valuation.inventory.state(), tuple(_trades(group)))


def _trades(group: Arbitrageur) -> list[TradeWay]:
    """Price every way to sell an asset at one venue and buy it at another, at the touch."""
    found, graph = [], group.sight.graph
    for sold in group.hands.values():
        for bought in group.hands.values():
            here, there = sold.market.instrument, bought.market.instrument
            if here.venue == there.venue or (here.base, here.quote) != (there.base, there.quote):
                continue
            product = graph.rate(Hop(here.index, -1)) * graph.rate(Hop(there.index, 1))
            if product > 0:
                lots = min(
                    graph.touch(here.index)[1] * here.lot_atoms, graph.touch(there.index)[3] * there.lot_atoms
                )
                legs = ((here.index, -1), (there.index, 1))
                cost_ppm = round((1 - product) * PPM)
                found.append(TradeWay(here.base, here.venue, there.venue, cost_ppm, lots, legs))
    return found


def proposed(
    config: ArbitrageConfig,
    node: str,
    region: str,
    instruments: Sequence[Instrument],
    stands: Standing,
) -> list[Move]:
    """Find the cheapest moves; it may take a while, so it is done beside the loop."""
    inventory = Inventory(config.inventory, instruments)
    inventory.restore(stands.inventory)
    ways = [way for each in config.ways for way in each.ways()]
    plan: Plan = proposals(config.rebalance, inventory, ways, stands.trades)
    transfers = [
        Move(node, region, config.name, "transfer", each.asset, each.from_venue, each.to_venue,
             atoms_text(each.atoms), atoms_text(each.fee_atoms), each.delay_ns / 1e9, each.reason)
        for each in plan.transfers
    ]  # fmt: skip
    trades = [
        Move(node, region, config.name, "trade", each.asset, each.from_venue, each.to_venue,
             atoms_text(each.atoms), atoms_text(each.cost_atoms), 0.0, each.reason)
        for each in plan.reversals
    ]  # fmt: skip
    return [*transfers, *trades]
