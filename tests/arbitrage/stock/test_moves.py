"""The book of moves: a plan replaces proposals only, an operator's word is kept, balances are believed."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from arbitrage.stock.inventory import Inventory, InventoryConfig
from arbitrage.stock.moves import LIVE_MAX, OVER_MAX, Moves, MoveState
from arbitrage.stock.rebalance import RebalanceConfig, TradeWay, Way, proposals
from domain.moves import TRADE, TRANSFER, Proposal
from tests.arbitrage.markets import SECOND, START, markets

INSTRUMENTS = markets("a:BTC/USDT", "b:BTC/USDT", "c:BTC/USDT")
UNIT = 10_000_000
FEE = 1_000


def book(**config: object) -> Moves:
    """Give a book over an inventory whose BTC all lies at a."""
    held = Inventory(InventoryConfig(), INSTRUMENTS)
    held.hold("a", "BTC", 9 * UNIT)
    return Moves(RebalanceConfig.model_validate({"late_s": 60.0, **config}), held)


def proposal(target: str = "b", atoms: int = 3 * UNIT, kind: str = TRANSFER) -> Proposal:
    """Propose to bring BTC from a to another venue."""
    legs = ((0, -1), (ord(target) - ord("a"), 1)) if kind == TRADE else ()
    return Proposal(kind, "BTC", "a", target, atoms, FEE, 100 * SECOND, legs, "because")


def taken(**config: object) -> Moves:
    """Give a book whose first move an operator took."""
    made = book(**config)
    made.plan([proposal()], START, START)
    assert made.take(1, 9 * UNIT, START) == ""
    return made


def states(made: Moves) -> list[str]:
    return [MoveState(move.state).name for move in (*made.live.values(), *made.over.values())]


def test_what_is_proposed_again_keeps_its_number_and_what_is_not_goes() -> None:
    made = book()
    made.plan([proposal("b"), proposal("c")], START, START)
    made.plan([proposal("c", 5 * UNIT), proposal("b", kind=TRADE)], START + 5, START + 5)
    assert [(move.number, move.proposal.atoms, move.since_ns) for move in made.live.values()] == [
        (2, 5 * UNIT, START),
        (3, 3 * UNIT, START + 5),
    ]
    assert made.take(1, 9 * UNIT, START) == "it is proposed no more: see `swarm arb moves`"
    assert made.drop(1, START) == "it is proposed no more: see `swarm arb moves`"


def test_proposals_that_no_plan_repeats_are_forgotten() -> None:
    made = taken(every_s=10.0)
    made.plan([proposal("c")], START, START)
    made.expire(START + 24 * SECOND)
    assert len(made.live) == 2
    made.expire(START + 25 * SECOND)
    assert states(made) == ["TAKEN"]


def test_there_are_never_more_than_can_be_listed() -> None:
    made = book()
    many = [Proposal(TRANSFER, f"X{n}", "a", "b", 1, 0, 0, (), "") for n in range(LIVE_MAX + 9)]
    made.plan(many, START, START)
    assert len(made.live) == LIVE_MAX
    for number in list(made.live):
        assert made.drop(number, START) == ""
    assert len(made.over) == OVER_MAX and made.live == {}


def test_a_transfer_that_is_taken_is_counted_where_it_shall_arrive_and_planned_no_more() -> None:
    made = taken()
    held = made._inventory
    assert (held.lying_atoms("a", "BTC"), held.flying_atoms("BTC", "b")) == (6 * UNIT, 3 * UNIT - FEE)
    assert made.reserved() == [("a", "BTC", 3 * UNIT)]
    made.plan([proposal(), proposal("c")], START + 1, START - 1)  # from facts of before it was taken
    assert states(made) == ["TAKEN", "PROPOSED"] and made.live[2].proposal.to_venue == "c"
    made.plan([proposal()], START + 2, START + 1)  # as much again is wanted, by who knows of the first
    assert [move.proposal.to_venue for move in made.live.values()] == ["b", "b"]
    assert made.take(1, 0, START + 1) == "" and made.live[1].since_ns == START  # said again


def test_no_more_is_taken_than_there_is() -> None:
    made = book()
    made.plan([proposal()], START, START)
    why = made.take(1, 3 * UNIT - 1, START)
    assert why == "a has 0.0029999999 BTC free, and 0.0030000000 is to go"
    assert states(made) == ["PROPOSED"] and made.reserved() == []


def test_what_an_operator_sends_counts_whatever_a_plan_has_made_of_it_since() -> None:
    made = book()
    made.plan([proposal()], START, START)
    assert made.take(1, 9 * UNIT, START, 2 * UNIT) == "" and made.reserved() == [("a", "BTC", 2 * UNIT)]
    assert made._inventory.flying_atoms("BTC", "b") == 2 * UNIT - FEE
    assert made.take(1, 9 * UNIT, START, 2 * UNIT) == made.take(1, 9 * UNIT, START) == ""  # said again
    assert made.take(1, 9 * UNIT, START, 3 * UNIT) == "it was taken with 0.0020000000"
    assert made.explain("a", "BTC", -2 * UNIT, START) and made.explain("b", "BTC", 2 * UNIT - FEE, START)
    assert MoveState(made.over[1].state) == MoveState.ARRIVED


def test_more_than_there_is_or_an_amount_of_a_trade_is_refused() -> None:
    made = book()
    made.plan([proposal(), proposal("c", kind=TRADE)], START, START)
    assert made.take(1, 3 * UNIT, START, 4 * UNIT).endswith("and 0.0040000000 is to go")
    assert made.take(2, 9 * UNIT, START, UNIT) == "a trade is sized by books and bounds: leave the amount out"
    assert states(made) == ["PROPOSED", "PROPOSED"] and not made.live[2].asked


@pytest.mark.parametrize("order", [("left", "arrived"), ("arrived", "left")])
def test_balances_tell_that_it_left_and_that_it_arrived_in_any_order(order: tuple[str, str]) -> None:
    made = taken()
    held, tells = made._inventory, {"left": ("a", -3 * UNIT), "arrived": ("b", 3 * UNIT - FEE)}
    for turn, what in enumerate(order):
        venue, atoms = tells[what]
        assert made.explain(venue, "BTC", atoms, START + turn)
        assert not made.explain(venue, "BTC", atoms, START + turn)  # once
        held.hold(venue, "BTC", held.held_atoms(venue, "BTC") + atoms)
        assert states(made) == ["FLYING" if turn == 0 else "ARRIVED"]
    assert held.flying_atoms("BTC") == 0 and held.total_atoms("BTC") == 9 * UNIT - FEE
    assert made.take(1, 9 * UNIT, START) == made.drop(1, START) == "it is over: arrived"


@pytest.mark.parametrize(
    ("venue", "asset", "atoms", "explained"),
    [
        ("a", "BTC", -3 * UNIT - FEE, True),  # the venue took the fee along
        ("a", "BTC", -3 * UNIT - FEE - 1, False),
        ("a", "BTC", -3 * UNIT + 1, False),
        ("a", "USDT", -3 * UNIT, False),
        ("c", "BTC", -3 * UNIT, False),
        ("b", "BTC", 3 * UNIT, True),  # no fee at all
        ("b", "BTC", 3 * UNIT - 2 * FEE, True),
        ("b", "BTC", 3 * UNIT - 2 * FEE - 1, False),
        ("b", "BTC", 3 * UNIT + 1, False),
        ("b", "BTC", -3 * UNIT, False),
    ],
)
def test_only_what_a_transfer_can_be_is_explained_by_it(
    venue: str, asset: str, atoms: int, explained: bool
) -> None:
    assert taken().explain(venue, asset, atoms, START) == explained


def test_several_transfers_seen_at_once_are_told_apart() -> None:
    made = book()
    made.plan([proposal("b", 2 * UNIT), proposal("c", 3 * UNIT)], START, START)
    assert made.take(1, 9 * UNIT, START) == made.take(2, 7 * UNIT, START) == ""
    assert made.explain("a", "BTC", -5 * UNIT - FEE, START)
    assert all(move.left for move in made.live.values())
    assert made.explain("c", "BTC", 3 * UNIT - FEE, START) and states(made) == ["FLYING", "ARRIVED"]


def test_what_does_not_arrive_in_time_is_told_once_and_counted_no_more() -> None:
    made = taken()
    assert made.explain("a", "BTC", -3 * UNIT, START)
    assert made.overdue(START + 160 * SECOND - 1) == []
    (late,) = made.overdue(START + 160 * SECOND)
    assert late.note == "left, and not seen to arrive" and made.overdue(START + 900 * SECOND) == []
    assert made._inventory.flying_atoms("BTC") == 0
    assert made.explain("b", "BTC", 3 * UNIT - FEE, START + 1_000 * SECOND)
    assert states(made) == ["ARRIVED"] and made.over[1].note == "late"


def test_what_was_never_sent_frees_what_was_reserved_for_it() -> None:
    made = taken()
    (late,) = made.overdue(START + 160 * SECOND)
    assert late.note == "not seen to leave" and made.reserved() == []
    assert made._inventory.lying_atoms("a", "BTC") == 9 * UNIT
    assert made.explain("a", "BTC", -3 * UNIT, START) and made.live[1].note == "seen to leave late"


def test_a_dropped_way_is_not_proposed_for_a_while() -> None:
    made = taken(dropped_s=50.0)
    assert made.drop(1, START) == "" and made.drop(1, START) == ""
    assert states(made) == ["DROPPED"] and made.reserved() == [] and made._inventory.flying_atoms("BTC") == 0
    assert not made.explain("a", "BTC", -3 * UNIT, START)
    assert made.dropped(START) == (proposal().way[:4],)
    made.plan([proposal(), proposal("c")], START + 49 * SECOND, START + 49 * SECOND)
    assert [move.proposal.to_venue for move in made.live.values()] == ["c"]
    made.plan([proposal()], START + 50 * SECOND, START + 50 * SECOND)
    assert states(made) == ["PROPOSED", "DROPPED"]


def test_a_trade_is_made_where_it_is_allowed_or_an_operator_asks_for_it() -> None:
    made = book()
    made.plan([proposal("b", kind=TRADE), proposal("c")], START, START)
    assert made.trades() == []
    assert made.take(1, 0, START) == ""
    assert [move.number for move in made.trades()] == [1] and made.reserved() == []
    allowed = book(execute=True)
    allowed.plan([proposal("b", kind=TRADE), proposal("c")], START, START)
    (move,) = allowed.trades()
    move.ticket_id = 7
    allowed.begun(move, START + 1)
    assert allowed.trading() is move and allowed.trades() == [] and allowed.of_ticket(7) is move
    assert allowed.drop(1, START) == "its legs are out: only `swarm halt` stops them"
    allowed.end(move, MoveState.TRADED, START + 2, "flat")
    assert allowed.trading() is None and allowed.begun_ns == START + 1
    assert allowed.counts == {"proposed": 2, "trading": 1, "traded": 1}
    allowed.end(move, MoveState.TRADING, START + 3, "stuck")  # a late fill opened it again
    assert allowed.trading() is move and move.number not in allowed.over


def test_a_reason_counts_once_as_long_as_it_stands() -> None:
    made = book(execute=True)
    made.plan([proposal("b", kind=TRADE)], START, START)
    (move,) = made.trades()
    for note in ("cost: 9", "cost: 8", "busy: x", "cost: 9"):
        made.say(move, note.partition(":")[0], note)
    assert made.counts == {"proposed": 1, "cost": 2, "busy": 1} and move.note == "cost: 9"


def test_all_is_taken_back_also_onto_an_inventory_that_knows_nothing() -> None:
    made, other = taken(), book()
    made.plan([proposal("c"), proposal("c", kind=TRADE)], START, START)
    made.drop(2, START)
    other.restore(made.state())
    assert other.state() == made.state()
    assert other._inventory.flying_atoms("BTC", "b") == 3 * UNIT - FEE
    assert other.keep({("a", "BTC"), ("b", "BTC")}) == 0 and states(other) == ["TAKEN", "DROPPED"]
    assert other.keep({("a", "BTC")}) == 1 and other._inventory.flying_atoms("BTC") == 0


VENUES = "abc"
PAIRS = [(one, other) for one in VENUES for other in VENUES if one != other]


@settings(max_examples=60, deadline=None)
@example((0, 0, 4), (1, 1, 1), (0,) * 6, (0, 0, 0, 0, 0, 1), 10**6, 0.05)  # atoms that rounding moves about
@given(
    held=st.tuples(*[st.integers(0, 10**9)] * 3),
    shares=st.tuples(*[st.integers(1, 10)] * 3),
    fees=st.tuples(*[st.integers(0, 1_500)] * 6),
    costs=st.tuples(*[st.integers(-50, 1_500)] * 6),
    depth=st.integers(10**6, 10**9),
    band_frac=st.sampled_from([0.05, 0.25, 1.0]),
)
def test_moves_take_no_more_than_there_is_and_come_to_an_end_without_going_back(
    held: tuple[int, ...],
    shares: tuple[int, ...],
    fees: tuple[int, ...],
    costs: tuple[int, ...],
    depth: int,
    band_frac: float,
) -> None:
    config = RebalanceConfig(band_frac=band_frac)
    wanted = {"BTC": dict(zip(VENUES, map(float, shares), strict=True))}
    inventory = Inventory(InventoryConfig(shares=wanted), INSTRUMENTS)
    lying = dict(zip(VENUES, held, strict=True))
    ways = [Way("BTC", *pair, 50, fee, 0) for pair, fee in zip(PAIRS, fees, strict=True)]
    trades = [
        TradeWay("BTC", *pair, cost, depth, ((ord(pair[0]) - 97, -1), (ord(pair[1]) - 97, 1)))
        for pair, cost in zip(PAIRS, costs, strict=True)
    ]
    gave: set[str] = set()
    took: set[str] = set()
    for _ in range(1_200):
        for venue, atoms in lying.items():
            inventory.hold(venue, "BTC", atoms)
        found = proposals(config, inventory, ways, trades).proposals
        if not found:
            break
        out = {venue: sum(one.atoms for one in found if one.from_venue == venue) for venue in VENUES}
        assert all(atoms <= lying[venue] for venue, atoms in out.items())
        before = _off(inventory)
        for one in found:
            lying[one.from_venue] -= one.atoms
            lying[one.to_venue] += one.atoms - max(0, one.cost_atoms)
        # What passes a venue is on its way through; what a venue gives or gets in all never turns.
        net = {venue: lying[venue] - inventory.held_atoms(venue, "BTC") for venue in VENUES}
        gave |= {venue for venue, atoms in net.items() if atoms < -(before // 100)}
        took |= {venue for venue, atoms in net.items() if atoms > before // 100}
        for venue, atoms in lying.items():
            inventory.hold(venue, "BTC", atoms)
        assert _off(inventory) < before
    else:
        raise AssertionError("it never ends")
    assert not gave & took


def _off(inventory: Inventory) -> int:
    targets = inventory.targets("BTC")
    return sum(abs(inventory.held_atoms(venue, "BTC") - atoms) for venue, atoms in targets.items())
