"""The venue's account against ours: quantity is the venue's word, attribution is ours."""

from __future__ import annotations

from agents.order import CANCELLED, FILLED, OPEN, UNKNOWN
from domain.actions import Alarm, CancelOrder, FetchAccount, SendOrder
from domain.control_events import Clocked, HaltSet, NodeStarted, StopRequested
from domain.ids import client_id
from domain.lifecycle import Lifecycle
from domain.order_events import (
    AccountSnapshot,
    Fill,
    OpenOrder,
    OrderClosed,
    OrderLinkLost,
    OrderLinkUp,
)
from domain.units import ATOMS_PER_UNIT
from tests.agents.builders import MS, VENUE, Rig, S, Scripted, agent_table, quotes


def rig(**changes: object) -> Rig:
    made = Rig(agent_table(1, **{}), **changes)
    made.node.desk.agents[1].strategy = Scripted()
    made.start()
    return made


def stranger(**changes: object) -> OpenOrder:
    wanted: dict[str, object] = {"client_id": 0, "client_text": "by-hand", "venue_order_id": 900}
    wanted |= {"instrument": 0, "side": 1, "tif": 0, "price_ticks": 9_000, "size_lots": 500, "filled_lots": 0}
    return OpenOrder(**(wanted | changes))  # type: ignore[arg-type]


def foreign_fill(r: Rig, number: int, trade_id: int, size: int = 100) -> Fill:
    market = r.instruments[0]
    r.venue.totals["BTC"] += size * market.lot_atoms
    r.venue.totals["USDT"] -= market.notional_atoms(10_000, size)
    fill = Fill(number, r.now_ns, 0, trade_id, 9, 1, 10_000, size, 0, "BTC", True, r.now_ns)
    r.venue.trades.append(fill)
    return fill


def alarms(r: Rig) -> list[str]:
    return [action.kind for action in r.log if isinstance(action, Alarm)]


def test_the_first_account_ever_opens_the_books() -> None:
    r = rig()
    assert r.node.report(0).balances[VENUE] == r.venue.totals
    assert r.node.report(0).reconciled


def test_history_before_the_first_account_is_nobodys_position() -> None:
    r = Rig(agent_table(1))
    foreign_fill(r, client_id(1, 9, 9), 41)
    r.start()
    assert r.node.desk.fills == 0 and r.node.markets[0].trades.watermark == 41
    assert r.node.report(0).reconciled


def test_an_agent_trades_only_when_its_account_is_reconciled() -> None:
    r = Rig(agent_table(1))
    agent = r.node.desk.agents[1]
    r.step(NodeStarted(r.now_ns, "", ""))
    r.lease(1)
    assert agent.lifecycle == Lifecycle.STANDBY
    r.step(OrderLinkUp(VENUE, r.now_ns))
    assert agent.lifecycle == Lifecycle.ACTIVE
    r.step(OrderLinkLost(VENUE, r.now_ns, "cut"))
    assert agent.lifecycle == Lifecycle.STANDBY


def test_a_missed_fill_is_found_in_the_account() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.tick()
    (order,) = r.venue.orders.values()
    r.venue.fill(order.client_id, 1000, r.now_ns)
    r.node.desk.agents[1].desire = None
    r.wait(11)
    assert r.node.desk.agents[1].position.net_lots == 1000
    assert r.node.desk.closed[order.client_id].state == FILLED and r.node.report(0).reconciled


def test_a_fill_of_an_order_that_the_journal_lost_goes_to_the_agent_of_its_shard() -> None:
    r = rig()
    foreign_fill(r, client_id(1, 1, 77), 5)
    r.wait(12)
    assert r.node.desk.agents[1].position.net_lots == 100
    assert r.node.report(0).reconciled


def test_an_open_order_that_the_journal_lost_is_adopted_only_to_be_cancelled() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    (sent,) = [a for a in r.step(r.tick_event(), answered=False) if isinstance(a, SendOrder)]
    again = rig()
    again.venue.place(sent, again.now_ns)
    actions = again.wait(12)
    assert CancelOrder(sent.client_id, 0) in actions
    assert again.venue.orders[sent.client_id].state == CANCELLED
    assert not again.node.desk.working and again.node.report(0).reconciled


def test_an_open_order_that_is_not_ours_blocks_its_market_until_it_is_gone() -> None:
    r = rig()
    r.venue.strangers.append(stranger())
    r.venue.strangers.append(stranger(client_id=client_id(1, 1, 1), client_text="", instrument=1))
    r.wait(11)
    assert r.node.report(0).unexplained == ("test-x order by-hand", "test-x order 900")
    assert r.node.markets[0].risk.blocked and r.node.markets[1].risk.blocked
    assert not r.node.markets[2].risk.blocked and not r.node.report(0).reconciled
    assert alarms(r) == ["order-not-ours"] * 2
    r.venue.strangers.clear()
    r.wait(11)
    assert not r.node.markets[0].risk.blocked and r.node.report(0).reconciled


def test_an_order_that_had_ended_but_is_listed_is_cancelled_and_alarming() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)), quotes())
    r.tick()
    r.tick()
    (number,) = r.node.desk.closed
    r.wait(1)
    r.venue.strangers.append(stranger(client_id=number))
    actions = r.wait(11)
    assert CancelOrder(number, 0) in actions and alarms(r) == ["order-not-ours"]
    assert r.node.markets[0].risk.blocked


def test_a_balance_that_differs_twice_is_unexplained_and_blocks_its_markets() -> None:
    r = rig()
    r.venue.totals["ETH"] += 5
    r.wait(10.2)
    assert not r.node.report(0).unexplained, "one look is not enough"
    r.wait(2)
    assert r.node.report(0).unexplained == ("test-x balance ETH",)
    assert [market.risk.blocked for market in r.node.markets.values()] == [False, True, True]
    assert alarms(r) == ["balance-unexplained"] and not r.node.report(0).reconciled
    r.venue.totals["ETH"] -= 5
    r.wait(11)
    assert r.node.report(0).reconciled


def test_balances_are_compared_only_when_nothing_moves() -> None:
    r = rig()
    account = r.node.accounts[VENUE]
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.step(r.tick_event(), answered=False)
    account.asked(r.now_ns)
    snapshot = r.venue.account({}, r.now_ns)
    snapshot.balances["ETH"] = (1, 0)
    r.step(snapshot)
    assert account.difference == {} and account.fetch_due_ns > 0


def test_an_account_that_nobody_asked_for_proves_nothing() -> None:
    r = rig()
    account = r.node.accounts[VENUE]
    wrong = {"BTC": (1, 2)}
    for _ in range(3):
        r.step(AccountSnapshot(VENUE, r.now_ns, wrong, (), ()))
    assert not account.unexplained and account.difference == {}
    before = r.node.state()
    assert r.step(AccountSnapshot("elsewhere", r.now_ns, wrong, (), ())) == []
    assert r.node.state() == before


def test_an_order_missing_from_the_account_is_doubted_and_asked_for() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.tick()
    (order,) = r.node.desk.working.values()
    del r.venue.orders[order.client_id]
    for _ in range(20 * 11):
        r.now_ns += 50 * MS
        r.wait(0.05)
        if order.state == UNKNOWN:
            break
    assert order.state == UNKNOWN
    r.node.desk.agents[1].desire = None
    r.wait(8)
    assert order.state == CANCELLED


def test_an_unanswered_fetch_is_asked_again() -> None:
    r = rig()
    r.node.accounts[VENUE].asked(r.now_ns)
    actions = r.wait(4.9)
    assert not any(isinstance(action, FetchAccount) for action in actions)
    assert any(isinstance(action, FetchAccount) for action in r.wait(0.3))


def test_a_long_memory_of_trades_asks_for_the_account() -> None:
    r = rig()
    r.node.markets[0].trades.above = set(range(100, 100 + 511))
    r.step(foreign_fill(r, client_id(1, 1, 5), 99))
    assert r.node.accounts[VENUE].fetch_due_ns == r.now_ns


def test_a_restart_cancels_what_stood_and_trades_again_under_a_new_epoch() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.tick()
    (order,) = r.node.desk.working.values()
    r.step(NodeStarted(r.now_ns, "", ""))
    assert order.state == UNKNOWN and r.node.gate.epoch == 0
    r.lease(1)
    assert r.node.gate.epoch == 0, "an epoch that an earlier life used does not count"
    r.step(OrderLinkUp(VENUE, r.now_ns))
    r.lease(2)
    r.wait(1)
    assert r.venue.orders[order.client_id].state == CANCELLED
    assert r.node.desk.agents[1].lifecycle == Lifecycle.ACTIVE and r.node.gate.epoch == 2


def test_stopping_cancels_everything_and_ends_reconciled() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000), (-1, 10_001, 1000)))
    r.tick()
    r.step(StopRequested(r.now_ns))
    report = r.node.report(0)
    assert report.stopping and report.flat_of_orders and not report.reconciled
    r.wait(0.1)
    assert r.node.report(0).reconciled
    assert all(order.state == CANCELLED for order in r.venue.orders.values())


def test_stopping_takes_a_second_look_at_a_difference() -> None:
    r = rig()
    r.venue.totals["BTC"] += ATOMS_PER_UNIT
    r.step(StopRequested(r.now_ns))
    r.wait(1.2)
    assert r.node.report(0).unexplained == ("test-x balance BTC",) and not r.node.report(0).reconciled


def test_a_resume_stands_for_trades_that_nobody_explains() -> None:
    r = rig()
    r.step(foreign_fill(r, 0, 8))
    assert r.node.markets[0].risk.blocked
    r.wait(2)
    assert not r.node.report(0).reconciled
    r.step(HaltSet(r.now_ns, True, 1, "look"))
    r.step(HaltSet(r.now_ns, False, 2, "seen"))
    assert not r.node.markets[0].risk.blocked and r.node.report(0).reconciled
    r.now_ns += S


def lost_order(r: Rig) -> SendOrder:
    """Place an order that another node's journal holds and this one's does not."""
    other = rig()
    other.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    (sent,) = [a for a in other.step(other.tick_event(), answered=False) if isinstance(a, SendOrder)]
    r.venue.place(sent, r.now_ns)
    return sent


def test_a_lost_order_that_filled_between_two_readings_of_the_account_is_over_once_balances_agree() -> None:
    r = rig()
    sent = lost_order(r)
    listed = r.venue.account({}, r.now_ns).open_orders
    r.venue.fill(sent.client_id, 400, r.now_ns)
    asked = [a for a in r.node.step(OrderLinkUp(VENUE, r.now_ns)) if isinstance(a, FetchAccount)]
    snapshot = r.venue.account(dict(asked[0].since_trade_ids), r.now_ns)
    r.step(AccountSnapshot(VENUE, r.now_ns, snapshot.balances, listed, snapshot.fills))
    r.wait(3)
    assert not r.node.desk.working and r.node.report(0).reconciled
    assert r.node.desk.closed[sent.client_id].state == CANCELLED
    assert r.node.desk.closed[sent.client_id].filled_lots == 400
    assert r.node.desk.agents[1].position.net_lots == 400
    assert r.node.desk.agents[1].risk.buy_lots == 0
    assert r.node.gate.in_flight == 0 and r.node.markets[0].risk.quote.reserved_atoms == 0


def test_an_end_whose_fills_never_come_is_taken_after_the_window_and_alarmed() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.tick()
    (number,) = r.venue.orders
    r.node.desk.agents[1].desire = None
    r.venue.totals["USDT"] += 1
    r.venue.orders[number].state, r.venue.orders[number].filled = CANCELLED, 600
    r.step(OrderClosed(number, r.now_ns, CANCELLED, 600))
    r.wait(4)
    assert r.node.desk.working[number].open_lots == 600, "what is owed counts"
    r.wait(14)
    assert not r.node.desk.working and "fills-missing" in alarms(r)
    assert r.node.desk.agents[1].position.net_lots == 0 and r.node.desk.agents[1].risk.buy_lots == 0
    assert r.node.markets[0].risk.blocked, "the balance is unexplained"


def test_an_answer_that_nobody_waited_for_proves_no_end() -> None:
    r = rig()
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    before = r.venue.account({}, r.now_ns)
    r.tick()
    (order,) = r.node.desk.working.values()
    r.now_ns += S
    r.step(before)
    assert order.state == OPEN
    r.venue.cancel(order.client_id, r.now_ns)
    listed = r.venue.account({}, r.now_ns)
    r.step(OrderClosed(order.client_id, r.now_ns, CANCELLED, 0))
    r.now_ns += S
    r.step(AccountSnapshot(VENUE, r.now_ns, listed.balances, (stranger(client_id=order.client_id),), ()))
    assert "order-not-ours" not in alarms(r)


def test_a_first_account_that_was_read_while_something_traded_does_not_open_the_books() -> None:
    r = Rig(agent_table(1))
    r.step(NodeStarted(r.now_ns, "", ""))
    r.step(OrderLinkUp(VENUE, r.now_ns), answered=False)
    read = r.venue.account({}, r.now_ns)
    r.step(foreign_fill(r, client_id(1, 9, 9), 41))
    r.step(read)
    r.wait(3)
    report = r.node.report(0)
    assert report.balances[VENUE] == r.venue.totals and report.reconciled


def test_an_account_that_is_not_heard_of_for_long_stops_its_agents_until_it_is() -> None:
    r = rig()
    for _ in range(65 * 20):
        r.now_ns += 50 * MS
        r.step(Clocked(r.now_ns), answered=False)
    agent = r.node.desk.agents[1]
    assert agent.lifecycle == Lifecycle.STANDBY and alarms(r) == ["account-silent"]
    r.wait(6)
    assert agent.lifecycle == Lifecycle.ACTIVE and r.node.report(0).reconciled


def test_what_finds_no_room_in_the_list_of_the_unexplained_still_blocks_its_market() -> None:
    r = rig()
    for trade_id in range(1, 301):
        r.step(foreign_fill(r, 0, trade_id))
    stray = Fill(0, r.now_ns, 1, 7, 9, 1, 10_000, 100, 0, "ETH", True, r.now_ns)
    market = r.instruments[1]
    r.venue.totals["ETH"] += 100 * market.lot_atoms
    r.venue.totals["USDT"] -= market.notional_atoms(10_000, 100)
    r.venue.trades.append(stray)
    r.step(stray)
    r.wait(12)
    assert len(r.node.report(0).unexplained) == 257
    assert r.node.markets[1].risk.blocked and not r.node.markets[2].risk.blocked
    r.step(HaltSet(r.now_ns, True, 1, "look"))
    r.step(HaltSet(r.now_ns, False, 2, ""))
    assert not r.node.report(0).unexplained and not r.node.markets[1].risk.blocked
