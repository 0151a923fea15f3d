"""Whether the gate would let every leg of a ticket go: asked first, for no leg must stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from agents.arbitrage.lane import Footing
from arbitrage.ticket import Leg
from domain.lifecycle import Lifecycle
from domain.order import OrderIntent, RefusalReason, TimeInForce
from risk.exposure import crosses_own
from risk.gate import Gate

_ACTIVE, _IOC = int(Lifecycle.ACTIVE), int(TimeInForce.IOC)
Refusal = tuple[str, int, int, int]


def unready(legs: Sequence[Leg], footings: Sequence[Footing], gate: Gate, now_ns: int) -> Refusal | None:
    """Give (why, figure, limit, market) of the first leg that could not be sent, `None` where all could.

    Two legs may spend one wallet and use one budget, so their needs are added up. The touches of the
    markets must have been taken.
    """
    spent: dict[int, int] = {}
    gross = gate.gross_atoms
    if gate.in_flight + len(legs) > gate.in_flight_max:
        return "in_flight", gate.in_flight + len(legs), gate.in_flight_max, -1
    # One more than the legs, for a leg that has to be taken back: `refused_outright` asks for one message.
    ahead_ns = max(0, gate.message_due_ns - now_ns) + (len(legs) + 1) * gate.message_interval_ns
    if ahead_ns > gate.message_burst_ns:
        return "message_rate", ahead_ns, gate.message_burst_ns, -1
    for leg, (hand, _, risk, traded, wallet, side, _) in zip(legs, footings, strict=True):
        instrument, price, size = leg.instrument, leg.price_ticks, leg.size_lots
        if hand.lifecycle != _ACTIVE:
            return Lifecycle(hand.lifecycle).name.lower(), hand.lifecycle, _ACTIVE, instrument
        intent = OrderIntent(hand.shard, instrument, side, _IOC, price, size)
        refused = gate.refused_outright(intent, risk, traded, now_ns)
        if refused is not None:
            return _name(refused.reason), refused.figure, refused.limit, instrument
        # What lots are worth at the middle, as `MarketRisk.value_atoms` says.
        unit = (traded.bid_ticks + traded.ask_ticks) * traded.tick_lot_atoms * traded.rate_num
        held = risk.position_lots + risk.buy_lots if side > 0 else risk.sell_lots - risk.position_lots
        value = (held + size) * unit // (2 * traded.rate_den)
        if value > risk.position_value_atoms_max:
            return "position", value, risk.position_value_atoms_max, instrument
        if traded.blocked:
            return "unexplained", 1, 0, instrument
        # The bounds of our own prices spare most questions.
        if (price >= traded.own_ask_floor if side > 0 else price <= traded.own_bid_top) and crosses_own(
            traded, side, price
        ):
            return "self_match", price, price, instrument
        need, purse = (
            price * size * traded.tick_lot_atoms if side > 0 else size * traded.lot_atoms,
            id(wallet),
        )
        spent[purse] = need = spent.get(purse, 0) + need
        if need > (free := wallet.total_atoms - wallet.reserved_atoms):
            return "balance", need, free, instrument
        gross += size * unit // (2 * traded.rate_den)
        if gross > gate.budget_atoms or gross > gate.gross_atoms_max:
            return "budget", gross, min(gate.budget_atoms, gate.gross_atoms_max), instrument
    return None


def _name(reason: int) -> str:
    return RefusalReason(reason).name.lower()
