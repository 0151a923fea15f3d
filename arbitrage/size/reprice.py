"""Price a ticket again from its sizes alone, in plain integers that share no code with the kernel.

A ticket may be sent only if this gives the very same ticket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from arbitrage.fee import FeeRule, Fees, fee_rule
from arbitrage.ticket import Leg, Ticket
from domain.instrument import Instrument
from domain.units import fee_atoms

if TYPE_CHECKING:
    from arbitrage.size.sizing import Depth

DUST_LOST_PPM = 10_000
ALL_THE_SAME: Mapping[str, int] = {}


def reprice(
    ticket: Ticket,
    instruments: Sequence[Instrument],
    depth: Callable[[int], Depth],
    fees: Fees,
    swap_ppm: int,
    swaps: Mapping[str, int] = ALL_THE_SAME,
) -> Ticket | None:
    """Give the ticket that its sizes make on these books; `None` where the books cannot bear them.

    Neither can they where a leg would have to pay more than the one before it gave.
    """
    legs: list[Leg] = []
    dust = 0
    for old in ticket.legs:
        market, book = instruments[old.instrument], depth(old.instrument)
        levels = (book.asks if old.side > 0 else book.bids).tolist()
        rule = fee_rule(market, old.instrument, fees)
        leg = filled(old, market, levels, rule)
        if leg is None or (legs and leg.pay_atoms > legs[-1].get_atoms):
            return None
        if legs:
            dust = walked_on(dust, legs[-1].get_atoms - leg.pay_atoms, leg, market, levels, rule)
        legs.append(leg)
    given, out = legs[0].pay_atoms, legs[-1].get_atoms
    swap, before = 0, instruments[legs[-1].instrument].venue
    for leg in legs:
        market = instruments[leg.instrument]
        if market.venue != before:
            swap += fee_atoms(max(given, out), swaps.get(paid_asset(leg.side, market), swap_ppm))
        before = market.venue
    return Ticket(
        ticket_id=ticket.ticket_id,
        detected_ns=ticket.detected_ns,
        asset=paid_asset(legs[0].side, instruments[legs[0].instrument]),
        legs=tuple(legs),
        in_atoms=given,
        out_atoms=out,
        dust_atoms=dust - fee_atoms(dust, DUST_LOST_PPM),
        swap_atoms=swap,
    )


def paid_asset(side: int, market: Instrument) -> str:
    """Name the asset that a hop gives."""
    return market.quote if side > 0 else market.base


def filled(leg: Leg, market: Instrument, levels: list[list[int]], rule: FeeRule) -> Leg | None:
    """Fill a leg's size from the best level on, with the fee rounded up at every level.

    What is left of the levels stays in the list.
    """
    left, pay, get, cap, done = leg.size_lots, 0, 0, 0, 0
    while left > 0 and done < len(levels):
        cap, lots = levels[done]
        part = min(left, lots)
        base, notional = part * market.lot_atoms, market.notional_atoms(cap, part)
        given, got = (notional, base) if leg.side > 0 else (base, notional)
        if rule.in_quote and leg.side > 0:
            given += fee_atoms(notional, rule.taker_ppm)
        else:
            got -= fee_atoms(got, rule.taker_ppm)
        pay, get, left = pay + given, get + got, left - part
        if part == lots:
            done += 1
        else:
            levels[done][1] = lots - part
    del levels[:done]
    return Leg(leg.instrument, leg.side, leg.size_lots, cap, pay, get) if left == 0 else None


def walked_on(
    carried: int, over: int, leg: Leg, market: Instrument, levels: list[list[int]], rule: FeeRule
) -> int:
    """Convert what was left over so far by the levels that a leg leaves; what they don't take is lost.

    Of what this leg itself leaves over only the worth of one more lot counts.
    """
    if not levels:
        return 0
    from_quote, base = leg.side > 0 and rule.in_quote, market.lot_atoms
    lot_pay = market.notional_atoms(levels[0][0], 1) if leg.side > 0 else base
    left = carried + min(over, lot_pay + (fee_atoms(lot_pay, rule.taker_ppm) if from_quote else 0))
    if from_quote:
        left -= fee_atoms(left, rule.taker_ppm)
    got = 0
    for price, lots in levels:
        cost = market.notional_atoms(price, 1)
        unit, gives = (cost, base) if leg.side > 0 else (base, cost)
        part = min(left, lots * unit)
        got, left = got + part * gives // unit, left - part
        if left == 0:
            break
    return got if from_quote else got - fee_atoms(got, rule.taker_ppm)
