"""Private REST calls: what an account has, and what it may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from domain.units import atoms_text
from sim.exchange.dialect_market import Json
from sim.exchange.kraken.errors import invalid
from sim.exchange.kraken.ids import kraken_id, kraken_number
from sim.exchange.kraken.keys import TOKEN_S
from sim.exchange.kraken.numbers import digits, fee_text
from sim.exchange.kraken.register import Life
from sim.exchange.kraken.reports import exec_id, order_record, trade_record
from sim.exchange.kraken.rest_market import feed_of, whole
from sim.exchange.kraken.stamps import S_NS
from sim.exchange.kraken.voice import KrakenVoice
from sim.exchange.kraken.wishes import flag
from sim.exchange.messages import AccountTrade
from sim.exchange.server_venue import Venue

PAGE = 50
IDS_MAX = 50

Values = Mapping[str, str]


class Asked(msgspec.Struct, frozen=True):
    """One private request: who asks, and with which key."""

    venue: Venue
    voice: KrakenVoice
    account: int
    key: str
    values: Values
    lists: Mapping[str, list[object]]


PrivateCall = Callable[[Asked], object]


def _token(asked: Asked) -> Json:
    secret = asked.venue.keys[asked.key].secret
    token = asked.voice.tokens.make(asked.account, secret, asked.venue.now_ns())
    return {"token": token, "expires": TOKEN_S}


def _key_info(asked: Asked) -> Json:
    can_withdraw = asked.venue.config.accounts[asked.account].can_withdraw
    may = ["query-funds", "query-open-trades", "query-closed-trades", "modify-trades", "close-trades"]
    return {
        "api_key_name": asked.venue.config.accounts[asked.account].name,
        "api_key": asked.key,
        "nonce": asked.values["nonce"],
        "nonce_window": 0,
        "permissions": [*may, "withdraw-funds"] if can_withdraw else may,
        "iban": "",
        "valid_until": "0",
        "query_from": "0",
        "query_to": "0",
        "created_time": "0",
        "modified_time": "0",
        "ip_allowlist": [],
        "last_used": str(asked.venue.now_ns() // S_NS),
    }


def _balance(asked: Asked) -> Json:
    held = asked.venue.balances(asked.account)
    return {asset: atoms_text(free + locked) for asset, free, locked in held}


def _balance_ex(asked: Asked) -> Json:
    held = asked.venue.balances(asked.account)
    return {
        asset: {"balance": atoms_text(free + locked), "hold_trade": atoms_text(locked)}
        for asset, free, locked in held
    }


def _trade_volume(asked: Asked) -> Json:
    maker, taker = asked.venue.fees(asked.account)
    names = asked.values.get("pair", "")
    feeds = [feed_of(asked.voice, one) for one in names.split(",")] if names else []
    answer: Json = {"currency": asked.venue.config.markets[0].quote, "volume": "0.0000"}
    if feeds:
        answer["fees"] = {one.market.symbol: _fee(taker) for one in feeds}
        answer["fees_maker"] = {one.market.symbol: _fee(maker) for one in feeds}
    return answer


def _fee(fee_ppm: int) -> Json:
    text = fee_text(fee_ppm)
    return {
        "fee": text,
        "minfee": text,
        "maxfee": text,
        "nextfee": None,
        "nextvolume": None,
        "tiervolume": "0.0000",
    }


def _shown(asked: Asked, life: Life) -> Json:
    instruments = asked.venue.exchange.instruments
    market = instruments[life.order.instrument]
    return order_record(market, len(instruments), life, trades=flag(asked.values, "trades"))


def _wanted(asked: Asked, life: Life) -> bool:
    userref, cl_ord_id = asked.values.get("userref"), asked.values.get("cl_ord_id")
    if userref is not None and str(life.name.userref) != userref:
        return False
    return cl_ord_id is None or life.name.cl_ord_id == cl_ord_id


def _open_orders(asked: Asked) -> Json:
    lives = [one for one in asked.voice.register.lives(asked.account) if one.open and _wanted(asked, one)]
    return {"open": {one.order_id: _shown(asked, one) for one in reversed(lives)}}


def _closed_orders(asked: Asked) -> Json:
    start_ns, end_ns = _from_to(asked)
    lives = [
        one
        for one in asked.voice.register.lives(asked.account)
        if not one.open and start_ns < one.order.updated_ns <= end_ns and _wanted(asked, one)
    ]
    lives.sort(key=lambda one: (one.order.updated_ns, one.root), reverse=True)
    page = lives[(first := whole(asked.values, "ofs", 0)) : first + PAGE]
    return {"closed": {one.order_id: _shown(asked, one) for one in page}, "count": len(lives)}


def _from_to(asked: Asked) -> tuple[int, int]:
    """Give `start` and `end`, in seconds (a fraction allowed) or as the id of an order or trade."""
    return _time(asked, "start", 0), _time(asked, "end", 1 << 62)


def _time(asked: Asked, name: str, default: int) -> int:
    text = asked.values.get(name, "")
    if text == "":
        return default
    for kind in "OT":
        number = kraken_number(kind, text)
        if number is not None:
            return _time_of(asked, kind, number)
    seconds, _, fraction = text.partition(".")
    if not digits(seconds, 11) or not digits(fraction or "0", 30):
        raise invalid(name)
    return int(seconds) * S_NS + int(fraction[:9].ljust(9, "0") if fraction else 0)


def _time_of(asked: Asked, kind: str, number: int) -> int:
    if kind == "O":
        life = asked.voice.register.find(asked.account, kraken_id("O", number), None)
        return 0 if life is None else life.placed_ns
    markets = len(asked.venue.exchange.instruments)
    found = [one.now_ns for _, one in _all_trades(asked) if exec_id(one, markets) == kraken_id("T", number)]
    return found[0] if found else 0


def _query_orders(asked: Asked) -> Json:
    register, account = asked.voice.register, asked.account
    names = [one for one in asked.values.get("txid", "").split(",") if one]
    if len(names) > IDS_MAX or (not names and "cl_ord_id" not in asked.values):
        raise invalid("txid")
    found = [register.find(account, one, None) for one in names]
    if not names:
        found = [register.find(account, None, asked.values["cl_ord_id"])]
    return {one.order_id: _shown(asked, one) for one in found if one is not None}


def _all_trades(asked: Asked) -> list[tuple[Life, AccountTrade]]:
    """List an account's known trades, newest first."""
    known = [(life, one) for life in asked.voice.register.lives(asked.account) for one in life.trades]
    known.sort(key=lambda one: (one[1].now_ns, one[1].trade_id, one[1].instrument), reverse=True)
    return known


def _trades_history(asked: Asked) -> Json:
    start_ns, end_ns = _from_to(asked)
    found = [one for one in _all_trades(asked) if start_ns < one[1].now_ns <= end_ns]
    page = found[(first := whole(asked.values, "ofs", 0)) : first + PAGE]
    return {"trades": _trades(asked, page), "count": len(found)}


def _query_trades(asked: Asked) -> Json:
    names = [one for one in asked.values.get("txid", "").split(",") if one]
    if not names or len(names) > IDS_MAX:
        raise invalid("txid")
    markets = len(asked.venue.exchange.instruments)
    return _trades(asked, [one for one in _all_trades(asked) if exec_id(one[1], markets) in names])


def _trades(asked: Asked, found: list[tuple[Life, AccountTrade]]) -> Json:
    instruments = asked.venue.exchange.instruments
    return {
        exec_id(one, len(instruments)): trade_record(instruments[one.instrument], life, one)
        for life, one in found
    }


ACCOUNT_CALLS: dict[str, tuple[PrivateCall, int]] = {
    "GetWebSocketsToken": (_token, 1),
    "GetApiKeyInfo": (_key_info, 1),
    "Balance": (_balance, 1),
    "BalanceEx": (_balance_ex, 1),
    "TradeVolume": (_trade_volume, 1),
    "OpenOrders": (_open_orders, 1),
    "ClosedOrders": (_closed_orders, 1),
    "QueryOrders": (_query_orders, 1),
    "QueryTrades": (_query_trades, 1),
    "TradesHistory": (_trades_history, 2),
    "OpenPositions": (lambda _: {}, 1),
}
