"""Inventory comes back to its targets by the cheapest moves, which are proposed and not made."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbitrage.stock.inventory import Flight, Inventory, InventoryConfig
from arbitrage.stock.rebalance import DUST_ATOMS, Plan, RebalanceConfig, TradeWay, Way, proposals
from domain.moves import TRADE, TRANSFER, Proposal
from tests.arbitrage.markets import SECOND, markets

INSTRUMENTS = markets("a:BTC/USDT", "b:BTC/USDT", "c:BTC/USDT")
HOUR_NS = 3_600 * SECOND
UNIT = 10_000_000


def inventory(a: int, b: int, c: int) -> Inventory:
    """Give an inventory of BTC."""
    made = Inventory(InventoryConfig(), INSTRUMENTS)
    for venue, atoms in zip("abc", (a, b, c), strict=True):
        made.hold(venue, "BTC", atoms)
    return made


def way(
    source: str, target: str, fee_ppm: int = 100, fee_atoms: int = 0, hours: float = 0.0, **more: int
) -> Way:
    """Give a way for BTC."""
    return Way("BTC", source, target, fee_atoms, fee_ppm, round(hours * HOUR_NS), **more)


def every_way(fee_ppm: int = 100) -> list[Way]:
    """Give a way between any two venues."""
    return [way(source, target, fee_ppm) for source in "abc" for target in "abc" if source != target]


def plan(held: Inventory, *ways: Way, trades: tuple[TradeWay, ...] = (), **config: object) -> Plan:
    """Plan at once."""
    return proposals(RebalanceConfig.model_validate(config), held, ways, trades)


def transfers(found: Plan) -> list[Proposal]:
    """List what an operator would send."""
    return [each for each in found.proposals if each.kind == TRANSFER]


def traded(found: Plan) -> list[Proposal]:
    """List what a node would trade."""
    return [each for each in found.proposals if each.kind == TRADE]


def carried(found: Plan) -> list[tuple[str, str, int]]:
    """List who sends how much to whom."""
    return [(each.from_venue, each.to_venue, each.atoms) for each in transfers(found)]


def test_what_is_over_goes_where_it_is_under() -> None:
    found = plan(inventory(9 * UNIT, 0, 0), way("a", "b"), way("a", "c"))
    assert carried(found) == [("a", "b", 3 * UNIT), ("a", "c", 3 * UNIT)]
    assert found.unmet == ()
    assert transfers(found)[0].cost_atoms == 3 * UNIT * 100 // 1_000_000
    assert "over its target" in transfers(found)[0].reason


def test_nothing_is_moved_for_a_little() -> None:
    assert plan(inventory(11 * UNIT, 10 * UNIT, 9 * UNIT), *every_way()) == Plan((), ())
    assert transfers(plan(inventory(11 * UNIT, 10 * UNIT, 9 * UNIT), *every_way(), band_frac=0.05)) != []


def test_nothing_is_moved_of_nothing() -> None:
    assert plan(inventory(0, 0, 0), *every_way()) == Plan((), ())


def test_the_cheaper_way_is_taken_and_time_costs() -> None:
    held = inventory(4 * UNIT, 4 * UNIT, UNIT)
    fast, slow = way("a", "c", 150), way("a", "c", 100, hours=2)
    assert carried(plan(held, slow, fast, hour_ppm=20)) == [("a", "c", UNIT)]
    assert transfers(plan(held, slow, fast, way("b", "c"), hour_ppm=20))[0].delay_ns == 2 * HOUR_NS
    assert transfers(plan(held, slow, fast, way("b", "c"), hour_ppm=50))[0].delay_ns == 0


def test_a_fixed_fee_closes_a_way_that_carries_too_little_for_it() -> None:
    held = inventory(6 * UNIT, 3 * UNIT, 0)
    dear = way("a", "c", 0, fee_atoms=UNIT // 100)
    assert transfers(plan(held, dear)) == []
    assert plan(held, dear).unmet == (("BTC", 3 * UNIT),)
    assert transfers(plan(held, dear, cost_ppm_max=5_000))[0].cost_atoms == UNIT // 100
    assert carried(plan(held, dear, way("a", "c", 1_000))) == [("a", "c", 3 * UNIT)]


def test_a_way_that_takes_no_less_than_its_minimum_is_left_out_below_it() -> None:
    found = plan(inventory(6 * UNIT, 3 * UNIT, 0), way("a", "c", atoms_min=4 * UNIT), way("a", "c", 900))
    assert [each.cost_atoms for each in transfers(found)] == [3 * UNIT * 900 // 1_000_000]


def test_what_is_under_way_is_not_sent_again() -> None:
    held, ways = inventory(9 * UNIT, 0, 0), (way("a", "b", 0), way("a", "c", 0))
    for number, one in enumerate(transfers(plan(held, *ways))):
        held.fly(number, Flight(one.asset, one.from_venue, one.to_venue, one.atoms, one.atoms))
    assert held.total_atoms("BTC") == 9 * UNIT
    assert plan(held, *ways) == Plan((), ())


def test_a_venue_sends_only_what_it_has_now() -> None:
    found = plan(inventory(9 * UNIT, 0, 0), way("a", "b"), way("b", "c"))
    assert carried(found) == [("a", "b", 3 * UNIT)]
    assert found.unmet == (("BTC", 3 * UNIT),)


def test_trading_is_preferred_where_it_is_nearly_free() -> None:
    legs = ((0, -1), (2, 1))
    trade = TradeWay("BTC", "a", "c", 20, 2 * UNIT, legs)
    found = plan(inventory(6 * UNIT, 3 * UNIT, 0), way("a", "c", 100), trades=(trade,))
    assert carried(found) == [("a", "c", UNIT)]
    (trade_found,) = traded(found)
    assert (trade_found.atoms, trade_found.cost_atoms, trade_found.legs) == (
        2 * UNIT,
        2 * UNIT * 20 // 1_000_000,
        legs,
    )
    dear = plan(
        inventory(6 * UNIT, 3 * UNIT, 0),
        way("a", "c", 100),
        trades=(trade, TradeWay("BTC", "a", "c", 500, UNIT, legs)),
    )
    assert traded(dear) == traded(found)


def test_a_trade_that_costs_too_much_is_no_way_and_one_that_gains_costs_nothing() -> None:
    legs, held = ((0, -1), (2, 1)), inventory(6 * UNIT, 3 * UNIT, 0)
    dear, free = TradeWay("BTC", "a", "c", 2_001, UNIT, legs), TradeWay("BTC", "a", "c", -500, UNIT, legs)
    assert plan(held, trades=(dear,)) == Plan((), (("BTC", 3 * UNIT),))
    back = TradeWay("BTC", "c", "a", -500, UNIT, legs[::-1])
    (one,) = traded(plan(held, trades=(free, back)))
    assert (one.from_venue, one.to_venue, one.atoms) == ("a", "c", UNIT) and one.cost_atoms < 0


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.integers(0, 10**12)] * 3))
def test_free_ways_between_all_bring_every_venue_to_its_target(held: tuple[int, int, int]) -> None:
    made = inventory(*held)
    found = plan(made, *every_way(0), band_frac=0.001, move_frac_min=0.0)
    targets = made.targets("BTC")
    after = dict(zip("abc", held, strict=True))
    for source, target, atoms in carried(found):
        assert 0 < atoms <= held["abc".index(source)]
        after[source] -= atoms
        after[target] += atoms
    assert sum(after.values()) == sum(held)
    if transfers(found):
        assert after == targets
    else:
        off = {venue: abs(after[venue] - targets[venue]) for venue in "abc"}
        assert all(atoms <= max(0.001 * targets[venue], DUST_ATOMS) for venue, atoms in off.items())
    assert found.unmet == ()


def test_two_assets_do_not_mix() -> None:
    made = inventory(9 * UNIT, 0, 0)
    for venue, atoms in zip("abc", (0, 0, 9), strict=True):
        made.hold(venue, "USDT", atoms * UNIT)
    found = plan(made, way("a", "b"), way("a", "c"))
    assert {each.asset for each in found.proposals} == {"BTC"}
    assert found.unmet == (("USDT", 6 * UNIT),)


def test_a_plan_costs_what_its_ways_say() -> None:
    found = plan(inventory(6 * UNIT, 3 * UNIT, 0), way("a", "c", 333, fee_atoms=7))
    assert transfers(found)[0].cost_atoms == pytest.approx(7 + 3 * UNIT * 333 / 1_000_000, abs=1)
