"""What would bring inventory back to where it should lie, worked out beside the node and told to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.stock.inventory import Inventory
from arbitrage.stock.rebalance import TradeWay, Way, proposals
from arbitrage.ticket import Hop
from domain.control_events import MovesPlanned
from domain.events import Event
from domain.moves import TRADE, TRANSFER, Proposal
from domain.units import PPM, atoms

if TYPE_CHECKING:
    from agents.arbitrage.arbitrageur import Arbitrageur
    from agents.arbitrage.config import ArbitrageConfig
    from agents.node import Node
    from domain.instrument import Instrument

PAUSE_S = 0.5
DIGITS = 4


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


class Standing(msgspec.Struct, frozen=True):
    """Where inventory lies now, and how it may be moved: a copy to think about."""

    inventory: bytes
    hands: frozenset[int]
    ways: tuple[Way, ...]
    trades: tuple[TradeWay, ...]


def standing(group: Arbitrageur, now_ns: int) -> Standing:
    """Copy what a plan is made of, but for the ways that an operator dropped lately."""
    dropped = group.rebalancer.moves.dropped(now_ns)
    ways = [way for each in group.config.ways for way in each.ways()]
    trades = _trades(group)
    return Standing(
        group.valuation.inventory.state(),
        frozenset(group.hands),
        tuple(way for way in ways if (TRANSFER, way.asset, way.from_venue, way.to_venue) not in dropped),
        tuple(way for way in trades if (TRADE, way.asset, way.from_venue, way.to_venue) not in dropped),
    )


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


def planned(
    config: ArbitrageConfig, instruments: Sequence[Instrument], stands: Standing
) -> tuple[Proposal, ...]:
    """Find the cheapest moves; it may take a while, so it is done beside the loop."""
    inventory = Inventory(config.inventory, instruments, stands.hands)
    inventory.restore(stands.inventory)
    found = proposals(config.rebalance, inventory, stands.ways, stands.trades).proposals
    return tuple([_typed(each) if each.kind == TRANSFER else each for each in found])


def _typed(proposal: Proposal) -> Proposal:
    """Round a transfer down to what a person types, and a venue takes: its first four digits."""
    unit = 10 ** max(0, len(str(proposal.atoms)) - DIGITS)
    return msgspec.structs.replace(proposal, atoms=proposal.atoms // unit * unit)


def due(node: Node, asked_ns: dict[str, int]) -> list[Arbitrageur]:
    """Give the groups whose time for a plan has come: now and then, and after a trade of theirs."""
    now_ns, found = node.desk.now_ns, []
    for group in node.groups:
        config, moves = group.config.rebalance, group.rebalancer.moves
        asked = asked_ns.get(group.config.name, -(1 << 62))
        known = all(hand.market.account.ready for hand in group.hands.values())
        pause_s = min(config.every_s, config.trade_every_s) if moves.begun_ns > asked else config.every_s
        trading = moves.trading()  # what is stuck for long must not keep all else from being planned
        settled = trading is None or now_ns - trading.since_ns >= config.every_s * 1e9
        if known and now_ns - asked >= pause_s * 1e9 and settled:
            asked_ns[group.config.name] = now_ns
            found.append(group)
    return found


class Planning:
    """Plan beside a node for as long as it runs, and tell it: what it decides by is in its journal."""

    def __init__(
        self,
        node: Node,
        deliver: Callable[[Event], object],
        now_ns: Callable[[], int],
        log: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._node, self._deliver, self._now_ns, self._log = node, deliver, now_ns, log
        self._asked_ns: dict[str, int] = {}

    async def run(self) -> None:
        """Plan for ever; the solver has a thread, and only what it found comes back to the loop."""
        known = tuple(market.instrument for market in self._node.markets.values())
        while True:
            await asyncio.sleep(PAUSE_S)
            for group in due(self._node, self._asked_ns):
                facts_ns = self._node.desk.now_ns
                stands = standing(group, facts_ns)
                try:
                    found = await asyncio.to_thread(planned, group.config, known, stands)
                except Exception as trouble:  # a solver's trouble must not end a node that trades
                    self._log(f"{group.config.name}: no plan: {type(trouble).__name__} {trouble}")
                    continue
                self._deliver(MovesPlanned(self._now_ns(), group.config.name, found, facts_ns))

    def step(self) -> None:
        """Plan at once where it is time: for a world in which thinking takes no time."""
        known = tuple(market.instrument for market in self._node.markets.values())
        for group in due(self._node, self._asked_ns):
            facts_ns = self._node.desk.now_ns
            found = planned(group.config, known, standing(group, facts_ns))
            self._deliver(MovesPlanned(self._now_ns(), group.config.name, found, facts_ns))
