"""Public REST calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sim.exchange.dialect_market import Json
from sim.exchange.kraken.candles import INTERVALS, MINUTE_NS
from sim.exchange.kraken.errors import KrakenError, invalid
from sim.exchange.kraken.feed import Feed, KnownTrade
from sim.exchange.kraken.numbers import digits
from sim.exchange.kraken.pairs import asset, asset_pair
from sim.exchange.kraken.stamps import S_NS, rfc3339, seconds
from sim.exchange.kraken.voice import KrakenVoice
from sim.exchange.messages import MarketStatus
from sim.exchange.server_venue import Venue

PublicCall = Callable[[Venue, KrakenVoice, Mapping[str, str]], Json]

DEPTH_MAX, TRADES_MAX = 500, 1_000


def feed_of(voice: KrakenVoice, name: str | None) -> Feed:
    """Find a market by id, altname or wsname."""
    if name is None or name == "":
        raise invalid()
    wanted = name.replace("/", "").replace("XBT", "BTC")
    for feed in voice.feeds:
        if feed.market.symbol == wanted:
            return feed
    raise KrakenError("EQuery:Unknown asset pair")


def _feeds(voice: KrakenVoice, values: Mapping[str, str]) -> list[Feed]:
    names = values.get("pair", "")
    return [feed_of(voice, name) for name in names.split(",")] if names else voice.feeds


def whole(values: Mapping[str, str], name: str, default: int) -> int:
    """Read a whole number of at least zero."""
    text = values.get(name, "")
    if text == "":
        return default
    if not digits(text):
        raise invalid(name)
    return int(text)


def _time(venue: Venue, _: KrakenVoice, __: Mapping[str, str]) -> Json:
    now_ns = venue.now_ns()
    return {"unixtime": now_ns // S_NS, "rfc1123": rfc3339(now_ns, 0)}


def _status(venue: Venue, _: KrakenVoice, __: Mapping[str, str]) -> Json:
    open_ = any(one.status == MarketStatus.TRADING for one in venue.exchange.markets)
    return {"status": "online" if open_ else "maintenance", "timestamp": rfc3339(venue.now_ns())}


def _assets(venue: Venue, _: KrakenVoice, values: Mapping[str, str]) -> Json:
    names = values.get("asset", "")
    wanted = names.split(",") if names else venue.config.assets
    if any(name not in venue.config.assets for name in wanted):
        raise KrakenError("EQuery:Unknown asset")
    return {name: asset(name) for name in wanted}


def _asset_pairs(venue: Venue, voice: KrakenVoice, values: Mapping[str, str]) -> Json:
    places = [one.market.index for one in _feeds(voice, values)]
    return {venue.exchange.instruments[at].symbol: asset_pair(venue.exchange.markets[at]) for at in places}


def _ticker(venue: Venue, voice: KrakenVoice, values: Mapping[str, str]) -> Json:
    return {one.market.symbol: one.day() for one in _feeds(voice, values)}


def _depth(venue: Venue, voice: KrakenVoice, values: Mapping[str, str]) -> Json:
    feed = feed_of(voice, values.get("pair"))
    depth = min(max(1, whole(values, "count", 100)), DEPTH_MAX)
    return {feed.market.symbol: feed.depth(depth)}


def _trades(venue: Venue, voice: KrakenVoice, values: Mapping[str, str]) -> Json:
    feed = feed_of(voice, values.get("pair"))
    since, most = whole(values, "since", 0), min(whole(values, "count", TRADES_MAX), TRADES_MAX)
    # Like Kraken: seconds, or nanoseconds as `last` gives them.
    since_ns = since if since > 10**14 else since * S_NS
    known = [one for one in feed.trades if one.trade.now_ns > since_ns]
    shown = known[:most] if since > 0 else known[-most:]
    last_ns = shown[-1].trade.now_ns if shown else since_ns
    return {feed.market.symbol: [_trade(feed, one) for one in shown], "last": str(last_ns)}


def _trade(feed: Feed, known: KnownTrade) -> list[object]:
    trade, market = known.trade, feed.market
    return [
        market.tick.text(trade.price_ticks),
        market.lot.text(trade.size_lots),
        seconds(trade.now_ns),
        "s" if trade.buyer_is_maker else "b",
        "m" if known.at_market else "l",
        "",
        trade.trade_id,
    ]


def _ohlc(venue: Venue, voice: KrakenVoice, values: Mapping[str, str]) -> Json:
    feed, minutes = feed_of(voice, values.get("pair")), whole(values, "interval", 1)
    if minutes not in INTERVALS:
        raise invalid("interval")
    since_ns = whole(values, "since", 0) * S_NS
    bars = [one for one in feed.candles.list(minutes, venue.now_ns()) if one.begin_ns > since_ns]
    price, size = feed.market.tick.text, feed.market.lot.text
    rows = [
        [one.begin_ns // S_NS]
        + [price(ticks) for ticks in (one.first, one.high, one.low, one.last)]
        + [price(one.notional // one.lots if one.lots > 0 else one.last), size(one.lots), one.count]
        for one in bars
    ]
    # The newest bar is not finished: the next question should begin with it.
    last_ns = bars[-1].begin_ns - minutes * MINUTE_NS if bars else since_ns
    return {feed.market.symbol: rows, "last": last_ns // S_NS}


PUBLIC_CALLS: dict[str, PublicCall] = {
    "Time": _time,
    "SystemStatus": _status,
    "Assets": _assets,
    "AssetPairs": _asset_pairs,
    "Ticker": _ticker,
    "Depth": _depth,
    "Trades": _trades,
    "OHLC": _ohlc,
}
