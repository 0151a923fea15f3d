"""A market halts, breaks off or gets another tick while it runs."""

from __future__ import annotations

from sim.exchange.exchange import Exchange
from sim.exchange.messages import (
    CancelPlaced,
    ExchangeErrorKind,
    ExecutionKind,
    MarketChanged,
    MarketStatus,
    OrderStatusKind,
    SetMarket,
)
from tests.sim.exchange.exchange_builders import (
    ALICE,
    BOB,
    BUY,
    COIN,
    FLOW,
    PAIR,
    SELL,
    depth_changes,
    executions,
    place,
    refusal,
    small_config,
)

NEW, TRADE, CANCELED = ExecutionKind.NEW, ExecutionKind.TRADE, ExecutionKind.CANCELED
KIND, STATUS = ExecutionKind, OrderStatusKind


def test_a_market_that_breaks_off_cancels_all_and_takes_nothing_until_it_trades_again() -> None:
    x = Exchange(small_config())
    x.step(place(ALICE, BUY, 990, 10))
    x.step(place(FLOW, SELL, 1010, 10))
    x.step(place(FLOW, SELL, 1010, 10, instrument=PAIR))
    outputs = x.step(SetMarket(5, COIN, MarketStatus.BREAK, 1))
    assert outputs[0] == MarketChanged(5, COIN, MarketStatus.BREAK, 1)
    assert [one[2] for one in executions(outputs)] == [OrderStatusKind.CANCELED] * 2
    assert depth_changes(outputs)[0].bids == ((990, 0),) and x.best(COIN) == (0, 0)
    assert x.best(PAIR) == (0, 1010) and x.balances(ALICE)["CASH"][1] == 0
    assert refusal(x.step(place(ALICE, BUY, 990, 10))) == ExchangeErrorKind.MARKET_CLOSED
    assert refusal(x.step(SetMarket(6, COIN, MarketStatus.BREAK, 1))) == ExchangeErrorKind.NO_CHANGE
    assert Exchange.restore(x.config, x.snapshot()).state_hash() == x.state_hash()
    x.step(SetMarket(7, COIN, MarketStatus.TRADING, 1))
    assert refusal(x.step(place(ALICE, BUY, 990, 10))) is None


def test_a_halted_market_keeps_its_orders_and_lets_them_be_cancelled() -> None:
    x = Exchange(small_config())
    x.step(place(ALICE, BUY, 990, 10))
    assert len(x.step(SetMarket(5, COIN, MarketStatus.HALT, 1))) == 1
    assert x.best(COIN) == (990, 0)
    assert refusal(x.step(place(ALICE, BUY, 990, 10))) == ExchangeErrorKind.MARKET_CLOSED
    assert refusal(x.step(CancelPlaced(6, ALICE, COIN, 1))) is None


def test_a_new_tick_size_binds_new_orders_and_leaves_old_ones_alone() -> None:
    x = Exchange(small_config())
    x.step(place(ALICE, BUY, 993, 10))
    x.step(SetMarket(5, COIN, MarketStatus.TRADING, 10))
    assert refusal(x.step(place(BOB, BUY, 991, 10))) == ExchangeErrorKind.PRICE_FILTER
    assert refusal(x.step(place(BOB, BUY, 990, 10))) is None
    assert x.depth(COIN, 5)[1] == ((993, 10), (990, 10))
    again = Exchange.restore(x.config, x.snapshot())
    assert refusal(again.step(place(BOB, BUY, 991, 10))) == ExchangeErrorKind.PRICE_FILTER
