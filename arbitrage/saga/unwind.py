"""What must be traded so that nothing is left between the legs, and whether it may be.

A residual between two legs leaves the cycle at one of its ends. Driven on, what is over goes through the
legs after it and what is missing is bought by the legs before it. Taken back, what is over goes back
through the legs before it and what is missing is bought back by the legs after it. Either way it moves
outwards only, so it arrives. What is too little for the next market's minimums stays, and is reported.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from arbitrage.saga.events import Purpose
from arbitrage.saga.facts import SagaFacts
from arbitrage.saga.leg_ledger import LegLedger
from arbitrage.saga.plan import LegPlan
from domain.units import PPM


class Held(IntEnum):
    """Why a residual is not traded now."""

    DUST = 0
    RETRY = 1
    NO_QUOTE = 2
    BEYOND_BOUND = 3
    ATTEMPTS = 4
    BUDGET = 5


class Want(msgspec.Struct, array_like=True):
    """A leg to be driven on or taken back so that it pays or gets so many atoms; `lots_max` 0 is no bound."""

    leg: int
    forward: bool
    pay_atoms: int = 0
    get_atoms: int = 0
    lots_max: int = 0


class Drive(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order that may be sent. `touch_ticks` is what it would trade at now."""

    leg: int
    purpose: int
    side: int
    price_ticks: int
    size_lots: int
    touch_ticks: int


def wants(facts: SagaFacts, on: bool) -> list[Want]:
    """Say which legs must move by how much, from what is certain alone."""
    left, busy = facts.residuals(), facts.busy()
    places = facts.certain(left, busy)
    found: dict[int, Want] = {}
    for place in places:
        atoms = left[place]
        at = place if (atoms > 0) == on else place - 1
        if at in busy:
            continue
        want = found.setdefault(at, Want(at, on))
        if atoms > 0:
            want.pay_atoms = atoms
        else:
            want.get_atoms = -atoms
    return list(found.values())


def repairs(facts: SagaFacts) -> list[Want]:
    """Find legs that were taken back further than they had gone, as late fills can do: they go on again."""
    left, busy = facts.residuals(), facts.busy()
    places, last = facts.certain(left, busy), len(facts.ledgers) - 1
    found = []
    for at, ledger in enumerate(facts.ledgers):
        over = at == 0 or (at in places and left[at] > 0)
        short = at == last or (at + 1 in places and left[at + 1] < 0)
        if ledger.lots < 0 and over and short and at not in busy:
            found.append(Want(at, True, left[at], max(0, -left[at + 1]), -ledger.lots))
    return found


def verdict(facts: SagaFacts, want: Want, purpose: Purpose) -> Drive | Held:
    """Size what is wanted and look at every bound."""
    leg, ledger, rules = facts.plan.legs[want.leg], facts.ledgers[want.leg], facts.plan.rules
    side = leg.side if want.forward else -leg.side
    price = _onward(facts, leg, ledger, purpose) if want.forward else _reach(facts, leg, ledger)
    touch = ledger.ask_ticks if side > 0 else ledger.bid_ticks
    lots = _sized(leg, ledger, want, side, price, touch)
    if lots < leg.size_lots_min or price * lots * leg.tick_lot_atoms < leg.notional_atoms_min:
        return Held.DUST
    if (
        (ledger.hedges >= rules.hedges_max)
        if purpose == Purpose.HEDGE
        else (ledger.unwinds >= rules.unwinds_max)
    ):
        return Held.ATTEMPTS
    if facts.now_ns < ledger.ready_ns:
        return Held.RETRY
    if touch <= 0:
        return Held.NO_QUOTE
    if (touch - price) * side > 0:
        if purpose != Purpose.HEDGE:
            return Held.BEYOND_BOUND
        touch = price
    if facts.exposed(want.leg, purpose, want.forward, lots):
        return Held.BUDGET
    return Drive(want.leg, int(purpose), int(side), price, lots, touch)


def _onward(facts: SagaFacts, leg: LegPlan, ledger: LegLedger, purpose: Purpose) -> int:
    """Give the price a leg is driven on at now: every attempt goes a step nearer the bound."""
    tries = facts.plan.rules.hedges_max
    if purpose != Purpose.HEDGE or ledger.hedges + 1 >= tries:
        return leg.hedge_ticks
    return leg.cap_ticks + (leg.hedge_ticks - leg.cap_ticks) * (ledger.hedges + 1) // tries


def _reach(facts: SagaFacts, leg: LegPlan, ledger: LegLedger) -> int:
    """Give the price a leg is taken back at now: every attempt and pause goes a step nearer the bound."""
    rules = facts.plan.rules
    waited = facts.now_ns - facts.widening_ns if facts.widening_ns >= 0 else 0
    step = min(rules.unwinds_max, 1 + max(ledger.unwinds, waited // rules.retry_ns))
    return leg.touch_ticks + (leg.unwind_ticks - leg.touch_ticks) * step // rules.unwinds_max


def _sized(leg: LegPlan, ledger: LegLedger, want: Want, side: int, price: int, touch: int) -> int:
    """Give the whole lots that pay no more, and get no more, than is wanted; the larger where both are."""
    fee = ledger.fee_ppm
    if side > 0:
        pays = price * leg.tick_lot_atoms * (PPM + (fee if leg.fee_in_quote else 0))
        gets = leg.lot_atoms * (PPM - (0 if leg.fee_in_quote else fee))
    else:
        pays = leg.lot_atoms * PPM
        gets = max(price, touch) * leg.tick_lot_atoms * (PPM - fee)
    paying, getting = want.pay_atoms * PPM // pays, want.get_atoms * PPM // gets
    if want.lots_max > 0:
        sizes = [size for size, atoms in ((paying, want.pay_atoms), (getting, want.get_atoms)) if atoms > 0]
        return min(want.lots_max, leg.size_lots_max, *sizes)
    return min(leg.size_lots_max, max(paying, getting))
