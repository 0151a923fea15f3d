"""Two orders that move an asset: bought where it is short and sold where there is too much, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from arbitrage.fee import Fees, fee_rule
from arbitrage.size.reprice import reprice
from arbitrage.stock.inventory import Place
from arbitrage.ticket import Leg, Ticket
from domain.instrument import Instrument
from domain.units import PPM

if TYPE_CHECKING:
    from arbitrage.size.sizing import Depth


Depths = Callable[[int], "Depth"]


def borne_atoms(
    bought: Instrument, sold: Instrument, depth: Depths, fees: Fees, cost_bps_max: float
) -> tuple[int, float | None]:
    """Give how much of the asset both books bear within a cost at the margin, and what the first of it costs.

    Costs are in bps with fees; without quotes on both sides there is none.
    """
    kept = PPM - fee_rule(bought, bought.index, fees).taker_ppm
    kept *= PPM - fee_rule(sold, sold.index, fees).taker_ppm
    asks = [(price, lots * bought.lot_atoms) for price, lots in depth(bought.index).asks.tolist()]
    bids = [(price, lots * sold.lot_atoms) for price, lots in depth(sold.index).bids.tolist()]
    borne, first_bps = 0, None
    while asks and bids:
        (ask, offered), (bid, wanted) = asks[0], bids[0]
        paid = ask * bought.tick_lot_atoms * sold.lot_atoms * PPM * PPM
        got = bid * sold.tick_lot_atoms * bought.lot_atoms * kept
        cost_bps = (1 - got / paid) * 10_000
        first_bps = cost_bps if first_bps is None else first_bps
        if cost_bps > cost_bps_max:
            break
        part = min(offered, wanted)
        borne += part
        asks[0], bids[0] = (ask, offered - part), (bid, wanted - part)
        asks, bids = asks[offered == part :], bids[wanted == part :]
    return borne, first_bps


def swapped(
    instruments: Sequence[Instrument],
    bought: Instrument,
    sold: Instrument,
    atoms: int,
    depth: Depths,
    fees: Fees,
    ticket_id: int,
    now_ns: int,
) -> Ticket | None:
    """Give the ticket that moves so much of the asset, or less by its lots; `None` where that is no order.

    What is bought comes first, less its fee: no more is sold than comes, so that none is short after it.
    """
    rule = fee_rule(bought, bought.index, fees)
    buy_lots = atoms // bought.lot_atoms
    gross = buy_lots * bought.lot_atoms
    net = gross if rule.in_quote else gross - -(-gross * rule.taker_ppm // PPM)
    sell_lots = net // sold.lot_atoms
    for market, lots in ((bought, buy_lots), (sold, sell_lots)):
        if not max(1, market.size_lots_min) <= lots <= market.size_lots_max:
            return None
    legs = (Leg(bought.index, 1, buy_lots, 0, 0, 0), Leg(sold.index, -1, sell_lots, 0, 0, 0))
    rough = Ticket(ticket_id, now_ns, bought.quote, legs, 0, 0, 0, 0)
    ticket = reprice(rough, instruments, depth, fees, 0)
    return ticket if ticket is not None and ticket.out_atoms > 0 else None


def changes(bought: Instrument, sold: Instrument, ticket: Ticket) -> dict[Place, int]:
    """Give what a ticket brings to places and takes from them."""
    buy, sell = ticket.legs
    return {
        (bought.venue, bought.base): buy.get_atoms,
        (bought.venue, bought.quote): -buy.pay_atoms,
        (sold.venue, sold.base): -sell.pay_atoms,
        (sold.venue, sold.quote): sell.get_atoms,
    }
