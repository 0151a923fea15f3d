"""What lies where: a transfer is not profit, and what is scarce is dear."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from arbitrage.stock.inventory import Flight, Inventory, InventoryConfig
from tests.arbitrage.markets import markets

INSTRUMENTS = markets("a:BTC/USDT", "b:BTC/USDT", "c:BTC/USDT", "b:ETH/USDT")
AMOUNTS = st.tuples(*[st.integers(0, 10**15)] * 3)


def inventory(*btc: int, **config: object) -> Inventory:
    """Give an inventory of BTC at a, b and c."""
    made = Inventory(InventoryConfig.model_validate(config), INSTRUMENTS)
    for venue, atoms in zip("abc", btc, strict=False):
        made.hold(venue, "BTC", atoms)
    return made


def flight(leaving: int = 0, arriving: int = 0) -> Flight:
    """Send BTC from a to b."""
    return Flight("BTC", "a", "b", leaving, arriving)


@settings(max_examples=100, deadline=None)
@given(AMOUNTS, st.tuples(*[st.floats(0, 10)] * 3))
def test_targets_share_out_all_there_is_to_the_atom(
    amounts: tuple[int, ...], shares: tuple[float, ...]
) -> None:
    made = inventory(*amounts, shares={"BTC": dict(zip("abc", shares, strict=True))})
    targets = made.targets("BTC")
    assert all(atoms >= 0 for atoms in targets.values())
    assert sum(targets.values()) == (sum(amounts) if sum(shares) > 0 else 0)


def test_a_share_below_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        InventoryConfig.model_validate({"shares": {"BTC": {"a": -1}}})


def test_an_asset_without_stated_shares_lies_evenly() -> None:
    assert inventory(900, 0, 0).targets("BTC") == {"a": 300, "b": 300, "c": 300}


def test_where_we_do_not_trade_nothing_should_lie() -> None:
    made = Inventory(InventoryConfig(), INSTRUMENTS, frozenset((0, 1)))
    for venue in "abc":
        made.hold(venue, "BTC", 600)
    assert made.targets("BTC") == {"a": 600, "b": 600}
    assert made.total_atoms("BTC") == 1_200
    assert made.assets() == ("BTC", "USDT")


def test_a_transfer_changes_no_total_wherever_balances_show_it() -> None:
    made = inventory(900, 0, 0)
    made.fly(1, flight(leaving=100, arriving=100))
    assert made.total_atoms("BTC") == 900 and made.lying_atoms("a", "BTC") == 800
    assert made.held_atoms("a", "BTC") == 900 and made.flying_atoms("BTC", "b") == 100
    made.hold("a", "BTC", 800)
    made.fly(1, flight(arriving=100))
    assert made.total_atoms("BTC") == 900 and made.lying_atoms("a", "BTC") == 800
    assert made.flying_atoms("BTC") == 100 and made.flying_atoms("BTC", "c") == 0
    made.hold("b", "BTC", 100)
    made.fly(1, flight())
    assert made.total_atoms("BTC") == 900 and made.flying_atoms("BTC") == 0
    made.land(1)


def test_what_is_about_to_leave_is_no_burden_any_more() -> None:
    made = inventory(900, 300, 300)
    assert made.shadow_bps("a", "BTC") > 0
    made.fly(1, flight(leaving=600, arriving=600))
    assert made.shadow_bps("a", "BTC") < 0
    made.land(1)
    assert made.shadow_bps("a", "BTC") > 0


def test_the_last_unit_of_a_move_is_priced_and_not_its_mean() -> None:
    made = inventory(900, 300, 300)
    some = made.after_bps({("a", "BTC"): -100, ("b", "BTC"): 100})
    most = made.after_bps({("a", "BTC"): -400, ("b", "BTC"): 200})
    assert some < most < 1e-9
    assert made.after_bps({("a", "BTC"): -800, ("b", "BTC"): 800}) > 0


@settings(max_examples=100, deadline=None)
@given(AMOUNTS)
def test_what_is_scarce_is_dear_and_what_is_plenty_is_cheap(amounts: tuple[int, ...]) -> None:
    made = inventory(*amounts)
    targets = made.targets("BTC")
    for venue, atoms in zip("abc", amounts, strict=True):
        price = made.shadow_bps(venue, "BTC")
        assert -made.config.bps_max <= price <= made.config.bps_max
        assert (price > 0) == (atoms > targets[venue])
        assert (price < 0) == (atoms < targets[venue])


def test_the_price_rises_with_what_is_missing_and_is_bounded() -> None:
    prices = [inventory(atoms, 1_000, 1_000).shadow_bps("a", "BTC") for atoms in (1_000, 800, 400, 100, 0)]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] == 0
    assert prices[-1] == -InventoryConfig().bps_max


def test_a_venue_that_should_hold_nothing_is_rid_of_what_it_has() -> None:
    made = inventory(100, 100, 100, shares={"BTC": {"a": 1.0, "b": 1.0}})
    assert made.shadow_bps("c", "BTC") == InventoryConfig().bps_max


def test_nowhere_and_nothing_has_no_price() -> None:
    assert inventory(0, 0, 0).shadow_bps("a", "BTC") == 0
    assert inventory(1, 2, 3).shadow_bps("z", "BTC") == 0
    assert inventory(1, 2, 3).shadow_bps("a", "DOGE") == 0
    assert inventory(1).held_atoms("z", "DOGE") == 0


def test_a_route_is_priced_by_what_it_moves_from_place_to_place() -> None:
    made = inventory(300, 100, 200)
    there, back = made.route_bps(((0, -1), (1, 1))), made.route_bps(((0, 1), (1, -1)))
    assert there == pytest.approx(made.shadow_bps("b", "BTC") - made.shadow_bps("a", "BTC"))
    assert there < 0 < back
    assert back == pytest.approx(-there)


def test_a_cycle_on_one_venue_moves_nothing() -> None:
    made = inventory(300, 100, 200)
    made.hold("a", "USDT", 5)
    made.hold("b", "USDT", 500)
    assert made.route_bps(((0, 1), (0, -1))) == 0


def test_a_new_balance_changes_the_price_at_once() -> None:
    made = inventory(300, 100, 200)
    before = made.shadow_bps("b", "BTC")
    made.hold("b", "BTC", 400)
    assert made.shadow_bps("b", "BTC") > 0 > before
    made.hold("z", "BTC", 10**9)  # none of ours
    assert made.total_atoms("BTC") == 900


def test_all_is_taken_back() -> None:
    made, other = inventory(300, 100, 200), inventory(1, 2, 3)
    made.fly(7, flight(arriving=5))
    other.shadow_bps("a", "BTC")
    other.restore(made.state())
    assert other.state() == made.state()
    assert other.shadow_bps("a", "BTC") == made.shadow_bps("a", "BTC")
    assert other.targets("BTC") == made.targets("BTC")
