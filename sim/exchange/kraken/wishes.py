"""Read orders from requests; both doors give the same fields under their own names."""

from __future__ import annotations

from collections.abc import Mapping

from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from domain.units import atoms
from sim.exchange.kraken.desk import Change, Wish
from sim.exchange.kraken.errors import KrakenError, invalid
from sim.exchange.kraken.ids import USERREF_MAX, Name, name_allowed
from sim.exchange.kraken.numbers import digits, text_steps
from sim.exchange.kraken.stamps import S_NS, read_rfc3339
from sim.exchange.messages import SelfTradePrevention

_SIDES = {"buy": Side.BUY, "sell": Side.SELL}
_TIFS = {"gtc": TimeInForce.GTC, "gtd": TimeInForce.GTC, "ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
_SELF_TRADE = {
    "cancel_newest": SelfTradePrevention.EXPIRE_TAKER,
    "cancel_oldest": SelfTradePrevention.EXPIRE_MAKER,
    "cancel_both": SelfTradePrevention.EXPIRE_BOTH,
}
UNSUPPORTED = ("triggers", "conditional", "display_qty", "margin", "leverage", "close", "price2", "trigger")

Fields = Mapping[str, str]


def read_wish(fields: Fields, market: Instrument, now_ns: int) -> Wish:
    """Read a new order; fields bear the WebSocket's names."""
    for name in UNSUPPORTED:
        if fields.get(name, "none") not in {"none", "false"}:
            raise invalid(name)
    side = _SIDES.get(fields.get("side", ""))
    if side is None:
        raise invalid("side")
    tif = _tif(fields)
    price = size = quote = 0
    if "cash_order_qty" in fields:
        if tif != TimeInForce.MARKET:
            raise invalid("cash_order_qty")
        quote = _atoms(fields["cash_order_qty"])
    else:
        size = _steps(fields, "order_qty", market, "volume")
    if tif != TimeInForce.MARKET:
        price = _steps(fields, "limit_price", market, "price")
    return Wish(
        market,
        side,
        tif,
        price,
        size,
        read_name(fields),
        quote,
        _self_trade(fields),
        flag(fields, "validate"),
        read_deadline(fields, now_ns),
        _expiry(fields, now_ns),
    )


def read_change(fields: Fields, now_ns: int, name: Name | None = None) -> Change:
    """Read what is to be different about an order."""
    for unsupported in ("trigger_price", "display_qty"):
        if unsupported in fields:
            raise invalid(unsupported)
    return Change(
        fields.get("order_qty"),
        fields.get("limit_price"),
        flag(fields, "post_only"),
        name,
        read_deadline(fields, now_ns),
    )


def read_name(fields: Fields) -> Name:
    """Read what the client calls its order."""
    cl_ord_id, userref = fields.get("cl_ord_id"), fields.get("order_userref")
    if cl_ord_id is not None and userref is not None:
        raise invalid("cl_ord_id")
    if cl_ord_id is not None and not name_allowed(cl_ord_id):
        raise invalid("cl_ord_id")
    if userref is None:
        return Name(cl_ord_id)
    if not digits(userref, 10) or int(userref) > USERREF_MAX:
        raise invalid("userref")
    return Name(userref=int(userref))


def flag(fields: Fields, name: str) -> bool:
    """Read a flag."""
    return fields.get(name, "false").lower() in {"true", "1"}


def _tif(fields: Fields) -> TimeInForce:
    kind = fields.get("order_type", "")
    if kind == "market":
        if flag(fields, "post_only"):
            raise invalid("post_only")
        return TimeInForce.MARKET
    if kind != "limit":
        raise invalid("ordertype")
    tif = _TIFS.get(fields.get("time_in_force", "gtc").lower())
    if tif is None:
        raise invalid("timeinforce")
    if not flag(fields, "post_only"):
        return tif
    if tif != TimeInForce.GTC:
        raise invalid("post_only")
    return TimeInForce.POST


def _self_trade(fields: Fields) -> SelfTradePrevention:
    kind = _SELF_TRADE.get(fields.get("stp_type", "cancel_newest").replace("-", "_"))
    if kind is None:
        raise invalid("stptype")
    return kind


def _steps(fields: Fields, name: str, market: Instrument, said: str) -> int:
    step = market.lot if said == "volume" else market.tick
    count = text_steps(fields.get(name, ""), step)
    if count is None:
        raise invalid(said)
    return count


def _atoms(text: str) -> int:
    try:
        count = atoms(text)
    except ValueError:
        raise invalid("volume") from None
    if not 0 < count < 1 << 62:
        raise invalid("volume")
    return count


def read_deadline(fields: Fields, now_ns: int) -> int | None:
    """Read until when the engine may take a request; Kraken allows half a second to a minute ahead."""
    text = fields.get("deadline")
    if text is None:
        return None
    deadline_ns = read_rfc3339(text)
    if deadline_ns is None or deadline_ns > now_ns + 60 * S_NS:
        raise invalid("deadline")
    return deadline_ns


def _expiry(fields: Fields, now_ns: int) -> int | None:
    wanted = fields.get("time_in_force", "gtc").lower() == "gtd"
    text = fields.get("expire_time")
    if not wanted:
        return None
    if text is None:
        raise invalid("expiretm")
    if text.startswith("+") and digits(text[1:], 9):
        return now_ns + int(text[1:]) * S_NS
    at_ns = int(text) * S_NS if digits(text, 11) else read_rfc3339(text)
    if at_ns is None or at_ns <= now_ns:
        raise KrakenError("EGeneral:Invalid arguments:expiretm")
    return at_ns
