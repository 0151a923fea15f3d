"""Every call of the dialect, once: REST and the WebSocket API are two doors to this table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.instrument import Instrument
from domain.units import PPM, atoms_text, decimal_text
from sim.exchange import dialect_market as market_words
from sim.exchange import dialect_orders as order_words
from sim.exchange.dialect_errors import DialectError, missing, order_missing, refusal
from sim.exchange.dialect_market import MS, Json
from sim.exchange.dialect_params import Params
from sim.exchange.messages import (
    CancelAllPlaced,
    CancelPlaced,
    Execution,
    ExecutionKind,
    Output,
    PlacedOrder,
    Refused,
)

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue

Run = Callable[["Venue", Params, int], object]


@dataclass(frozen=True)
class Call:
    """One call: who may make it and what it does. A direct one reads no state and waits for nothing."""

    run: Run
    signed: bool = False
    direct: bool = False


def _ping(venue: Venue, params: Params, account: int) -> Json:
    return {}


def _time(venue: Venue, params: Params, account: int) -> Json:
    return {"serverTime": venue.now_ms()}


def _exchange_info(venue: Venue, params: Params, account: int) -> Json:
    symbol = params.text("symbol")
    markets = list(venue.markets.values()) if symbol is None else [params.market(venue.markets)]
    running = [venue.exchange.markets[market.index] for market in markets]
    return market_words.exchange_info(running, venue.now_ms())


def _depth(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    return market_words.depth(market, *venue.exchange.depth(market.index, params.limit(100, 5_000)))


def _trades(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    found = venue.exchange.public_trades(market.index, params.limit(500, 1_000))
    return [market_words.public_trade(market, one) for one in found]


def _agg_trades(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    limit, first = params.limit(500, 1_000), params.integer("fromId")
    since_ms, until_ms = params.integer("startTime"), params.integer("endTime")
    found = venue.exchange.public_trades(market.index, 1_000)
    if first is not None:
        found = [one for one in found if one.trade_id >= first][:limit]
    if since_ms is not None:
        found = [one for one in found if one.now_ns // MS >= since_ms][:limit]
    if until_ms is not None:
        found = [one for one in found if one.now_ns // MS <= until_ms]
    return [market_words.agg_trade(market, one) for one in found[-limit:]]


def _one_or_all(venue: Venue, params: Params, write: Callable[[Instrument], Json]) -> object:
    if params.text("symbol") is not None:
        return write(params.market(venue.markets))
    return [write(market) for market in venue.markets.values()]


def _book_ticker(venue: Venue, params: Params, account: int) -> object:
    return _one_or_all(
        venue, params, lambda market: market_words.ticker_book(market, venue.best(market.index))
    )


def _price_ticker(venue: Venue, params: Params, account: int) -> object:
    return _one_or_all(
        venue,
        params,
        lambda market: {"symbol": market.symbol, "price": venue.tickers.last_price(market)},
    )


def _day_ticker(venue: Venue, params: Params, account: int) -> object:
    now_ms = venue.now_ms()
    return _one_or_all(
        venue, params, lambda market: venue.tickers.day(market, venue.best(market.index), now_ms)
    )


def _place(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    command = order_words.read_order(params, market, account, venue.now_ns())
    kind = order_words.answer_kind(params, command.tif)
    outputs = _done(venue.apply(command))
    reports = [one for one in outputs if isinstance(one, Execution) and one.order.account == account]
    own_id = next(one.order.order_id for one in reports if one.kind == ExecutionKind.NEW)
    own = [one for one in reports if one.order.order_id == own_id]
    fills = [one for one in own if one.kind == ExecutionKind.TRADE]
    return order_words.placed_answer(market, own[-1].order, fills, kind, command.now_ns // MS)


def _place_test(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    command = order_words.read_order(params, market, account, venue.now_ns())
    order_words.answer_kind(params, command.tif)
    return {}


def _cancel(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    order_id, text = _which(params)
    name = params.client_id("newClientOrderId")
    command = CancelPlaced(venue.now_ns(), account, market.index, order_id, text)
    outputs = _done(venue.apply(command, name))
    order = _cancelled(outputs)[0]
    return order_words.cancelled_answer(
        market, order, name or order_words.cancel_text(order.order_id), command.now_ns // MS
    )


def _cancel_all(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    command = CancelAllPlaced(venue.now_ns(), account, market.index)
    orders = _cancelled(_done(venue.apply(command)))
    at_ms = command.now_ns // MS
    return [
        order_words.cancelled_answer(market, one, order_words.cancel_text(one.order_id), at_ms)
        for one in orders
    ]


def _order(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    order_id, text = _which(params)
    order = venue.exchange.order(account, market.index, order_id, text)
    if order is None:
        raise order_missing()
    return order_words.order_answer(market, order)


def _open_orders(venue: Venue, params: Params, account: int) -> list[Json]:
    one = None if params.text("symbol") is None else params.market(venue.markets)
    markets = venue.exchange.instruments
    orders = venue.exchange.open_orders(account, None if one is None else one.index)
    return [order_words.order_answer(markets[order.instrument], order) for order in orders]


def _all_orders(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    first, limit = params.integer("orderId"), params.limit(500, 1_000)
    orders = venue.exchange.all_orders(account, market.index, first, limit)
    return [order_words.order_answer(market, one) for one in orders]


def _my_trades(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    order_id, first = params.integer("orderId"), params.integer("fromId")
    found = venue.trades(account, market.index, first, params.limit(500, 1_000), order_id)
    return [order_words.account_trade(market, one) for one in found]


def _account(venue: Venue, params: Params, account: int) -> Json:
    maker_ppm, taker_ppm = venue.fees(account)
    rates = {"maker": maker_ppm, "taker": taker_ppm, "buyer": 0, "seller": 0}
    return {
        "makerCommission": maker_ppm * 10_000 // PPM,
        "takerCommission": taker_ppm * 10_000 // PPM,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {name: decimal_text(ppm, 6) for name, ppm in rates.items()},
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": venue.now_ms(),
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": atoms_text(free), "locked": atoms_text(locked)}
            for asset, free, locked in venue.balances(account)
        ],
        "permissions": ["SPOT"],
        "uid": account,
    }


def _coins(venue: Venue, params: Params, account: int) -> list[Json]:
    return [
        {
            "coin": asset,
            "name": asset,
            "free": atoms_text(free),
            "locked": atoms_text(locked),
            "depositAllEnable": False,
            "withdrawAllEnable": False,
            "trading": True,
            "isLegalMoney": False,
            "networkList": [],
        }
        for asset, free, locked in venue.balances(account)
    ]


def _no_margin(venue: Venue, params: Params, account: int) -> list[Json]:
    """Stock clients ask what can be traded on margin before they list the markets: nothing can."""
    return []


def _which(params: Params) -> tuple[int, str]:
    order_id, text = params.integer("orderId"), params.client_id("origClientOrderId")
    if order_id is None and text == "":
        raise missing("orderId")
    return (0 if order_id is None else order_id), text


def _done(outputs: Sequence[Output]) -> Sequence[Output]:
    first = outputs[0]
    if isinstance(first, Refused):
        raise refusal(first.kind)
    return outputs


def _cancelled(outputs: Sequence[Output]) -> list[PlacedOrder]:
    return [one.order for one in outputs if isinstance(one, Execution) and one.kind == ExecutionKind.CANCELED]


PING, TIME = Call(_ping, direct=True), Call(_time, direct=True)
EXCHANGE_INFO = Call(_exchange_info)
DEPTH, TRADES, AGG_TRADES = Call(_depth), Call(_trades), Call(_agg_trades)
BOOK_TICKER, PRICE_TICKER, DAY_TICKER = Call(_book_ticker), Call(_price_ticker), Call(_day_ticker)
PLACE, PLACE_TEST = Call(_place, signed=True), Call(_place_test, signed=True)
CANCEL, CANCEL_ALL = Call(_cancel, signed=True), Call(_cancel_all, signed=True)
ORDER, OPEN_ORDERS = Call(_order, signed=True), Call(_open_orders, signed=True)
ALL_ORDERS, MY_TRADES = Call(_all_orders, signed=True), Call(_my_trades, signed=True)
ACCOUNT, COINS = Call(_account, signed=True), Call(_coins, signed=True)
NO_MARGIN = Call(_no_margin, direct=True)

REST_CALLS: dict[tuple[str, str], Call] = {
    ("GET", "/api/v3/ping"): PING,
    ("GET", "/api/v3/time"): TIME,
    ("GET", "/api/v3/exchangeInfo"): EXCHANGE_INFO,
    ("GET", "/api/v3/depth"): DEPTH,
    ("GET", "/api/v3/trades"): TRADES,
    ("GET", "/api/v3/aggTrades"): AGG_TRADES,
    ("GET", "/api/v3/ticker/bookTicker"): BOOK_TICKER,
    ("GET", "/api/v3/ticker/price"): PRICE_TICKER,
    ("GET", "/api/v3/ticker/24hr"): DAY_TICKER,
    ("POST", "/api/v3/order"): PLACE,
    ("POST", "/api/v3/order/test"): PLACE_TEST,
    ("DELETE", "/api/v3/order"): CANCEL,
    ("GET", "/api/v3/order"): ORDER,
    ("GET", "/api/v3/openOrders"): OPEN_ORDERS,
    ("DELETE", "/api/v3/openOrders"): CANCEL_ALL,
    ("GET", "/api/v3/allOrders"): ALL_ORDERS,
    ("GET", "/api/v3/myTrades"): MY_TRADES,
    ("GET", "/api/v3/account"): ACCOUNT,
    ("GET", "/sapi/v1/capital/config/getall"): COINS,
    ("GET", "/sapi/v1/margin/allPairs"): NO_MARGIN,
    ("GET", "/sapi/v1/margin/isolated/allPairs"): NO_MARGIN,
    ("GET", "/sapi/v1/margin/allAssets"): NO_MARGIN,
}

WS_CALLS: dict[str, Call] = {
    "ping": PING,
    "time": TIME,
    "exchangeInfo": EXCHANGE_INFO,
    "depth": DEPTH,
    "trades.recent": TRADES,
    "trades.aggregate": AGG_TRADES,
    "ticker.book": BOOK_TICKER,
    "ticker.price": PRICE_TICKER,
    "ticker.24hr": DAY_TICKER,
    "order.place": PLACE,
    "order.test": PLACE_TEST,
    "order.cancel": CANCEL,
    "order.status": ORDER,
    "openOrders.status": OPEN_ORDERS,
    "openOrders.cancelAll": CANCEL_ALL,
    "allOrders": ALL_ORDERS,
    "myTrades": MY_TRADES,
    "account.status": ACCOUNT,
}


def unknown_method(name: str) -> DialectError:
    """Say that there is no such call."""
    return DialectError(-1020, f"This operation is not supported: {name[:64]!r}.")
