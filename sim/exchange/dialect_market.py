"""Public facts in the dialect: rules, depth, trades, tickers, stream events. Strings come from integers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domain.instrument import Instrument
from domain.market_events import Levels
from domain.units import ATOM_DECIMALS, atoms_text
from sim.exchange.config import ExchangeConfig, LimitsConfig
from sim.exchange.exchange_market import Market
from sim.exchange.exchange_stops import STOPS_MAX
from sim.exchange.messages import MarketStatus, PublicTrade

MS = 1_000_000
PRICE_TICKS_MAX = 10**12
# A limit price is at most so many times the last trade's, and at least that part of it; as BTCUSDT's rule.
BAND_TIMES = 5

Json = dict[str, object]

ORDER_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)

WEIGHT, REQUESTS = ("REQUEST_WEIGHT", "MINUTE", 1), ("RAW_REQUESTS", "MINUTE", 5)
ORDERS_10S, ORDERS_DAY = ("ORDERS", "SECOND", 10), ("ORDERS", "DAY", 1)

_BAND = {
    "bidMultiplierUp": str(BAND_TIMES),
    "bidMultiplierDown": str(1 / BAND_TIMES),
    "askMultiplierUp": str(BAND_TIMES),
    "askMultiplierDown": str(1 / BAND_TIMES),
}


def rate_limit(kind: tuple[str, str, int], limit: int) -> Json:
    """Describe one limit."""
    return {"rateLimitType": kind[0], "interval": kind[1], "intervalNum": kind[2], "limit": limit}


def rate_limits(limits: LimitsConfig) -> list[Json]:
    """List the limits as `exchangeInfo` does."""
    return [
        rate_limit(WEIGHT, limits.weight_minute),
        rate_limit(ORDERS_10S, limits.orders_10s),
        rate_limit(ORDERS_DAY, limits.orders_day),
        rate_limit(REQUESTS, limits.requests_5m),
    ]


def exchange_info(markets: Iterable[Market], config: ExchangeConfig, now_ms: int) -> Json:
    """Answer `exchangeInfo`."""
    return {
        "timezone": "UTC",
        "serverTime": now_ms,
        "rateLimits": rate_limits(config.limits),
        "exchangeFilters": [],
        "symbols": [symbol_info(one, config.open_orders_max) for one in markets],
    }


def symbol_info(running: Market, open_orders_max: int) -> Json:
    """Describe one market as `exchangeInfo` does, with what changed while it ran."""
    market = running.instrument
    modes = ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"]
    return {
        "symbol": market.symbol,
        "status": MarketStatus(running.status).name,
        "baseAsset": market.base,
        "baseAssetPrecision": ATOM_DECIMALS,
        "quoteAsset": market.quote,
        "quotePrecision": ATOM_DECIMALS,
        "quoteAssetPrecision": ATOM_DECIMALS,
        "baseCommissionPrecision": ATOM_DECIMALS,
        "quoteCommissionPrecision": ATOM_DECIMALS,
        "orderTypes": ORDER_TYPES,
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(market, running.tick_multiple, open_orders_max),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": modes,
    }


def _filters(market: Instrument, tick_multiple: int, open_orders_max: int) -> list[Json]:
    lots = {
        "minQty": market.lot.text(market.size_lots_min),
        "maxQty": market.lot.text(market.size_lots_max),
        "stepSize": market.lot.text(1),
    }
    least = atoms_text(market.notional_atoms_min)
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": market.tick.text(tick_multiple),
            "maxPrice": market.tick.text(PRICE_TICKS_MAX),
            "tickSize": market.tick.text(tick_multiple),
        },
        {"filterType": "PERCENT_PRICE_BY_SIDE", **_BAND, "avgPriceMins": 0},
        {"filterType": "LOT_SIZE", **lots},
        {"filterType": "MARKET_LOT_SIZE", **lots},
        {"filterType": "MIN_NOTIONAL", "minNotional": least, "applyToMarket": True, "avgPriceMins": 0},
        {
            "filterType": "NOTIONAL",
            "minNotional": least,
            "applyMinToMarket": True,
            "maxNotional": "9000000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 0,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": open_orders_max},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": STOPS_MAX},
    ]


def level_texts(market: Instrument, levels: Levels) -> list[list[str]]:
    """Write levels as pairs of strings."""
    price, size = market.tick.text, market.lot.text
    return [[price(ticks), size(lots)] for ticks, lots in levels]


def depth(market: Instrument, update_id: int, bids: Levels, asks: Levels) -> Json:
    """Answer `depth`."""
    return {
        "lastUpdateId": update_id,
        "bids": level_texts(market, bids),
        "asks": level_texts(market, asks),
    }


def depth_update(
    market: Instrument, first_id: int, last_id: int, bids: Levels, asks: Levels, now_ms: int
) -> Json:
    """Write a `depthUpdate` event: everything that changed in updates `first_id` to `last_id`."""
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "s": market.symbol,
        "U": first_id,
        "u": last_id,
        "b": level_texts(market, bids),
        "a": level_texts(market, asks),
    }


def book_ticker(market: Instrument, update_id: int, best: tuple[int, int, int, int]) -> Json:
    """Write a `bookTicker` event."""
    return {"u": update_id, "s": market.symbol, **_best(market, best, ("b", "B", "a", "A"))}


def ticker_book(market: Instrument, best: tuple[int, int, int, int]) -> Json:
    """Answer `ticker/bookTicker` for one market."""
    return {
        "symbol": market.symbol,
        **_best(market, best, ("bidPrice", "bidQty", "askPrice", "askQty")),
    }


def _best(market: Instrument, best: Sequence[int], names: Sequence[str]) -> Json:
    texts = (market.tick.text, market.lot.text) * 2
    return {name: text(count) for name, text, count in zip(names, texts, best, strict=True)}


def trade_event(market: Instrument, trade: PublicTrade) -> Json:
    """Write a `trade` event."""
    at_ms = trade.now_ns // MS
    return {
        "e": "trade",
        "E": at_ms,
        "s": market.symbol,
        "t": trade.trade_id,
        "p": market.tick.text(trade.price_ticks),
        "q": market.lot.text(trade.size_lots),
        "T": at_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def agg_trade_event(market: Instrument, trade: PublicTrade) -> Json:
    """Write an `aggTrade` event; every trade is its own aggregate here."""
    at_ms = trade.now_ns // MS
    return {"e": "aggTrade", "E": at_ms, "s": market.symbol, **agg_trade(market, trade)}


def agg_trade(market: Instrument, trade: PublicTrade) -> Json:
    """List a trade as `aggTrades` does."""
    return {
        "a": trade.trade_id,
        "p": market.tick.text(trade.price_ticks),
        "q": market.lot.text(trade.size_lots),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.now_ns // MS,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def public_trade(market: Instrument, trade: PublicTrade) -> Json:
    """List a trade as `trades` does."""
    return {
        "id": trade.trade_id,
        "price": market.tick.text(trade.price_ticks),
        "qty": market.lot.text(trade.size_lots),
        "quoteQty": atoms_text(market.notional_atoms(trade.price_ticks, trade.size_lots)),
        "time": trade.now_ns // MS,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }
