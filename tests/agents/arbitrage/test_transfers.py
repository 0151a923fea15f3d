"""Transfers: an operator sends, and the node believes what balances show."""

from __future__ import annotations

from agents.node import Node
from arbitrage.stock.moves import MoveState
from domain.control_events import MoveOrdered, MovesPlanned
from domain.moves import TRADE
from tests.agents.arbitrage.rebalancing import BTC, WAY, order, plan, rig, state
from tests.agents.arbitrage.rig import BTC_B, A, B, Rig, alarms


def taken() -> Rig:
    """Start a node of which an operator took the transfer that it proposed: 60 BTC from B to A."""
    r = rig(ways=(WAY,), execute=False, late_s=30.0)
    plan(r)
    assert [(one.kind, one.amount) for one in r.node.report(r.now_ns).moves] == [
        ("transfer", "60.0000000000")
    ]
    assert order(r, 1, "arb-1", "take") == ""
    return r


def pay(r: Rig, venue: str, atoms: int) -> None:
    """Move a venue's balance as a transfer does, and let the node reconcile."""
    r.venues[venue].totals["BTC"] += atoms
    r.quiet(12)


def free(r: Rig, venue: str) -> int:
    wallet = r.node.accounts[venue].wallets["BTC"]
    return wallet.total_atoms - wallet.reserved_atoms


def test_a_transfer_is_believed_as_balances_show_it_and_blocks_nothing() -> None:
    r = taken()
    assert free(r, B) == 40 * BTC  # nobody else spends what is about to leave
    pay(r, B, -60 * BTC)
    assert state(r) == MoveState.FLYING and free(r, B) == 40 * BTC
    assert r.group.valuation.inventory.total_atoms("BTC") == 200 * BTC - BTC // 100
    pay(r, A, 60 * BTC - BTC // 100)
    assert state(r) == MoveState.ARRIVED and alarms(r.log) == []
    assert r.node.report(r.now_ns).reconciled and r.balances_agree()
    assert not any(market.risk.blocked for market in r.node.markets.values())
    plan(r)
    assert r.group.rebalancer.moves.live == {}  # nothing is off any more


def test_a_transfer_that_was_sent_before_it_was_told_is_explained_afterwards() -> None:
    r = rig(ways=(WAY,), execute=False)
    plan(r)
    pay(r, B, -60 * BTC)
    assert alarms(r.log) == ["balance-unexplained"] and not r.node.report(r.now_ns).reconciled
    assert order(r, 1, "arb-1", "take") == ""
    r.quiet(12)
    assert state(r) == MoveState.FLYING and r.node.report(r.now_ns).unexplained == ()


def test_what_is_not_the_transfer_is_unexplained_as_ever() -> None:
    r = taken()
    pay(r, B, -59 * BTC)
    assert state(r) == MoveState.TAKEN and alarms(r.log) == ["balance-unexplained"]
    assert r.node.markets[BTC_B].risk.blocked


def test_a_transfer_that_does_not_arrive_is_alarmed_and_counted_no_more() -> None:
    r = taken()
    pay(r, B, -60 * BTC)
    r.quiet(90)
    assert state(r) == MoveState.OVERDUE and alarms(r.log) == ["transfer-overdue"]
    assert r.group.valuation.inventory.flying_atoms("BTC") == 0
    pay(r, A, 60 * BTC - BTC // 100)
    assert state(r) == MoveState.ARRIVED and r.balances_agree()


def test_a_transfer_that_is_dropped_frees_what_it_would_have_taken() -> None:
    r = taken()
    assert order(r, 2, "arb-1", "drop") == "" and free(r, B) == 100 * BTC
    plan(r)
    (trade,) = r.group.rebalancer.moves.live.values()
    assert trade.proposal.kind == TRADE  # the plan goes round what was dropped
    assert order(r, 3, "arb-1", "take") == "it is over: dropped"


def test_a_command_is_obeyed_once_and_nonsense_is_answered() -> None:
    r = taken()
    assert order(r, 2, "arb-9", "take").startswith("it is proposed no more")
    assert order(r, 3, "other-1", "take") == "there is no move 'other-1'"
    assert order(r, 4, "arb-x", "take") == "there is no move 'arb-x'"
    assert order(r, 5, "arb-1", "burn") == "a move can be taken or dropped, not 'burn'"
    r.step(MoveOrdered(r.now_ns, 5, "arb-1", "drop"))
    r.step(MoveOrdered(r.now_ns, 1, "arb-1", "drop"))
    assert state(r) == MoveState.TAKEN


def test_a_node_without_arbitrage_answers_too() -> None:
    r = Rig()
    node = Node(r.config.model_copy(update={"arbitrage": ()}), r.instruments)
    node.step(MoveOrdered(5, 1, "arb-1", "take"))
    node.step(MovesPlanned(6, "arb", (), 6))
    assert (node.report(7).move_command_id, node.report(7).move_answer) == (1, "there is no move 'arb-1'")


def test_a_restart_in_the_middle_of_a_transfer_forgets_nothing() -> None:
    r = taken()
    r.restart(2)
    assert state(r) == MoveState.TAKEN and free(r, B) == 40 * BTC
    assert r.node.report(r.now_ns).move_command_id == 1
    r.step(MoveOrdered(r.now_ns, 1, "arb-1", "drop"))  # told again by a grant: heard already
    pay(r, B, -60 * BTC)
    r.restart(3)
    assert state(r) == MoveState.FLYING and free(r, B) == 40 * BTC
    pay(r, A, 60 * BTC - BTC // 100)
    assert state(r) == MoveState.ARRIVED and r.balances_agree()


def test_a_transfer_survives_a_change_of_the_markets_where_its_venues_are_still_there() -> None:
    r = taken()
    kept = r.node.state()
    fewer = r.config.model_copy(update={"arbitrage": (r.config.arbitrage[0].model_copy(
        update={"symbols": ("BTCUSDT",)}),)})  # fmt: skip
    node = Node(fewer, r.instruments)
    node.restore(kept)
    (group,) = node.groups
    assert [MoveState(one.state) for one in group.rebalancer.moves.live.values()] == [MoveState.TAKEN]
    assert group.valuation.inventory.flying_atoms("BTC", A) == 60 * BTC - BTC // 100


def test_every_input_again_leads_to_the_same_moves() -> None:
    r = rig(ways=(WAY,), trade_every_s=1.0)
    plan(r)
    order(r, 1, "arb-1", "take")
    pay(r, B, -60 * BTC)
    again = Node(r.config, r.instruments)
    for event in r.inputs:
        again.step(event)
    assert again.state() == r.node.state()
