"""An arbitrage group: what it sees of its markets, and what it does about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from agents.arbitrage.latency import Latencies
from agents.arbitrage.opportunity import Ring
from agents.order import PENDING_NEW
from agents.orders import Actions
from domain.order_events import OrderAcked

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.arbitrage.config import ArbitrageConfig
    from agents.config import RegionConfig
    from agents.desk import Desk
    from market.pipeline import Pipeline


class GroupState(msgspec.Struct, array_like=True):
    """Everything of a group that decides, apart from its hands; `markets` names what the parts number."""

    markets: list[str]
    latencies: bytes


class Arbitrageur:
    """Hold one group."""

    def __init__(
        self,
        config: ArbitrageConfig,
        region: RegionConfig,
        desk: Desk,
        pipeline: Pipeline,
        hands: Sequence[Agent],
    ) -> None:
        self.config, self.region, self.desk, self.pipeline = config, region, desk, pipeline
        self.hands = {hand.instrument: hand for hand in hands}
        reach_us = config.reach_us.get(region.region, {})
        venues = dict.fromkeys(hand.market.instrument.venue for hand in hands)
        self.latencies = Latencies({venue: 2_000 * reach_us.get(venue, 1_000) for venue in venues})
        self.ring = Ring(1_000_000_000)

    def seek(self, markets: Sequence[int], out: Actions) -> None:
        """Look at the markets that an event moved."""

    def acked(self, event: OrderAcked) -> None:
        """Measure a venue by an order that it acknowledged, whoever sent it."""
        order = self.desk.working.get(event.client_id)
        if order is not None and order.state == PENDING_NEW:
            venue = self.desk.markets[order.instrument].instrument.venue
            self.latencies.took(venue, event.local_ts_ns - order.sent_ns)

    def follow(self, out: Actions) -> None:
        """Look at what an event did to our orders."""

    def directs(self, agent: Agent) -> bool:
        """Tell whether a saga decides what this agent does."""
        return False

    def state(self) -> bytes:
        """Give everything that a restart needs."""
        return msgspec.msgpack.encode(
            GroupState([hand.market.instrument.key for hand in self.hands.values()], self.latencies.state())
        )

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=GroupState)
        self.latencies.restore(kept.latencies)
