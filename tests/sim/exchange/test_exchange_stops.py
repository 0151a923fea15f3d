"""Orders that wait for a price, and market orders measured in quote."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from domain.units import atoms
from sim.exchange.exchange import Exchange
from sim.exchange.exchange_stops import STOPS_MAX
from sim.exchange.messages import (
    WAITING,
    CancelAllPlaced,
    CancelPlaced,
    ExchangeErrorKind,
    ExecutionKind,
    OrderStatusKind,
    PlaceOrder,
)
from tests.sim.exchange.exchange_builders import (
    ALICE,
    BOB,
    BUY,
    COIN,
    FLOW,
    GTC,
    MARKET,
    SELL,
    depth_changes,
    executions,
    place,
    public_trades,
    random_commands,
    refusal,
    small_config,
)

NEW, TRADE, CANCELED, EXPIRED = (
    ExecutionKind.NEW,
    ExecutionKind.TRADE,
    ExecutionKind.CANCELED,
    ExecutionKind.EXPIRED,
)
STATUS = OrderStatusKind


def with_(order: PlaceOrder, **changes: Any) -> PlaceOrder:
    """Change an order."""
    return msgspec.structs.replace(order, **changes)


def stop(account: int, side: int, stop_ticks: int, price: int = 0, size: int = 10) -> PlaceOrder:
    """Build a stop order, at market where it has no price."""
    return with_(place(account, side, price, size, GTC if price else MARKET), stop_ticks=stop_ticks)


def trade_at(x: Exchange, price: int) -> list[Any]:
    """Let the crowd trade two lots at a price, through an empty book."""
    x.step(place(FLOW, SELL, price, 2))
    return x.step(place(BOB, BUY, price, 2))


def test_a_stop_waits_with_its_money_locked_and_shows_in_no_depth() -> None:
    x = Exchange(small_config())
    outputs = x.step(stop(ALICE, SELL, -950, price=940))
    assert executions(outputs) == [(NEW, 1, STATUS.NEW, 0, 0)] and depth_changes(outputs) == []
    (order,) = x.open_orders(ALICE)
    assert (order.working_ns, order.stop_ticks) == (WAITING, -950)
    assert x.balances(ALICE)["COIN"] == (atoms("99"), atoms("1"))
    assert x.depth(COIN, 5) == (0, (), ())
    outputs = x.step(CancelPlaced(2, ALICE, COIN, 1))
    assert executions(outputs)[0][0] == CANCELED and depth_changes(outputs) == []
    assert x.balances(ALICE)["COIN"] == (atoms("100"), 0)
    assert not x.markets[COIN].waiting


def test_a_stop_enters_the_book_when_its_price_trades() -> None:
    x = Exchange(small_config())
    x.step(stop(ALICE, SELL, -950, price=940))
    trade_at(x, 960)
    assert x.best(COIN) == (0, 0)
    outputs = trade_at(x, 950)
    assert executions(outputs)[-1] == (NEW, 1, STATUS.NEW, 0, 0)
    (order,) = x.open_orders(ALICE)
    assert order.working_ns == 1 and x.best(COIN) == (0, 940)
    assert x.balances(ALICE)["COIN"][1] == atoms("1")
    assert len(depth_changes(outputs)) == 1


def test_stops_at_market_trade_at_once_and_call_others() -> None:
    x = Exchange(small_config())
    for price in (1010, 1020, 1030):
        x.step(place(FLOW, SELL, price, 10))
    x.step(stop(ALICE, BUY, 1020, size=5))
    x.step(stop(BOB, BUY, 1010, size=15))
    assert x.balances(ALICE)["CASH"][1] == atoms("5.1")
    outputs = x.step(place(BOB, BUY, 1010, 1))
    done = {one[1]: one[2] for one in executions(outputs)}
    # Bob's stop takes what is left at 1010 and goes on to 1020, which is Alice's price.
    assert (done[4], done[5]) == (STATUS.FILLED, STATUS.FILLED)
    assert [one.price_ticks for one in public_trades(outputs)] == [1010, 1010, 1020, 1020, 1030]
    assert x.balances(ALICE)["CASH"][1] == x.balances(BOB)["CASH"][1] == 0
    assert len(depth_changes(outputs)) == 1 and x.best(COIN) == (0, 1030)


def test_a_take_profit_waits_for_the_other_side_and_expires_where_nobody_stands() -> None:
    x = Exchange(small_config())
    x.step(stop(ALICE, SELL, 1050))
    x.step(stop(BOB, BUY, -950))
    outputs = trade_at(x, 1050)
    assert executions(outputs)[-2:] == [(NEW, 1, STATUS.NEW, 0, 0), (EXPIRED, 1, STATUS.EXPIRED, 0, 0)]
    assert x.balances(ALICE)["COIN"] == (atoms("100"), 0)
    assert [one.order_id for one in x.open_orders(BOB)] == [2]


def test_bad_stops_are_refused() -> None:
    x = Exchange(small_config())
    for order in (stop(ALICE, SELL, -1000), stop(ALICE, BUY, 1000), stop(ALICE, BUY, -1001)):
        assert refusal(x.step(order)) == ExchangeErrorKind.WOULD_TRIGGER
    assert refusal(x.step(stop(ALICE, BUY, 1100, size=1000))) == ExchangeErrorKind.BALANCE
    for _ in range(STOPS_MAX):
        assert refusal(x.step(stop(ALICE, BUY, 1100))) is None
    assert refusal(x.step(stop(ALICE, BUY, 1100))) == ExchangeErrorKind.TOO_MANY_STOPS
    assert refusal(x.step(stop(BOB, BUY, 1100))) is None
    x.markets[COIN].tick_multiple = 10
    assert refusal(x.step(stop(BOB, BUY, 1105))) == ExchangeErrorKind.PRICE_FILTER
    assert len(executions(x.step(CancelAllPlaced(9, ALICE, COIN)))) == STOPS_MAX


@pytest.mark.parametrize(("side", "second", "lots"), [(BUY, 1100, 14), (SELL, 900, 15)])
def test_a_market_order_by_quote_takes_as_many_lots_as_that_buys_or_sells(
    side: int, second: int, lots: int
) -> None:
    x = Exchange(small_config())
    for price in (1000, second):
        x.step(place(FLOW, -side, price, 10))
    outputs = x.step(with_(place(ALICE, side, 0, 0, MARKET), quote_atoms=atoms("15")))
    assert [one.price_ticks for one in public_trades(outputs)] == [1000, second]
    order = x.order(ALICE, COIN, 3)
    assert order is not None and order.status == STATUS.FILLED
    assert (order.size_lots, order.filled_lots) == (lots, lots)


def test_an_order_by_quote_that_finds_too_little_expires_in_part() -> None:
    x = Exchange(small_config())
    x.step(place(FLOW, SELL, 1000, 10))
    outputs = x.step(with_(place(ALICE, BUY, 0, 0, MARKET), quote_atoms=atoms("50")))
    assert [(one[0], one[2], one[3]) for one in executions(outputs) if one[1] == 2] == [
        (NEW, STATUS.NEW, 0),
        (TRADE, STATUS.PARTIALLY_FILLED, 10),
        (EXPIRED, STATUS.EXPIRED, 10),
    ]


def test_orders_by_quote_that_cannot_be_paid_or_are_too_small_are_refused() -> None:
    x = Exchange(small_config())
    order = with_(place(ALICE, BUY, 0, 0, MARKET), quote_atoms=atoms("5000"))
    assert refusal(x.step(order)) == ExchangeErrorKind.BALANCE
    assert refusal(x.step(with_(order, quote_atoms=atoms("0.5")))) == ExchangeErrorKind.LOT_SIZE
    assert refusal(x.step(with_(order, quote_atoms=atoms("5")))) == ExchangeErrorKind.NO_LIQUIDITY
    x.step(place(FLOW, BUY, 1000, 1000))
    assert refusal(x.step(with_(order, side=SELL))) == ExchangeErrorKind.BALANCE


def _mixed(seed: int, number: int) -> list[Any]:
    """Draw a busy mixture with stops and orders by quote in it."""
    draw = random.Random(seed)
    commands: list[Any] = []
    for drawn in random_commands(seed, number):
        each = drawn
        if isinstance(each, PlaceOrder) and draw.random() < 0.3:
            if each.tif == MARKET:
                each = with_(each, size_lots=0, quote_atoms=draw.randrange(1, 200) * atoms("1"))
            elif draw.random() < 0.7:
                level = 1000 + draw.randrange(-25, 26)
                at_market = draw.random() < 0.4
                each = with_(
                    each,
                    stop_ticks=level if draw.random() < 0.5 else -level,
                    tif=MARKET if at_market else each.tif % 3,
                    price_ticks=0 if at_market else each.price_ticks,
                )
        commands.append(each)
    return commands


def test_money_is_kept_and_a_restored_exchange_goes_on_exactly_with_stops_in_it() -> None:
    x = Exchange(small_config())
    commands = _mixed(3, 4_000)
    totals = [x.accounts.total(asset) for asset in range(3)]
    triggered = 0
    for at, command in enumerate(commands[:2_500]):
        news = [one[1] for one in executions(x.step(command)) if one[0] == NEW]
        triggered += len(news) > 1
        if at % 500 == 499:
            assert Exchange.restore(x.config, x.snapshot()).state_hash() == x.state_hash()
    assert triggered > 20 and x.markets[COIN].waiting
    y = Exchange.restore(x.config, x.snapshot())
    for command in commands[2_500:]:
        assert y.step(command) == x.step(command)
    assert y.state_hash() == x.state_hash()
    assert [x.accounts.total(asset) for asset in range(3)] == totals
    for account in (ALICE, BOB):
        assert min(x.accounts.free[account]) >= 0 and min(x.accounts.locked[account]) >= 0
        for instrument in (0, 1):
            x.step(CancelAllPlaced(9_999, account, instrument))
        assert x.accounts.locked[account] == [0, 0, 0]
