"""Whether the gate would let every leg of a ticket go: asked first, for no leg must stand alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.agent import Agent
from arbitrage.ticket import Leg
from domain.lifecycle import Lifecycle
from domain.order import OrderIntent, RefusalReason, TimeInForce
from risk.exposure import Wallet, crosses_own
from risk.gate import Gate

_ACTIVE, _IOC = int(Lifecycle.ACTIVE), int(TimeInForce.IOC)
Refusal = tuple[str, int, int, int]


def unready(legs: Sequence[Leg], hands: Mapping[int, Agent], gate: Gate, now_ns: int) -> Refusal | None:
    """Give (why, figure, limit, market) of the first leg that could not be sent, `None` where all could.

    Two legs may spend one wallet and use one budget, so their needs are added up.
    """
    spent: dict[int, int] = {}
    gross = gate.gross_atoms
    if gate.in_flight + len(legs) > gate.in_flight_max:
        return "in_flight", gate.in_flight + len(legs), gate.in_flight_max, -1
    for leg in legs:
        hand = hands[leg.instrument]
        if hand.lifecycle != _ACTIVE:
            return Lifecycle(hand.lifecycle).name.lower(), hand.lifecycle, _ACTIVE, leg.instrument
        hand.market.touch()
        intent = OrderIntent(hand.shard, leg.instrument, leg.side, _IOC, leg.price_ticks, leg.size_lots)
        refused = gate.refused_outright(intent, hand.risk, hand.market.risk, now_ns)
        if refused is not None:
            return _name(refused.reason), refused.figure, refused.limit, leg.instrument
        grown = _grown(leg, hand)
        if grown is not None:
            return grown
        wallet, need = _spends(leg, hand)
        spent[id(wallet)] = need = spent.get(id(wallet), 0) + need
        if need > (free := wallet.total_atoms - wallet.reserved_atoms):
            return "balance", need, free, leg.instrument
        gross += hand.market.risk.value_atoms(leg.size_lots)
        if gross > (most := min(gate.budget_atoms, gate.gross_atoms_max)):
            return "budget", gross, most, leg.instrument
    return None


def _grown(leg: Leg, hand: Agent) -> Refusal | None:
    risk, market = hand.risk, hand.market.risk
    held = risk.position_lots + risk.buy_lots if leg.side > 0 else risk.sell_lots - risk.position_lots
    value = market.value_atoms(held + leg.size_lots)
    if value > risk.position_value_atoms_max:
        return "position", value, risk.position_value_atoms_max, leg.instrument
    if market.blocked:
        return "unexplained", 1, 0, leg.instrument
    if crosses_own(market, leg.side, leg.price_ticks):
        return "self_match", leg.price_ticks, leg.price_ticks, leg.instrument
    return None


def _spends(leg: Leg, hand: Agent) -> tuple[Wallet, int]:
    market = hand.market.risk
    if leg.side > 0:
        return market.quote, leg.price_ticks * leg.size_lots * market.tick_lot_atoms
    return market.base, leg.size_lots * market.lot_atoms


def _name(reason: int) -> str:
    return RefusalReason(reason).name.lower()
