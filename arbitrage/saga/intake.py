"""How a saga takes what it is told: only facts change here, what to do about them is decided after.

Every function tells whether the story of an order changed, which opens a saga again that was over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arbitrage.saga.events import (
    Acknowledged,
    CancelLeg,
    Halted,
    LegEnded,
    LegEvent,
    LegFilled,
    LegKnown,
    LegUnknown,
    Quoted,
    ReduceOnly,
    Released,
    Restarted,
    SagaAction,
    SagaAlarm,
    SagaEvent,
    SagaState,
)
from arbitrage.saga.facts import SagaFacts
from arbitrage.saga.leg_ledger import Fate, LegOrder

Actions = list[SagaAction]


def told(facts: SagaFacts, event: SagaEvent, out: Actions) -> bool:
    """Take one event."""
    facts.now_ns = max(facts.now_ns, event.now_ns)
    taken = _TAKES.get(type(event))
    return taken(facts, event, out) if taken is not None else False


def alarm(facts: SagaFacts, kind: str, text: str, out: Actions) -> None:
    """Tell the operator."""
    out.append(SagaAlarm(facts.saga, kind, text))


def _order(facts: SagaFacts, event: LegEvent, out: Actions) -> LegOrder | None:
    if 0 <= event.order < len(facts.orders):
        return facts.orders[event.order]
    alarm(facts, "order-not-of-saga", f"order {event.order}", out)
    return None


def _filled(facts: SagaFacts, event: LegFilled, out: Actions) -> bool:
    order = _order(facts, event, out)
    if order is None or event.trade_id in order.trades:
        return False
    leg, ledger = facts.plan.legs[order.leg], facts.ledgers[order.leg]
    if order.fate == Fate.ENDED:
        alarm(facts, "late-fill", f"order {event.order}: {event.size_lots} lots", out)
    order.fill(event.trade_id, event.size_lots, facts.now_ns)
    ledger.fold(event, order.side, leg)
    if event.fee_asset not in (leg.base, leg.quote):
        fees = facts.third.setdefault(leg.venue, {})
        fees[event.fee_asset] = fees.get(event.fee_asset, 0) + event.fee_atoms
    elif ledger.dearer(event, leg, facts.plan.rules.fee_step_atoms):
        alarm(facts, "fee-above-plan", f"leg {order.leg}: {event.fee_atoms} atoms {event.fee_asset}", out)
    if order.filled_lots > order.size_lots:
        alarm(facts, "overfilled", f"order {event.order} by {order.filled_lots - order.size_lots}", out)
    return True


def _ended(facts: SagaFacts, event: LegEnded, out: Actions) -> bool:
    order = _order(facts, event, out)
    if order is None:
        return False
    if event.filled_lots < order.filled_lots:
        alarm(facts, "venue-total-below-fills", f"order {event.order}", out)
    return order.ended(max(event.filled_lots, order.filled_lots), facts.now_ns)


def _unknown(facts: SagaFacts, event: LegUnknown, out: Actions) -> bool:
    order = _order(facts, event, out)
    if order is not None and order.fate == Fate.SENT:
        order.to(Fate.UNKNOWN, facts.now_ns)
    return False


def _known(facts: SagaFacts, event: LegKnown, out: Actions) -> bool:
    order = _order(facts, event, out)
    if order is not None and order.fate == Fate.UNKNOWN:
        order.to(Fate.SENT, facts.now_ns)
    return False


def _quoted(facts: SagaFacts, event: Quoted, out: Actions) -> bool:
    for leg, ledger in zip(facts.plan.legs, facts.ledgers, strict=True):
        if leg.instrument == event.instrument:
            ledger.bid_ticks, ledger.ask_ticks = event.bid_ticks, event.ask_ticks
    return False


def _halted(facts: SagaFacts, event: Halted, out: Actions) -> bool:
    """Cancel what may stand and forget what was to come; after the halt it is waited anew for quotes."""
    if event.on and not facts.halted:
        facts.pending.clear()
        for number, order in enumerate(facts.orders):
            if order.fate in (Fate.SENT, Fate.UNKNOWN):
                out.append(CancelLeg(facts.saga, order.leg, number))
    elif facts.halted and not event.on:
        facts.afresh()
    facts.halted = event.on
    return False


def _reduced(facts: SagaFacts, event: ReduceOnly, out: Actions) -> bool:
    facts.reduce_only = event.on
    if event.on:
        facts.pending.clear()
    return False


def _restarted(facts: SagaFacts, event: Restarted, out: Actions) -> bool:
    """Doubt everything that was out, and start no further leg: the books are others now."""
    facts.pending.clear()
    for order in facts.working():
        order.to(Fate.UNKNOWN if order.fate == Fate.SENT else Fate(order.fate), facts.now_ns)
    for ledger in facts.ledgers:
        ledger.bid_ticks = ledger.ask_ticks = 0
    facts.afresh()
    return False


def _acknowledged(facts: SagaFacts, event: Acknowledged, out: Actions) -> bool:
    """Let a stuck saga try again, as often as the first time."""
    if facts.state == SagaState.STUCK:
        facts.reopens = 0
        for ledger in facts.ledgers:
            ledger.hedges = ledger.unwinds = 0
        for order in facts.working():
            order.since_ns = facts.now_ns
        facts.take_back()
    return False


def _released(facts: SagaFacts, event: Released, out: Actions) -> bool:
    if facts.state == SagaState.STUCK:
        facts.state = int(SagaState.RELEASED)
        out.append(facts.ended())
    return False


_TAKES: dict[type, Callable[[SagaFacts, Any, Actions], bool]] = {
    LegFilled: _filled,
    LegEnded: _ended,
    LegUnknown: _unknown,
    LegKnown: _known,
    Quoted: _quoted,
    Halted: _halted,
    ReduceOnly: _reduced,
    Restarted: _restarted,
    Acknowledged: _acknowledged,
    Released: _released,
}
