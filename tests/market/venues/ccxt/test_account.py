"""The account is read whole, from one moment, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ccxt
import pytest

from domain.errors import ExitCode, SwarmError
from hw.clock import SystemClock
from market.venues.ccxt.account import PAGE, Account
from market.venues.ccxt.client import Client
from market.venues.ccxt.own_orders import OwnOrders
from tests.market.venue_server import in_loop
from tests.market.venues.ccxt.builders import BTC, ONE, SYMBOL, Script, config, order, own_trade


@pytest.fixture
def account_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], Account]:
    def account_of(script: Script) -> Account:
        monkeypatch.setattr("market.venues.ccxt.client.exchange_of", script.exchange)
        account = Account(Client(config(), SystemClock(), keys=False), (BTC,), OwnOrders())
        account.name_markets()
        return account

    return account_of


Maker = Callable[[Script], Account]


def balance(free: float, used: float = 0.0) -> dict[str, Any]:
    return {"total": {"BTC": free + used, "X": 0}, "BTC": {"free": free, "used": used}, "X": {"free": 0}}


@pytest.mark.parametrize(
    "answer", [{"total": {"BTC": 1}}, {"total": None}, None, {"total": {"X": 1}, "X": {"free": "x"}}]
)
def test_a_balance_that_cannot_be_read_may_be_asked_for_again(account_of: Maker, answer: Any) -> None:
    @in_loop
    async def run() -> None:
        with pytest.raises(SwarmError) as told:
            await account_of(Script(fetch_balance=answer)).balances()
        assert told.value.retryable and told.value.code == ExitCode.VENUE_DOWN

    run()


def test_balances_without_noughts(account_of: Maker) -> None:
    @in_loop
    async def run() -> None:
        assert await account_of(Script(fetch_balance=balance(0.5, 0.25))).balances() == {
            "BTC": (5 * 10**9, 25 * 10**8)
        }

    run()


def test_a_snapshot_is_read_again_while_something_trades(account_of: Maker) -> None:
    @in_loop
    async def run() -> None:
        amounts, trades = [1.0, 2.0, 2.0], [own_trade(5)]
        script = Script(fetch_order=order(), fetch_open_orders=[order(), order(symbol="LTC/USDT", id="8")])
        script.answers["fetch_balance"] = lambda: balance(amounts.pop(0))

        def newer(*_: Any) -> list[Any]:
            trades.append(own_trade(5 + len(trades)))
            return trades

        script.answers["fetch_my_trades"] = newer
        account = account_of(script)
        snapshot = await account.snapshot(((0, 5),), SystemClock().now_ns)
        assert [fill.trade_id for fill in snapshot.fills] == [6, 7] and amounts == []
        assert {fill.client_id for fill in snapshot.fills} == {ONE}
        ours, other = snapshot.open_orders
        assert (ours.client_id, ours.instrument) == (ONE, 0)
        assert (other.client_id, other.instrument, other.venue_order_id) == (0, -1, 8)

    run()


def test_a_truth_names_open_orders_and_belongs_to_one_moment(account_of: Maker) -> None:
    @in_loop
    async def run() -> None:
        amounts = [1.0, 2.0, 2.0]
        script = Script(fetch_open_orders=[order(clientOrderId=None), order(id="8")])
        script.answers["fetch_balance"] = lambda: balance(amounts.pop(0))
        truth = await account_of(script).truth()
        assert len(truth.open_order_ids) == 2 and "77" in truth.open_order_ids
        assert truth.balances["BTC"][0] == 2 * 10**10 and amounts == []

    run()


def test_open_orders_are_asked_for_market_by_market_where_the_exchange_wants_that(account_of: Maker) -> None:
    @in_loop
    async def run() -> None:
        script = Script()
        script.answers["fetch_open_orders"] = lambda *symbol: (
            [order()] if symbol else ccxt.ArgumentsRequired("symbol")
        )
        assert len(await account_of(script).open_orders()) == 1
        assert script.asked("fetch_open_orders") == [(), (SYMBOL,)]

    run()


@pytest.mark.parametrize("listed", [[None], [order(symbol=None, id=None, side=[])], [order(side="?")]])
def test_open_orders_that_cannot_be_read_may_be_asked_for_again(account_of: Maker, listed: Any) -> None:
    @in_loop
    async def run() -> None:
        script = Script(fetch_open_orders=listed, fetch_balance=balance(1))
        with pytest.raises(SwarmError, match="open orders") as told:
            await account_of(script).snapshot((), SystemClock().now_ns)
        assert told.value.retryable

    run()


@pytest.mark.parametrize(
    "listed", [[None], [own_trade(5, id=None, timestamp=None)], [own_trade(5, order="9", price="x")]]
)
def test_own_trades_that_cannot_be_read_may_be_asked_for_again(account_of: Maker, listed: Any) -> None:
    @in_loop
    async def run() -> None:
        account = account_of(Script(fetch_my_trades=listed, fetch_order=order()))
        with pytest.raises(SwarmError, match="own trades") as told:
            await account.fills(0, 0, 1)
        assert told.value.retryable

    run()


def pages(name: str, trades: list[dict[str, Any]], page: int) -> Script:
    """An exchange with so many trades of which it lists so many at a time, the newest unless asked."""
    script = Script(name, fetch_order=order())

    def listed(symbol: str | None, since: None, limit: int, asked: dict[str, Any]) -> list[Any]:
        known = trades if symbol is None else [one for one in trades if one["symbol"] == symbol]
        if "fromId" in asked:
            return [one for one in known if int(one["id"]) >= asked["fromId"]][:page]
        if "ofs" in asked:
            return known[::-1][asked["ofs"] : asked["ofs"] + page]
        return [one for one in known if one["timestamp"] <= asked.get("until", 1 << 60)][-page:]

    script.answers["fetch_my_trades"] = listed
    return script


@pytest.mark.parametrize(("name", "page"), [("binance", PAGE), ("kraken", 50), ("scripted", 100)])
@pytest.mark.parametrize("since", [0, 1, 700, 1_200])
def test_more_own_trades_than_a_page_are_all_read(
    account_of: Maker, name: str, page: int, since: int
) -> None:
    @in_loop
    async def run() -> None:
        strange = own_trade(9_999, symbol="LTC/USDT", timestamp=600)
        trades = [own_trade(number) for number in range(1, 1_201)]
        trades.insert(600, strange)
        fills = await account_of(pages(name, trades, page)).fills(0, since, 1)
        assert [fill.trade_id for fill in fills] == list(range(since + 1, 1_201))

    run()


@pytest.mark.parametrize(("name", "page"), [("binance", PAGE), ("kraken", 50), ("scripted", 100)])
def test_a_known_trade_that_is_not_listed_leaves_a_hole_that_is_not_hidden(
    account_of: Maker, name: str, page: int
) -> None:
    @in_loop
    async def run() -> None:
        trades = [own_trade(number) for number in range(10, 400)]
        with pytest.raises(SwarmError, match="trade 5 is known but was not listed"):
            await account_of(pages(name, trades, page)).fills(0, 5, 1)

    run()


def test_an_exchange_that_lists_for_ever_is_given_up(
    account_of: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    @in_loop
    async def run() -> None:
        monkeypatch.setattr("market.venues.ccxt.account.PAGES_MAX", 2)
        trades = [own_trade(number) for number in range(1, 1_400)]
        with pytest.raises(SwarmError, match="more than 2 pages"):
            await account_of(pages("binance", trades, PAGE)).fills(0, 0, 1)
        assert await account_of(pages("binance", [], PAGE)).newest_trade(0) == 0
        assert await account_of(pages("binance", trades, PAGE)).newest_trade(0) == 1_399

    run()


def test_trouble_while_asking_whose_a_trade_is_is_not_called_a_strangers(account_of: Maker) -> None:
    @in_loop
    async def run() -> None:
        script = Script(fetch_my_trades=[own_trade(5)], fetch_order=ccxt.ExchangeNotAvailable("503"))
        account = account_of(script)
        with pytest.raises(SwarmError, match="is down"):
            await account.fills(0, 0, 1)
        script.answers["fetch_order"] = order()
        assert [fill.client_id for fill in await account.fills(0, 0, 1)] == [ONE]

    run()
