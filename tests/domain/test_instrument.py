"""An instrument ties ticks and lots to atoms, exactly."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instrument import Instrument
from domain.order_events import Fill
from domain.position import Position
from domain.units import ATOMS_PER_UNIT, fee_atoms

BTC = Instrument.of(
    0, "tokyo-x", "BTC", "USDT", tick="0.01", lot="0.00001", size_min="0.0001", taker_fee_ppm=1000
)
_CONTEXT = Context(prec=60)


def fill(side: int, price_ticks: int, size_lots: int, fee: int = 0, asset: str = "USDT") -> Fill:
    """Make a fill of the one market."""
    return Fill(1, 2, 0, 4, 5, side, price_ticks, size_lots, fee, asset, False, 6)


def test_filters_of_a_venue_become_whole_lots() -> None:
    assert (BTC.size_lots_min, BTC.size_lots_max) == (10, 100_000_000_000)
    assert BTC.key == "tokyo-x:BTCUSDT" and BTC.lot_atoms == 100_000
    assert Instrument.of(1, "x", "A", "B", tick="1", lot="1", symbol="A-B").symbol == "A-B"


def test_a_market_finer_than_atoms_is_refused() -> None:
    with pytest.raises(ValueError, match="finer than one atom"):
        Instrument.of(0, "x", "A", "B", tick="0.000001", lot="0.000001")


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_notional_is_price_times_size_exactly(price_ticks: int, size_lots: int) -> None:
    price, size = Decimal(BTC.tick.text(price_ticks)), Decimal(BTC.lot.text(size_lots))
    exact = _CONTEXT.multiply(_CONTEXT.multiply(price, size), Decimal(ATOMS_PER_UNIT))
    assert BTC.notional_atoms(price_ticks, size_lots) == exact


fills = st.lists(
    st.builds(
        fill,
        st.sampled_from([1, -1]),
        st.integers(1, 10**7),
        st.integers(1, 10**6),
        st.integers(0, 10**9),
        st.sampled_from(["USDT", "BTC", "BNB"]),
    ),
    max_size=20,
)


@given(fills)
def test_a_position_is_the_sum_of_its_fills(given_fills: list[Fill]) -> None:
    position = Position()
    for each in given_fills:
        position = position.fold(each, BTC)
    assert position.net_lots == sum(each.side * each.size_lots for each in given_fills)
    notional = sum(each.side * BTC.notional_atoms(each.price_ticks, each.size_lots) for each in given_fills)
    paid = {
        asset: sum(each.fee_atoms for each in given_fills if each.fee_asset == asset)
        for asset in ("USDT", "BTC", "BNB")
    }
    assert position.quote_atoms == -notional - paid["USDT"] and position.fee_quote_atoms == paid["USDT"]
    assert position.base_atoms == position.net_lots * BTC.lot_atoms - paid["BTC"]
    assert (position.fee_base_atoms, position.fee_other_atoms) == (paid["BTC"], paid["BNB"])
    assert position.fills == len(given_fills)


def test_buying_and_selling_at_one_price_loses_the_fees() -> None:
    fee = fee_atoms(BTC.notional_atoms(6_000_000, 1000), BTC.taker_fee_ppm)
    position = Position().fold(fill(1, 6_000_000, 1000, fee), BTC).fold(fill(-1, 6_000_000, 1000, fee), BTC)
    assert position.net_lots == 0 and position.pnl_quote_atoms(9_999_999, BTC) == -2 * fee


def test_an_open_position_is_valued_at_the_mark() -> None:
    position = Position().fold(fill(1, 100, 1000), BTC)
    assert position.pnl_quote_atoms(110, BTC) == BTC.notional_atoms(10, 1000)
    assert position.pnl_quote_atoms(100, BTC) == 0
