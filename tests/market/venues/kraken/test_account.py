"""The account is read until it agrees with itself, over all pages, or not told at all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from domain.ids import client_id, client_id_text
from domain.order import TimeInForce
from domain.order_events import AccountSnapshot, OrderLinkUp
from hw.clock import SystemClock
from market.venues.kraken.account import IDS_MAX, PAGE
from market.venues.kraken.names import order_number
from market.venues.kraken.venue import account_truth
from tests.market.venue_server import in_loop, until
from tests.market.venues.kraken.scripted import Json, Scripted, bad, good, scripted

ONE = client_id(3, 2, 1)


def traded(trade_id: int, pair: str = "XBTUSDT", order: str = "OONE", **more: Any) -> Json:
    return {"ordertxid": order, "pair": pair, "time": 1688669597.5 + trade_id, "type": "sell",
            "price": "45285.2", "vol": "0.001", "cost": "45.2852", "fee": "0.0725", "trade_id": trade_id,
            "maker": True, **more}  # fmt: skip


def order(text: str | None = client_id_text(ONE), pair: str = "XBTUSDT", **more: Any) -> Json:
    descr = {"pair": pair, "type": "buy", "ordertype": "limit", "price": "45285.2"}
    return {
        "status": "open",
        "descr": descr,
        "vol": "0.5",
        "vol_exec": "0.1",
        "opentm": 1,
        "cl_ord_id": text,
        **more,
    }


def account_of(venue: Scripted, trades: list[Json], orders: dict[str, Json] | None = None) -> None:
    """Script an account: trades newest first, 50 a page, and the orders that they belong to."""

    def listed(form: dict[str, str]) -> tuple[int, Any]:
        start, first = float(form.get("start", 0)), int(form["ofs"])
        newest = sorted((one for one in trades if one["time"] > start), key=lambda one: -one["time"])
        page = {f"T{one['pair']}{one['trade_id']}": one for one in newest[first : first + PAGE]}
        return good({"trades": page, "count": len(newest)})

    known = orders if orders is not None else {"OONE": order(), "OTWO": order("theirs")}
    venue.rest["TradesHistory"] = listed
    venue.rest["QueryOrders"] = lambda form: good(
        {one: known[one] for one in form["txid"].split(",") if one in known}
    )


async def snapshot_of(venue: Scripted, *since: tuple[int, int]) -> AccountSnapshot:
    async with venue.venue() as (adapter, heard):
        adapter.fetch_account(since)
        await until(lambda: heard.of(AccountSnapshot))
        found: AccountSnapshot = heard.of(AccountSnapshot)[0]
        return found


@in_loop
async def test_balances_open_orders_and_fills_are_told_in_our_names() -> None:
    async with scripted() as venue:
        account_of(venue, [traded(7),
                           traded(9, "ETHUSDT", "OTWO", fee_asset="XETH", fee_qty="0.0001", price="3000.5"),
                           traded(3, "DOGEUSDT")])  # fmt: skip
        listed = {"OONE": order(oflags="fciq,post"), "OTWO": order("theirs", timeinforce="IOC"),
                  "OSIX": order(None, "DOGEUSDT")}  # fmt: skip
        venue.rest["OpenOrders"] = lambda form: good({"open": listed})
        told = await snapshot_of(venue, (0, 0), (1, 0))
        assert told.balances == {"BTC": (12_500_000_000, 2_500_000_000), "USDT": (1_000_000_000_000, 0)}
        first, second, third = told.open_orders
        assert (first.client_id, first.client_text, first.instrument, first.side, first.tif) == (
            ONE, client_id_text(ONE), 0, 1, TimeInForce.POST,
        )  # fmt: skip
        assert (first.venue_order_id, first.price_ticks, first.size_lots, first.filled_lots) == (
            order_number("OONE"), 452_852, 50_000_000, 10_000_000,
        )  # fmt: skip
        assert (second.client_id, second.client_text, second.tif) == (0, "theirs", TimeInForce.IOC)
        assert (third.instrument, third.client_text, third.price_ticks) == (-1, "OSIX", 0)
        mine, theirs = told.fills
        assert (mine.instrument, mine.trade_id, mine.client_id, mine.side, mine.maker) == (
            0,
            7,
            ONE,
            -1,
            True,
        )
        assert (mine.fee_asset, mine.fee_atoms, mine.size_lots) == ("USDT", 725_000_000, 100_000)
        assert mine.exchange_ts_ns == 1_688_669_604_500_000_000
        assert (theirs.instrument, theirs.client_id, theirs.fee_asset, theirs.fee_atoms) == (
            1,
            0,
            "ETH",
            1_000_000,
        )


@in_loop
async def test_trades_are_read_over_all_pages_with_the_owners_of_many_orders() -> None:
    async with scripted() as venue:
        orders = {f"O{number:03d}": order() for number in range(IDS_MAX * 2 + 5)}
        trades = [traded(number + 1, order=f"O{number:03d}") for number in range(IDS_MAX * 2 + 5)]
        account_of(venue, trades, orders)
        told = await snapshot_of(venue, (0, 0), (1, 0))
        assert [fill.trade_id for fill in told.fills] == list(range(1, IDS_MAX * 2 + 6))
        assert len(venue.called("TradesHistory")) == 3 and len(venue.called("QueryOrders")) == 3
        assert {form["consolidate_taker"] for form in venue.called("TradesHistory")} == {"false"}


@in_loop
async def test_only_what_is_new_is_read_once_the_last_trades_are_known() -> None:
    async with scripted() as venue:
        trades = [traded(number) for number in range(1, 2 * PAGE + 2)]
        account_of(venue, trades)
        async with venue.venue() as (adapter, heard):
            for count, since in enumerate(((0, 0), (0, 2 * PAGE + 1), (0, 2 * PAGE + 1)), 1):
                adapter.fetch_account((since, (1, 0)))
                await until(lambda count=count: len(heard.of(AccountSnapshot)) == count)  # type: ignore[misc]
                if count == 2:
                    trades.append(traded(2 * PAGE + 2))
            known, again, after = heard.of(AccountSnapshot)
        assert len(known.fills) == 2 * PAGE + 1 and again.fills == ()
        assert [fill.trade_id for fill in after.fills] == [2 * PAGE + 2]
        starts = [form.get("start") for form in venue.called("TradesHistory")]
        assert starts[:3] == [None, None, None] and None not in starts[3:] and len(starts) == 5


@in_loop
async def test_a_market_that_traded_long_ago_is_paged_back_to_its_last_known_trade() -> None:
    async with scripted() as venue:
        trades = [
            traded(1, "ETHUSDT", price="3000.5"),
            *(traded(number) for number in range(2, 2 * PAGE + 10)),
        ]
        account_of(venue, trades)
        told = await snapshot_of(venue, (0, 2 * PAGE), (1, 1))
        assert [fill.trade_id for fill in told.fills] == list(range(2 * PAGE + 1, 2 * PAGE + 10))


@in_loop
async def test_a_known_trade_that_is_not_listed_makes_the_answer_unusable() -> None:
    async with scripted() as venue:
        trades: list[Json] = []
        account_of(venue, trades)
        async with venue.venue() as (adapter, heard):
            adapter.fetch_account(((0, 5),))
            await until(lambda: adapter.gateway.accounts.failed >= 2)
            assert not heard.of(AccountSnapshot)
            trades += [traded(5), traded(6)]
            await until(lambda: heard.of(AccountSnapshot))
            assert [fill.trade_id for fill in heard.of(AccountSnapshot)[0].fills] == [6]


@in_loop
async def test_an_account_that_moves_while_it_is_read_is_read_again() -> None:
    async with scripted() as venue:
        trades = [traded(1)]
        account_of(venue, trades)
        reads = iter(["1", "2", "2"])

        def moving(form: dict[str, str]) -> tuple[int, Any]:
            held = next(reads)
            if held == "2" and len(trades) == 1:
                trades.append(traded(2))
            return good({"XXBT": {"balance": held, "hold_trade": "0"}})

        venue.rest["BalanceEx"] = moving
        told = await snapshot_of(venue, (0, 0))
        assert [fill.trade_id for fill in told.fills] == [1, 2] and told.balances["BTC"] == (
            20_000_000_000,
            0,
        )


@in_loop
async def test_an_account_that_was_read_across_a_lost_link_is_not_told() -> None:
    async with scripted() as venue:
        account_of(venue, [traded(1)])
        async with venue.venue(rest_attempts=200) as (adapter, heard):
            cuts: list[asyncio.Future[Any]] = []

            def cutting(form: dict[str, str]) -> tuple[int, Any]:
                if not cuts:
                    cuts.append(asyncio.ensure_future(venue.order_sockets[-1].close()))
                return good({"open": {}}) if len(heard.of(OrderLinkUp)) > 1 else bad("EService:Busy")

            venue.rest["OpenOrders"] = cutting
            adapter.fetch_account(((0, 0),))
            # The token of the new link waits behind the call that keeps failing, so both take turns.
            await until(lambda: adapter.gateway.accounts.dropped == 1)
            assert not heard.of(AccountSnapshot)
            await cuts[0]


@pytest.mark.parametrize(
    ("name", "result"),
    [("BalanceEx", {"XXBT": {"balance": "x"}}), ("BalanceEx", 5),
     ("OpenOrders", {"open": {"O1": order(vol="x")}}),
     ("OpenOrders", {"open": {"O1": {}}}), ("TradesHistory", {"trades": {"T1": traded(1, price="0.01")}}),
     ("TradesHistory", {"trades": {"T1": traded(1, fee="x")}}),
     ("TradesHistory", {"trades": {"T1": traded(1, time="x")}}),
     ("QueryOrders", {}), ("QueryOrders", 5)],
)  # fmt: skip
def test_an_account_that_cannot_be_read_is_asked_for_again(name: str, result: Any) -> None:
    @in_loop
    async def run() -> None:
        async with scripted() as venue:
            account_of(venue, [traded(1)])
            venue.rest[name] = lambda form: good(result)
            async with venue.venue() as (adapter, heard):
                adapter.fetch_account(((0, 0),))
                await until(lambda: adapter.gateway.accounts.failed >= 2)
                assert not heard.of(AccountSnapshot)

    run()


@in_loop
async def test_the_venues_own_word_on_an_account() -> None:
    async with scripted() as venue:
        venue.rest["OpenOrders"] = lambda form: good({"open": {"OONE": order(), "OTWO": order(None)}})
        truth = await account_truth(venue.config(), SystemClock())
        assert truth.open_order_ids == ("OTWO", client_id_text(ONE)) and truth.totals["BTC"] == 15_000_000_000


@in_loop
async def test_a_venue_whose_balances_never_rest_is_believed_as_last_read() -> None:
    async with scripted() as venue:
        count = iter(range(1, 100))
        venue.rest["BalanceEx"] = lambda form: good({"XXBT": {"balance": next(count)}})
        truth = await account_truth(venue.config(), SystemClock())
        assert truth.totals["BTC"] == 50_000_000_000
        told = await snapshot_of(venue, (0, 0))
        assert told.balances["BTC"] == (100_000_000_000, 0)
