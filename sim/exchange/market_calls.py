"""What anybody may ask: rules, time, depth, trades, tickers, bars."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from domain.instrument import Instrument
from sim.exchange import dialect_market as words
from sim.exchange.candles import INTERVALS
from sim.exchange.dialect_call import Call, by_limit, by_symbol, by_symbols, each_symbol
from sim.exchange.dialect_errors import DialectError, missing
from sim.exchange.dialect_market import MS, Json
from sim.exchange.dialect_params import Params
from sim.exchange.messages import PublicTrade
from sim.exchange.server_tickers import kline_row

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue

_WINDOW = re.compile(r"([1-9]|[1-5][0-9])m|([1-9]|1[0-9]|2[0-3])h|[1-7]d")
_UNIT_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MINI = (
    "symbol",
    "openPrice",
    "highPrice",
    "lowPrice",
    "lastPrice",
    "volume",
    "quoteVolume",
    "openTime",
    "closeTime",
    "firstId",
    "lastId",
    "count",
)


def _ping(venue: Venue, params: Params, account: int) -> Json:
    return {}


def _time(venue: Venue, params: Params, account: int) -> Json:
    return {"serverTime": venue.now_ms()}


def _exchange_info(venue: Venue, params: Params, account: int) -> Json:
    markets = params.some_markets(venue.markets)
    if markets is None:
        one = params.text("symbol") is not None
        markets = [params.market(venue.markets)] if one else list(venue.markets.values())
    running = [venue.exchange.markets[market.index] for market in markets]
    return words.exchange_info(running, venue.config, venue.now_ms())


def no_markets(venue: Venue, params: Params, account: int) -> Json:
    """Answer stock clients that ask for futures and options markets too: there are none."""
    return {
        "timezone": "UTC",
        "serverTime": venue.now_ms(),
        "rateLimits": words.rate_limits(venue.config.limits),
        "exchangeFilters": [],
        "assets": [],
        "symbols": [],
        "optionContracts": [],
        "optionAssets": [],
        "optionSymbols": [],
    }


def _depth(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    return words.depth(market, *venue.exchange.depth(market.index, params.limit(100, 5_000)))


def _trades(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    found = _some(venue, market, params.integer("fromId"), params.limit(500, 1_000))
    return [words.public_trade(market, one) for one in found]


def _agg_trades(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    limit, first = params.limit(500, 1_000), params.integer("fromId")
    since_ms, until_ms = params.times()
    if first is not None:
        found = _some(venue, market, first, limit)
        return [words.agg_trade(market, one) for one in found]
    found = venue.exchange.public_trades(market.index, venue.config.public_trades_kept)
    if until_ms is not None:
        found = [one for one in found if one.now_ns // MS <= until_ms]
    if since_ms is not None:
        found = [one for one in found if one.now_ns // MS >= since_ms][:limit]
    return [words.agg_trade(market, one) for one in found[-limit:]]


def _some(venue: Venue, market: Instrument, first: int | None, limit: int) -> list[PublicTrade]:
    """Give the latest trades, or the first from an id on."""
    if first is None:
        return venue.exchange.public_trades(market.index, limit)
    found = venue.exchange.public_trades(market.index, venue.config.public_trades_kept)
    return [one for one in found if one.trade_id >= first][:limit]


def _klines(venue: Venue, params: Params, account: int) -> list[list[object]]:
    market = params.market(venue.markets)
    interval = INTERVALS.get(params.need("interval"))
    if interval is None:
        raise DialectError(-1120, "Invalid interval.")
    since_ms, until_ms = params.times()
    limit = params.limit(500, 1_000)
    bars = venue.tickers.klines(market, interval, venue.now_ms(), since_ms, until_ms, limit)
    return [kline_row(market, interval, bar) for bar in bars]


def _mean_price(venue: Venue, params: Params, account: int) -> Json:
    market, now_ms = params.market(venue.markets), venue.now_ms()
    return {"mins": 5, "price": venue.tickers.mean_price(market, now_ms), "closeTime": now_ms}


def _one_or_more(venue: Venue, params: Params, write: Callable[[Instrument], Json]) -> object:
    markets = params.some_markets(venue.markets)
    if markets is None:
        if params.text("symbol") is not None:
            return write(params.market(venue.markets))
        markets = list(venue.markets.values())
    return [write(market) for market in markets]


def _book_ticker(venue: Venue, params: Params, account: int) -> object:
    return _one_or_more(venue, params, lambda market: words.ticker_book(market, venue.best(market.index)))


def _price_ticker(venue: Venue, params: Params, account: int) -> object:
    return _one_or_more(
        venue,
        params,
        lambda market: {"symbol": market.symbol, "price": venue.tickers.last_price(market)},
    )


def _day_ticker(venue: Venue, params: Params, account: int) -> object:
    now_ms, write = venue.now_ms(), _full_or_mini(params)
    return _one_or_more(
        venue, params, lambda market: write(venue.tickers.day(market, venue.best(market.index), now_ms))
    )


def _window_ticker(venue: Venue, params: Params, account: int) -> object:
    now_ms, write = venue.now_ms(), _full_or_mini(params)
    size = params.text("windowSize") or "1d"
    if _WINDOW.fullmatch(size) is None:
        raise DialectError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    span_ms = int(size[:-1]) * _UNIT_MS[size[-1]]
    _need_markets(params)
    return _one_or_more(venue, params, lambda market: write(venue.tickers.window(market, now_ms, span_ms)))


def _trading_day(venue: Venue, params: Params, account: int) -> object:
    now_ms, write = venue.now_ms(), _full_or_mini(params)
    _need_markets(params)
    since_midnight_ms = now_ms % _UNIT_MS["d"]
    return _one_or_more(
        venue, params, lambda market: write(venue.tickers.window(market, now_ms, since_midnight_ms))
    )


def _need_markets(params: Params) -> None:
    if params.text("symbol") is None and params.text("symbols") is None:
        raise missing("symbol")


def _full_or_mini(params: Params) -> Callable[[Json], Json]:
    if params.choice("type", ("FULL", "MINI")) != "MINI":
        return lambda ticker: ticker
    return lambda ticker: {name: ticker[name] for name in _MINI}


PING, TIME = Call(_ping, direct=True), Call(_time, direct=True)
EXCHANGE_INFO = Call(_exchange_info, weight=20)
DEPTH = Call(_depth, weight=by_limit((100, 5), (500, 25), (1_000, 50), (5_000, 250), default=100))
TRADES, AGG_TRADES = Call(_trades, weight=25), Call(_agg_trades, weight=4)
OLD_TRADES = Call(_trades, weight=25, keyed=True)
KLINES, MEAN_PRICE = Call(_klines, weight=2), Call(_mean_price, weight=2)
BOOK_TICKER, PRICE_TICKER = Call(_book_ticker, weight=by_symbol(2, 4)), Call(_price_ticker, by_symbol(2, 4))
DAY_TICKER = Call(_day_ticker, weight=by_symbols(2, ((20, 2), (100, 40)), 80))
WINDOW_TICKER = Call(_window_ticker, weight=each_symbol(4, 200))
TRADING_DAY = Call(_trading_day, weight=each_symbol(4, 200))
NO_MARKETS = Call(no_markets, direct=True)
