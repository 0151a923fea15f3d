"""The most that a cycle's legs can lose, in integers, before the first is sent.

Assets between the legs are valued at what the ticket says they cost. Then every trade's loss is a number of
its own, the loss of any sequence of trades is their sum, and residuals between the legs count at cost. A
leg that is filled at its worst price and taken back at its worst price loses `forward + back` a lot; a leg
whose sum is below zero is best left unfilled. So the worst subset of filled legs is the one of all legs
with a positive sum: the one that an unknown order makes real when it is heard of after the others were
taken back.
"""

from __future__ import annotations

from collections.abc import Sequence

from arbitrage.saga.plan import LegPlan
from arbitrage.ticket import Ticket
from domain.units import PPM

# Values are in 2^-64 of an atom of the ticket's asset: an asset a billion times cheaper still has one.
SCALE = 1 << 64
Costs = tuple[int, int]


def values(ticket: Ticket) -> tuple[int, ...]:
    """Value an atom of every asset along the cycle, in the ticket's asset, at what the ticket pays for it."""
    found = [SCALE]
    for leg in ticket.legs[:-1]:
        found.append(-(-found[-1] * leg.pay_atoms // leg.get_atoms))
    return (*found, SCALE)


def cost(leg: LegPlan, side: int, price_ticks: int, value: Sequence[int], fee_ppm: int) -> int:
    """Give the scaled loss of trading one lot at a price; `value` is of what the leg pays and gets."""
    paid, got = value
    worth_base, worth_quote = (got, paid) if leg.side > 0 else (paid, got)
    base, quote = worth_base * leg.lot_atoms, worth_quote * price_ticks * leg.tick_lot_atoms
    if side < 0:
        return base - quote - -quote * fee_ppm // PPM
    return quote - base - -(quote if leg.fee_in_quote else base) * fee_ppm // PPM


def leg_costs(leg: LegPlan, value: Sequence[int], fee_ppm: int) -> Costs:
    """Give the scaled loss a lot of doing a leg and of taking it back, each at its worst; back is no gain."""
    back = cost(leg, -leg.side, leg.unwind_ticks, value, fee_ppm)
    return cost(leg, leg.side, leg.hedge_ticks, value, fee_ppm), back if back > 0 else 0


def worst_atoms(ticket: Ticket, legs: Sequence[LegPlan], fills_max: int, fee_step_atoms: int) -> int:
    """Bound the loss over every subset of legs that fill, partly fill or fill late, and are taken back.

    On top: what it costs to carry a loss, which arises between the legs, to the ticket's asset, and a fee's
    rounding.
    """
    total = rounding = worst_ppm = 0
    got, last = SCALE, len(legs) - 1
    for place, (leg, sold) in enumerate(zip(legs, ticket.legs, strict=True)):
        # `values` and `leg_costs` of the leg, spelt out for speed.
        paid, fee_ppm, tick_lot, in_quote = got, leg.fee_ppm, leg.tick_lot_atoms, leg.fee_in_quote
        got = SCALE if place == last else -(-paid * sold.pay_atoms // sold.get_atoms)
        if leg.side > 0:
            worth, quote_worth = got * leg.lot_atoms, paid * tick_lot
            hedge, unwind = quote_worth * leg.hedge_ticks, quote_worth * leg.unwind_ticks
            forward = hedge - worth - -(hedge if in_quote else worth) * fee_ppm // PPM
            back = worth - unwind - -unwind * fee_ppm // PPM
        else:
            worth, quote_worth = paid * leg.lot_atoms, got * tick_lot
            hedge, unwind = quote_worth * leg.hedge_ticks, quote_worth * leg.unwind_ticks
            forward = worth - hedge - -hedge * fee_ppm // PPM
            back = unwind - worth - -(unwind if in_quote else worth) * fee_ppm // PPM
        there_and_back = forward + back if back > 0 else forward
        there_and_back = there_and_back if there_and_back > 0 else 0
        total += there_and_back * leg.size_lots
        carried = there_and_back - forward if forward < 0 else there_and_back
        ppm = -(-carried * PPM // worth)
        worst_ppm = ppm if ppm > worst_ppm else worst_ppm
        rounding += paid if paid > got else got
    for _ in legs:
        total += -(-total * worst_ppm // PPM)
    return -(-(total + rounding * fills_max * fee_step_atoms) // SCALE)


def home(lots: int, costs: Costs) -> int:
    """Give the scaled loss of taking a net size back, or of doing again what was taken back too far."""
    return costs[1] * lots if lots > 0 else max(0, costs[0]) * -lots


def ahead(lots: int, open_lots: Sequence[int], costs: Costs) -> int:
    """Give the most that open sizes and the way home from them can still lose, scaled."""
    here, (forward_lots, back_lots) = home(lots, costs), open_lots
    forth = forward_lots * costs[0] + home(lots + forward_lots, costs)
    back = back_lots * costs[1] + home(lots - back_lots, costs)
    return max(here, forth, back)


def alone(open_lots: Sequence[int], costs: Costs) -> int:
    """Give the most that open sizes themselves can lose, scaled."""
    return max(0, open_lots[0] * costs[0], open_lots[1] * costs[1])
