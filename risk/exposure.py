"""What is at risk now, as plain integers that the gate reads and the order desk keeps up to date."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.instrument import Instrument
from risk.limits import AgentLimits

PRICE_MAX = 1 << 62


@dataclass(slots=True)
class Wallet:
    """One asset of one account: all we hold, and what our working orders may still spend."""

    total_atoms: int = 0
    reserved_atoms: int = 0


@dataclass(slots=True)
class MarketRisk:
    """One market as the gate sees it: the touch, its filters, and our own orders in it.

    `rate_num / rate_den` turns quote atoms into atoms of the reporting currency.
    `own_bid_top` and `own_ask_floor` bound our own prices from outside; the maps are exact.
    """

    instrument: int
    size_lots_min: int
    size_lots_max: int
    notional_atoms_min: int
    lot_atoms: int
    tick_lot_atoms: int
    base: Wallet
    quote: Wallet
    rate_num: int = 0
    rate_den: int = 1
    bid_ticks: int = 0
    ask_ticks: int = 0
    touched_ns: int = 0
    stale: bool = True
    blocked: bool = False
    own_bids: dict[int, int] = field(default_factory=dict)
    own_asks: dict[int, int] = field(default_factory=dict)
    own_bid_top: int = 0
    own_ask_floor: int = PRICE_MAX

    @staticmethod
    def of(instrument: Instrument, base: Wallet, quote: Wallet) -> MarketRisk:
        """Begin with a market that must not be believed yet."""
        return MarketRisk(
            instrument.index,
            instrument.size_lots_min,
            instrument.size_lots_max,
            instrument.notional_atoms_min,
            instrument.lot_atoms,
            instrument.tick_lot_atoms,
            base,
            quote,
        )

    def value_atoms(self, size_lots: int) -> int:
        """Value lots at the mid in atoms of the reporting currency."""
        mid2 = self.bid_ticks + self.ask_ticks
        return size_lots * mid2 * self.tick_lot_atoms * self.rate_num // (2 * self.rate_den)


@dataclass(slots=True)
class AgentRisk:
    """One agent's limits, its position, and all that its orders may still do to it."""

    order_value_atoms_max: int
    position_value_atoms_max: int
    order_lots_max: int
    collar_bps: int
    in_flight_max: int
    message_interval_ns: int
    message_burst_ns: int
    duplicate_max: int
    duplicate_window_ns: int
    position_lots: int = 0
    buy_lots: int = 0
    sell_lots: int = 0
    in_flight: int = 0
    gross_atoms: int = 0
    message_due_ns: int = 0
    last_side: int = 0
    last_price_ticks: int = 0
    last_size_lots: int = 0
    last_repeats: int = 0
    last_first_ns: int = 0

    @staticmethod
    def of(limits: AgentLimits) -> AgentRisk:
        """Compile limits into integers."""
        interval_ns = 1_000_000_000 // limits.messages_per_s
        return AgentRisk(
            limits.order_value_atoms_max,
            limits.position_value_atoms_max,
            limits.order_lots_max,
            limits.collar_bps,
            limits.in_flight_max,
            interval_ns,
            interval_ns * limits.messages_burst,
            limits.duplicate_max,
            limits.duplicate_window_ms * 1_000_000,
        )

    @property
    def worst_lots(self) -> int:
        """Give the largest net position that working orders could still lead to."""
        return max(abs(self.position_lots + self.buy_lots), abs(self.position_lots - self.sell_lots))


def reserve(
    agent: AgentRisk, market: MarketRisk, client_id: int, side: int, price_ticks: int, size_lots: int
) -> None:
    """Count an order's open size against agent, wallet and own prices."""
    if side > 0:
        agent.buy_lots += size_lots
        market.quote.reserved_atoms += price_ticks * size_lots * market.tick_lot_atoms
        market.own_bids[client_id] = price_ticks
        market.own_bid_top = max(market.own_bid_top, price_ticks)
    else:
        agent.sell_lots += size_lots
        market.base.reserved_atoms += size_lots * market.lot_atoms
        market.own_asks[client_id] = price_ticks
        market.own_ask_floor = min(market.own_ask_floor, price_ticks)


def release(agent: AgentRisk, market: MarketRisk, side: int, price_ticks: int, size_lots: int) -> None:
    """Give back a size that can no longer fill, or just did."""
    if side > 0:
        agent.buy_lots -= size_lots
        market.quote.reserved_atoms -= price_ticks * size_lots * market.tick_lot_atoms
    else:
        agent.sell_lots -= size_lots
        market.base.reserved_atoms -= size_lots * market.lot_atoms


def crosses_own(market: MarketRisk, side: int, price_ticks: int) -> bool:
    """Tell whether a price would meet one of our own orders."""
    if side > 0:
        return price_ticks >= market.own_ask_floor and price_ticks >= min(market.own_asks.values())
    return price_ticks <= market.own_bid_top and price_ticks <= max(market.own_bids.values())
