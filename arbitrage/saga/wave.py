"""How much of a leg a sequence may send, after the legs before it."""

from __future__ import annotations

from arbitrage.saga.facts import SagaFacts
from domain.units import PPM


def wave_lots(facts: SagaFacts, place: int) -> int:
    """Give the lots that the least filled leg allows, paid from what came in; 0 is below the minimums."""
    legs, ledgers = facts.plan.legs, facts.ledgers
    leg, ahead = legs[place], {at for wave in facts.pending for at in wave}
    lots = leg.size_lots
    for at, (other, ledger) in enumerate(zip(legs, ledgers, strict=True)):
        if at != place and at not in ahead:
            lots = min(lots, leg.size_lots * max(0, ledger.lots) // other.size_lots)
    if leg.fed:
        lots = min(lots, _payable(facts, place))
    too_small = lots < leg.size_lots_min or leg.cap_ticks * lots * leg.tick_lot_atoms < leg.notional_atoms_min
    return 0 if too_small else lots


def _payable(facts: SagaFacts, place: int) -> int:
    """Give the lots that what the leg before brought, and nobody has spent, pays at the cap."""
    leg = facts.plan.legs[place]
    came = facts.ledgers[(place - 1) % len(facts.ledgers)].got_atoms - facts.ledgers[place].paid_atoms
    if leg.side < 0:
        return came // leg.lot_atoms
    fee = leg.fee_ppm if leg.fee_in_quote else 0
    return came * PPM // (leg.cap_ticks * leg.tick_lot_atoms * (PPM + fee))
