"""One agent: a strategy on one market, with its own orders, position and life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.desire import Desire
from domain.lifecycle import Lifecycle
from domain.order_events import Fill
from domain.position import Position
from domain.protocols import Strategy
from risk.exposure import AgentRisk

if TYPE_CHECKING:
    from agents.config import AgentConfig
    from agents.market import Market
    from agents.order import Order
    from agents.view import AgentView
    from domain.report import AgentReport


@dataclass(slots=True)
class Holding:
    """Sum fills in place; `Position` is made of it, and of the risk's lots, when somebody looks.

    `offset_lots` are fills that other hands of an arbitrage group offset: held, and no risk.
    """

    base_atoms: int = 0
    quote_atoms: int = 0
    fee_base_atoms: int = 0
    fee_quote_atoms: int = 0
    fee_other_atoms: int = 0
    fills: int = 0
    offset_lots: int = 0


class Agent:
    """Hold everything of one agent; `shard` is its number everywhere."""

    __slots__ = (
        "_position",
        "approved",
        "config",
        "desire",
        "fault",
        "filled",
        "heard",
        "hold_buy_ns",
        "hold_sell_ns",
        "holding",
        "id_base",
        "instrument",
        "intended",
        "lifecycle",
        "market",
        "orders",
        "refused",
        "reported",
        "reserve_at",
        "reserved_upto",
        "risk",
        "sequence",
        "shard",
        "strategy",
        "unknown",
        "view",
        "warm_left",
    )

    def __init__(self, config: AgentConfig, market: Market, strategy: Strategy, view: AgentView) -> None:
        self.config, self.market, self.strategy, self.view = config, market, strategy, view
        self.shard, self.instrument = config.shard, market.instrument.index
        self.risk = AgentRisk.of(config.limits)
        self.holding, self._position = Holding(), Position()
        self.orders: dict[int, Order] = {}
        self.desire: Desire | None = None
        self.fault = ""
        # Fills for whoever directs this agent, who takes them after every event; `None` where nobody does.
        self.heard: list[Fill] | None = None
        # What the last report said while nothing was open: no part of the state.
        self.reported: tuple[tuple[int, ...], AgentReport] | None = None
        self.lifecycle = int(Lifecycle.WARMING)
        self.warm_left = config.warm_ticks
        self.id_base = self.sequence = self.reserve_at = self.reserved_upto = 0
        self.hold_buy_ns = self.hold_sell_ns = 0
        self.intended = self.approved = self.refused = self.filled = self.unknown = 0

    @property
    def position(self) -> Position:
        """Give what all fills add up to."""
        held, position = self.holding, self._position
        if held.fills != position.fills:
            self._position = position = Position(
                self.risk.position_lots + held.offset_lots,
                held.base_atoms,
                held.quote_atoms,
                held.fee_base_atoms,
                held.fee_quote_atoms,
                held.fee_other_atoms,
                held.fills,
            )
        return position
