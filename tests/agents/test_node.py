"""A node's life: leases, halts, feeds, clocks and warmth."""

from __future__ import annotations

from typing import Any

import pytest

from agents.node import Node
from agents.strategies.momentum import Momentum
from domain.actions import Alarm, CancelOrder, FetchBook, LifecycleChanged, SendOrder
from domain.control_events import Clocked, ClockStepped, HaltSet, LeaseGranted, LeaseRevoked, SignalUpdated
from domain.errors import ConfigError
from domain.events import Event
from domain.lifecycle import Lifecycle
from domain.market_events import BookDelta, BookSnapshot, FeedLost, FeedUp, Tick, Trade
from domain.order import RefusalReason, RefusedOrder, TimeInForce
from domain.order_events import OrderLinkLost, OrderLinkUp
from domain.units import ATOMS_PER_UNIT
from market.book import AGE_NS_MAX
from tests.agents.builders import (
    MS,
    VENUE,
    Rig,
    S,
    Scripted,
    agent_table,
    config,
    instrument,
    quotes,
    target,
)


def rig(*wanted: Any, **changes: Any) -> Rig:
    made = Rig(agent_table(1, **changes))
    made.node.desk.agents[1].strategy = Scripted(*wanted)
    made.start()
    return made


def seen(r: Rig) -> list[Event]:
    script = r.node.desk.agents[1].strategy
    assert isinstance(script, Scripted)
    return script.seen


def lives(r: Rig) -> list[str]:
    return [Lifecycle(a.state).name for a in r.log if isinstance(a, LifecycleChanged)]


def kinds(actions: list[Any]) -> list[str]:
    return [action.kind for action in actions if isinstance(action, Alarm)]


def test_an_agent_warms_for_its_ticks_and_then_acts() -> None:
    r = rig(*(quotes((1, 9_999, 1000)),) * 5, warm_ticks=4)  # the first is the book's own
    assert r.node.desk.agents[1].lifecycle == Lifecycle.WARMING
    for _ in range(2):
        assert r.tick() == []
    assert any(isinstance(action, SendOrder) for action in r.tick())
    assert lives(r) == ["ACTIVE"]


def test_without_a_lease_an_agent_stands_by() -> None:
    r = Rig(agent_table(1))
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_999, 1000)))
    r.step(OrderLinkUp(VENUE, r.now_ns))
    r.step(FeedUp(VENUE, r.now_ns))
    assert not any(isinstance(action, SendOrder) for action in r.tick())
    assert r.node.desk.agents[1].lifecycle in (Lifecycle.WARMING, Lifecycle.STANDBY)


def test_a_lease_that_runs_out_means_reduce_only_and_then_flat() -> None:
    r = rig(target(1000, "take"))
    r.tick()
    agent = r.node.desk.agents[1]
    assert agent.position.net_lots == 1000
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 9_990, 1000), (-1, 10_010, 1000)))
    r.lease(1, seconds=1)
    r.tick()
    opening = [order for order in r.node.desk.working.values() if order.side > 0]
    actions = r.wait(1.5)
    assert "lease-lapsed" in kinds(actions) and agent.lifecycle == Lifecycle.REDUCE_ONLY
    assert CancelOrder(opening[0].client_id, 0) in actions
    sends = [a.approved.intent for a in actions if isinstance(a, SendOrder)]
    assert all(intent.side < 0 and intent.tif == TimeInForce.POST for intent in sends)
    assert agent.position.net_lots == 1000
    for _ in range(12):
        r.tick()
        r.wait(1)
    assert agent.position.net_lots == 0 and not r.node.desk.working


def test_reduce_only_keeps_a_target_that_is_nearer_to_flat() -> None:
    r = rig(target(-1000, "take"))
    r.tick()
    agent = r.node.desk.agents[1]
    agent.desire = target(-400)
    r.step(LeaseRevoked(r.now_ns, "moved"))
    assert agent.lifecycle == Lifecycle.REDUCE_ONLY
    (order,) = r.node.desk.working.values()
    assert (order.side, order.size_lots) == (1, 600)
    agent.desire = target(-2000)
    actions = r.step(Clocked(r.now_ns))
    assert actions == [CancelOrder(order.client_id, 0)], "growing is not for now"


def test_a_renewed_lease_makes_the_agent_active_again() -> None:
    r = rig()
    r.step(LeaseRevoked(r.now_ns, "late"))
    r.step(LeaseRevoked(r.now_ns, "late"))
    r.lease(1)
    assert lives(r) == ["STANDBY", "ACTIVE", "REDUCE_ONLY", "ACTIVE"]


def test_older_and_impossible_epochs_are_not_leases() -> None:
    r = rig()
    r.lease(5)
    for epoch in (4, 0, 1 << 20):
        r.lease(epoch, budget=7)
    assert (r.node.gate.epoch, r.node.gate.budget_atoms) == (5, 1_000_000 * ATOMS_PER_UNIT)


def test_a_new_epoch_cancels_what_the_old_one_sent() -> None:
    r = rig(quotes((1, 9_990, 1000)))
    r.tick()
    (order,) = r.node.desk.working.values()
    r.node.desk.agents[1].desire = None
    assert CancelOrder(order.client_id, 0) in r.lease(2)


def test_a_lease_that_comes_too_late_gives_nothing() -> None:
    r = rig(quotes((1, 9_990, 1000)))
    r.step(LeaseRevoked(r.now_ns, "x"))
    r.step(LeaseGranted(r.now_ns, 1, r.now_ns - 1, 10**15))
    assert r.node.desk.agents[1].lifecycle == Lifecycle.REDUCE_ONLY


def test_a_halt_cancels_everything_and_refuses_until_a_later_command() -> None:
    r = rig(*(quotes((1, 9_990, 1000)),) * 9)
    r.tick()
    actions = r.step(HaltSet(r.now_ns, True, 7, "drill"))
    assert any(isinstance(action, CancelOrder) for action in actions)
    report = r.node.report(0)
    assert report.halted and report.halt_command_id == 7 and report.flat_of_orders
    r.wait(1)
    assert r.tick() == [] and r.node.desk.agents[1].lifecycle == Lifecycle.HALTED
    for command in (6, 7):
        r.step(HaltSet(r.now_ns, False, command, "too old"))
        assert r.node.gate.halted
    r.step(HaltSet(r.now_ns, False, 8, "go on"))
    assert not r.node.gate.halted and any(isinstance(action, SendOrder) for action in r.tick())
    r.step(HaltSet(r.now_ns, True, 7, "late message"))
    assert not r.node.gate.halted
    r.step(HaltSet(r.now_ns, False, 9, "again"))
    r.step(HaltSet(r.now_ns, True, 8, "older than the word that all is well"))
    assert not r.node.gate.halted


def test_a_halt_outlives_a_restart() -> None:
    r = Rig(agent_table(1))
    r.start()
    r.step(HaltSet(r.now_ns, True, 7, "drill"))
    again = Node(r.config, r.instruments)
    again.restore(r.node.state())
    assert again.report(0).halted and again.desk.agents[1].lifecycle == Lifecycle.HALTED


def test_a_lost_feed_pulls_the_orders_and_a_new_one_brings_them_back() -> None:
    r = rig(*(quotes((1, 9_990, 1000)),) * 9)
    r.tick()
    actions = r.step(FeedLost(VENUE, r.now_ns, "cut"))
    assert kinds(actions) == ["feed-lost"] and any(isinstance(a, CancelOrder) for a in actions)
    assert r.node.report(0).stale_books == 3
    (refused,) = r.tick()
    assert isinstance(refused, RefusedOrder) and refused.reason == RefusalReason.STALE_MARKET
    actions = r.step(FeedUp(VENUE, r.now_ns))
    assert [a.instrument for a in actions if isinstance(a, FetchBook)] == [0, 1, 2]
    r.wait(0.5)
    assert r.node.report(0).stale_books == 0 and not r.node.desk.working
    r.tick()
    assert len(r.node.desk.working) == 1


def test_a_gap_in_the_book_makes_the_market_stale_until_it_is_fetched_again() -> None:
    r = rig(quotes((1, 9_990, 1000)))
    r.tick()
    r.node.desk.agents[1].desire = None
    r.step(BookDelta(0, r.now_ns, r.now_ns, 1, 5, ((9_998, 3),), ()))
    r.now_ns += S
    gap = BookDelta(0, r.now_ns, r.now_ns, 9, 9, (), ())
    actions = r.step(gap, answered=False)
    assert FetchBook(0) in actions and any(isinstance(a, CancelOrder) for a in actions)
    r.step(BookSnapshot(0, r.now_ns, r.now_ns, 20, ((9_990, 5),), ((10_000, 5),)))
    assert not r.node.markets[0].risk.stale


def test_a_book_newer_than_the_last_tick_gives_the_touch() -> None:
    r = rig()
    assert r.node.markets[0].risk.bid_ticks == 9_999
    r.step(BookDelta(0, r.now_ns, r.now_ns, 1, 2, ((10_000, 3),), ()))
    assert r.node.markets[0].risk.bid_ticks == 10_000
    r.tick(9_997, 9_999)
    r.step(BookDelta(0, r.now_ns, r.now_ns, 3, 4, ((9_998, 3),), ()))
    assert r.node.markets[0].risk.bid_ticks == 9_997, "an older book does not move it back"


def test_a_book_that_nobody_updates_goes_stale_by_age() -> None:
    r = rig(quotes((1, 9_990, 1000)))
    r.tick()
    r.node.desk.agents[1].desire = None
    actions = r.wait(AGE_NS_MAX / S + 1)
    assert any(isinstance(action, CancelOrder) for action in actions)
    assert sum(isinstance(action, FetchBook) for action in actions) == 3


def test_a_stepped_clock_is_an_alarm_and_makes_markets_stale() -> None:
    r = rig()
    actions = r.step(ClockStepped(r.now_ns, 5 * S), answered=False)
    assert kinds(actions) == ["clock-stepped"] and r.node.report(0).stale_books == 3
    r.step(FeedLost(VENUE, r.now_ns, "cut"))
    assert not any(isinstance(a, FetchBook) for a in r.step(ClockStepped(r.now_ns, 5 * S)))


def test_a_lost_order_link_doubts_what_was_in_flight_and_cancels_the_rest_later() -> None:
    r = rig(quotes((1, 9_990, 1000)), quotes((1, 9_990, 1000), (1, 9_980, 1000)))
    r.tick()
    r.now_ns += 10 * MS
    r.step(r.tick_event(), answered=False)
    actions = r.step(OrderLinkLost(VENUE, r.now_ns, "cut"))
    assert kinds(actions) == ["order-link-lost"]
    assert not any(isinstance(a, CancelOrder) for a in actions), "nothing can be sent"
    assert r.node.report(0).agents[0].orders.unknown == 1
    r.node.desk.agents[1].desire = None
    r.step(OrderLinkUp(VENUE, r.now_ns))
    r.wait(9)
    assert not r.node.desk.working and r.node.desk.agents[1].lifecycle == Lifecycle.ACTIVE


def test_events_of_other_venues_and_markets_change_nothing() -> None:
    r = rig()
    before, unknown = r.node.report(r.now_ns), r.node.pipeline.unknown_rows
    for event in (
        OrderLinkUp("elsewhere", r.now_ns),
        OrderLinkLost("elsewhere", r.now_ns, ""),
        r.tick_event(index=9),
        Trade(9, 0, 0, 1, 1, 1, 1),
        SignalUpdated(9, 0, 1.0, 1),
        BookDelta(9, 0, 0, 1, 1, (), ()),
    ):
        assert r.step(event) == []
    assert r.node.report(r.now_ns) == before and r.node.pipeline.unknown_rows == unknown + 3


def test_strategies_are_asked_on_ticks_signals_and_the_trades_that_they_want(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    r = rig()
    r.step(Trade(0, 0, r.now_ns, 1, 9_999, 5, 1))
    assert {type(event) for event in seen(r)} == {Tick}
    monkeypatch.setattr(Momentum, "wants_trades", True, raising=False)
    r = rig()
    r.tick()
    r.step(Trade(0, 0, r.now_ns, 1, 9_999, 5, 1))
    r.step(SignalUpdated(0, r.now_ns, 2.5, 1))
    assert [type(event).__name__ for event in seen(r)] == ["Tick", "Tick", "Trade", "SignalUpdated"]
    view = r.node.desk.agents[1].view
    assert (view.signal_bps(0), view.signal_bps(1)) == (2.5, None)


def test_the_view_shows_markets_without_copying() -> None:
    r = rig(target(1000, "take"))
    r.tick()
    view = r.node.desk.agents[1].view
    assert view.now_ns == r.now_ns and view.instrument(1).base == "ETH"
    assert view.book(0).bid_ticks == 9_999 and not view.book(0).stale
    assert view.ring(0).last(1)["bid_lots"].tolist() == [1000] and len(view.ring(1)) == 1
    assert view.position(0).net_lots == 1000 and view.position(1).net_lots == 0


def test_the_view_shows_bars_indicators_and_how_far_the_data_is_believed() -> None:
    r = Rig(agent_table(1), market={"indicators": ["sma:2", "microprice"]})
    r.start()
    view = r.node.desk.agents[1].view
    assert view.indicator(0, "sma:2") is None
    r.tick(9_999, 10_001)
    r.tick(10_001, 10_003)
    assert view.indicator(0, "sma:2") == pytest.approx(10_001)
    assert view.quality(0) == 0 and len(view.bars(0)) == 0
    for minute in range(3):
        at_ns = r.now_ns + minute * 60 * S
        r.step(Trade(0, at_ns, at_ns, minute + 1, 10_000 + minute, 5, 1))
    assert view.bars(0)["close_ticks"].tolist() == [10_000, 10_001]


def test_the_report_tells_of_markets_that_were_not_believed() -> None:
    r = rig()
    assert r.node.report(r.now_ns).markets == ()
    r.tick(10_002, 10_001)
    r.step(BookDelta(0, r.now_ns, r.now_ns, 70, 71, (), ()))
    (market,) = r.node.report(r.now_ns).markets
    assert (market.market, market.stale) == (f"{VENUE}:BTCUSDT", "gap")
    assert market.reasons == {"crossed": 1, "gap": 1} and market.mode == "full"


def test_nothing_is_sent_on_data_that_is_not_believed() -> None:
    r = rig(*(quotes((1, 9_990, 1000)),) * 3)
    r.tick(10_002, 10_001)
    r.node.desk.agents[1].desire = quotes((1, 9_990, 1000))
    made = r.step(Clocked(r.now_ns))
    assert [action.reason for action in made if isinstance(action, RefusedOrder)] == [
        RefusalReason.STALE_MARKET
    ]
    assert any(isinstance(action, SendOrder) for action in (*r.tick(), *r.wait(1)))


def test_a_pair_quoted_in_another_asset_is_valued_through_its_market() -> None:
    r = Rig(agent_table(1, symbol="ETHBTC"))
    r.node.desk.agents[1].strategy = Scripted(quotes((1, 500, 10_000), index=2))
    r.start()
    r.tick()
    r.step(Clocked(r.now_ns))
    r.tick(499, 501, index=2)
    report = r.node.report(0).agents[0]
    assert report.exposure_quote == pytest.approx(10 * 0.005 * 100)


def test_an_agent_on_a_market_that_the_venue_does_not_offer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"agent momentum-1 trades BTCUSDT.*does not offer"):
        Node(config(agent_table(1)), (instrument(1, "ETH"),))


def test_the_report_tells_orders_positions_and_money() -> None:
    r = rig(target(1000, "take"))
    r.tick()
    report = r.node.report(r.now_ns)
    (one,) = report.agents
    assert (one.name, one.venue, one.symbol, one.fills) == ("momentum-1", VENUE, "BTCUSDT", 1)
    assert (one.orders.intended, one.orders.approved, one.orders.sent, one.orders.filled) == (1, 1, 1, 1)
    assert one.position_text == "1.000 BTC"
    paid = 100.21 - 100.0 + 0.1
    assert one.pnl_quote == pytest.approx(-paid, abs=0.01)
    assert report.ticks == 4 and report.balances[VENUE] == r.venue.totals
