"""Two orders that move an asset: as much as both books bear, and no more sold than comes."""

from __future__ import annotations

import numpy as np
import pytest

from arbitrage.fee import FeeRule
from arbitrage.size.sizing import Depth
from arbitrage.stock.swap import borne_atoms, changes, swapped
from domain.units import ATOMS_PER_UNIT
from tests.arbitrage.markets import START, markets

BOUGHT, SOLD = markets("a:BTC/USDT", "b:BTC/USDT")
LOT = ATOMS_PER_UNIT // 1_000
# What both bear costs 10 bps for the first 1,000 lots, 30 for the next ten, and 40 beyond.
BOOKS = {
    0: Depth(np.array([[9_990, 5_000]]), np.array([[10_000, 1_000], [10_020, 9_000]])),
    1: Depth(np.array([[9_990, 1_010], [9_980, 9_000]]), np.array([[10_010, 5_000]])),
}
FREE = {0: FeeRule(0), 1: FeeRule(0)}
FEES = {0: FeeRule(100), 1: FeeRule(100)}


@pytest.mark.parametrize(
    ("most_bps", "lots"),
    [(9.9, 0), (10.1, 1_000), (29.9, 1_000), (30.1, 1_010), (39.9, 1_010), (40.1, 10_000)],
)
def test_the_books_bear_what_costs_no_more_at_the_margin(most_bps: float, lots: int) -> None:
    borne, first_bps = borne_atoms(BOUGHT, SOLD, BOOKS.__getitem__, FREE, most_bps)
    assert borne == lots * LOT and first_bps == pytest.approx(10)


def test_fees_are_part_of_the_cost_and_no_quote_is_none() -> None:
    assert borne_atoms(BOUGHT, SOLD, BOOKS.__getitem__, FEES, 11.9)[0] == 0
    assert borne_atoms(BOUGHT, SOLD, BOOKS.__getitem__, FEES, 12.1)[0] == 1_000 * LOT
    none = Depth(np.zeros((0, 2), np.int64), np.zeros((0, 2), np.int64))
    assert borne_atoms(BOUGHT, SOLD, lambda _: none, FEES, 50.0) == (0, None)


@pytest.mark.parametrize(("in_quote", "sold_lots"), [(False, 499), (True, 500)])
def test_no_more_is_sold_than_comes_after_its_fee(in_quote: bool, sold_lots: int) -> None:
    fees = {0: FeeRule(100, in_quote), 1: FeeRule(100)}
    ticket = swapped((BOUGHT, SOLD), BOUGHT, SOLD, 500 * LOT + 7, BOOKS.__getitem__, fees, 5, START)
    assert ticket is not None and ticket.asset == "USDT" and ticket.ticket_id == 5
    buy, sell = ticket.legs
    assert (buy.size_lots, buy.price_ticks, sell.size_lots, sell.price_ticks) == (
        500,
        10_000,
        sold_lots,
        9_990,
    )
    assert ticket.profit_bps == pytest.approx(-12, abs=0.2) and sell.pay_atoms <= buy.get_atoms
    made = changes(BOUGHT, SOLD, ticket)
    assert made["b", "BTC"] == -sold_lots * LOT and 0 <= made["a", "BTC"] - sold_lots * LOT < LOT
    assert made["a", "USDT"] == -ticket.in_atoms and made["b", "USDT"] == ticket.out_atoms


@pytest.mark.parametrize("lots", [0, 1, 1_000_000])
def test_what_is_too_little_or_too_much_for_an_order_or_the_books_is_none(lots: int) -> None:
    assert swapped((BOUGHT, SOLD), BOUGHT, SOLD, lots * LOT, BOOKS.__getitem__, FEES, 1, START) is None
