"""A route with everything looked up that does not depend on the books of the instant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from arbitrage.legs import COURSES_MAX, Legs, canonical
from arbitrage.size.sizing import Path, Sizer
from arbitrage.ticket import Cycle, Hop

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.market import Market
    from domain.instrument import Instrument
    from risk.exposure import AgentRisk, MarketRisk, Wallet


class Footing(NamedTuple):
    """Hold who trades a leg, and what it pays from."""

    hand: Agent
    market: Market
    risk: AgentRisk
    traded: MarketRisk
    wallet: Wallet
    side: int
    venue: str


class Lane:
    """Hold one cycle as it is turned, sized and sent; nothing in it changes while its node lives.

    `shares` tells that two legs pay from one wallet.
    """

    __slots__ = ("footings", "hops", "legs", "path", "region", "route", "shares", "venues")

    def __init__(
        self,
        hops: tuple[Hop, ...],
        footings: tuple[Footing, ...],
        path: Path,
        region: str,
    ) -> None:
        self.hops, self.footings, self.path, self.region = hops, footings, path, region
        self.legs: Legs = tuple([(hop.market, hop.side) for hop in hops])
        self.route = canonical(self.legs)
        self.venues = tuple([each.venue for each in footings])
        self.shares = len({id(each.wallet) for each in footings}) < len(footings)


class Lanes:
    """Keep the lanes of the cycles that were found, so many, and then throw all away."""

    __slots__ = ("_currency", "_hands", "_instruments", "_known", "_region", "_sizer")

    def __init__(
        self,
        instruments: Sequence[Instrument],
        hands: Mapping[int, Agent],
        sizer: Sizer,
        currency: str,
        region: Callable[[tuple[str, ...]], str],
    ) -> None:
        self._instruments, self._hands, self._sizer = instruments, hands, sizer
        self._currency, self._region = currency, region
        self._known: dict[tuple[Hop, ...], Lane] = {}

    def of(self, cycle: Cycle) -> Lane:
        """Give the lane of a cycle, wherever it is entered."""
        lane = self._known.get(cycle.hops)
        return self._laid(cycle.hops) if lane is None else lane

    def straight(self, hops: tuple[Hop, ...]) -> Lane:
        """Give a lane that begins where it is told to; it is not kept."""
        footings = tuple([self._footing(hop) for hop in hops])
        region = self._region(tuple([each.venue for each in footings]))
        return Lane(hops, footings, self._sizer.path(hops), region)

    def _laid(self, edges: tuple[Hop, ...]) -> Lane:
        if len(self._known) >= COURSES_MAX:
            self._known.clear()
        lane = self._known[edges] = self.straight(self._turned(edges))
        return lane

    def _turned(self, hops: tuple[Hop, ...]) -> tuple[Hop, ...]:
        """Begin with the reporting currency where the cycle passes it: its money is counted in that."""
        for place, hop in enumerate(hops):
            market = self._instruments[hop.market]
            if (market.quote if hop.side > 0 else market.base) == self._currency:
                return hops[place:] + hops[:place]
        return hops

    def _footing(self, hop: Hop) -> Footing:
        hand = self._hands[hop.market]
        market = hand.market
        wallet = market.risk.quote if hop.side > 0 else market.risk.base
        return Footing(hand, market, hand.risk, market.risk, wallet, hop.side, market.instrument.venue)
