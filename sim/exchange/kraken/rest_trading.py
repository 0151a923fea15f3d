"""Private REST calls that change something."""

from __future__ import annotations

from collections.abc import Mapping

from sim.exchange.dialect_market import Json
from sim.exchange.kraken.desk import Wish
from sim.exchange.kraken.errors import KrakenError, invalid
from sim.exchange.kraken.ids import Name, kraken_id, kraken_number
from sim.exchange.kraken.numbers import digits
from sim.exchange.kraken.register import Life
from sim.exchange.kraken.reports import descr_text, side_text
from sim.exchange.kraken.rest_account import Asked, PrivateCall
from sim.exchange.kraken.rest_market import feed_of, whole
from sim.exchange.kraken.stamps import rfc3339
from sim.exchange.kraken.wishes import read_change, read_name, read_wish

BATCH = (2, 15)
# REST's names for what the WebSocket calls otherwise.
_NAMES = {
    "type": "side",
    "ordertype": "order_type",
    "volume": "order_qty",
    "price": "limit_price",
    "timeinforce": "time_in_force",
    "expiretm": "expire_time",
    "userref": "order_userref",
    "stptype": "stp_type",
}


def _fields(values: Mapping[str, str]) -> dict[str, str]:
    """Give REST's fields their WebSocket names; flags become fields."""
    fields = {_NAMES.get(name, name): value for name, value in values.items() if value != ""}
    flags = fields.pop("oflags", "").split(",")
    if "post" in flags:
        fields["post_only"] = "true"
    if "viqc" in flags:
        fields["cash_order_qty"] = fields.pop("order_qty", "")
    if fields.get("order_type") == "market":
        fields.pop("limit_price", None)
    return fields


def _wish(asked: Asked, values: Mapping[str, str]) -> Wish:
    market = feed_of(asked.voice, values.get("pair")).market
    return read_wish(_fields(values), market, asked.venue.now_ns())


def _add(asked: Asked) -> Json:
    wish = _wish(asked, asked.values)
    life = asked.voice.desk.add(asked.account, wish)
    if life is None:
        size, tick = wish.market.lot.text(wish.size_lots), wish.market.tick.text(wish.price_ticks)
        return {"descr": {"order": f"{side_text(wish.side)} {size} {wish.market.symbol} @ limit {tick}"}}
    return {"descr": {"order": descr_text(wish.market, life)}, "txid": [life.order_id]}


def _add_batch(asked: Asked) -> Json:
    orders = asked.lists.get("orders", [])
    if not BATCH[0] <= len(orders) <= BATCH[1]:
        raise invalid("orders")
    shared = {name: asked.values[name] for name in ("pair", "deadline", "validate") if name in asked.values}
    answers: list[Json] = []
    for one in orders:
        values = {str(name): str(value) for name, value in one.items()} if isinstance(one, dict) else {}
        try:
            wish = _wish(asked, {**shared, **values})
            life = asked.voice.desk.add(asked.account, wish)
        except KrakenError as refused:
            answers.append({"error": refused.text})
            continue
        if life is not None:
            answers.append({"txid": life.order_id, "descr": {"order": descr_text(wish.market, life)}})
    return {"orders": answers}


def _which(asked: Asked) -> tuple[str | None, str | None]:
    order_id, cl_ord_id = asked.values.get("txid"), asked.values.get("cl_ord_id")
    if (order_id is None) == (cl_ord_id is None):
        raise invalid("txid")
    if order_id is not None and kraken_number("O", order_id) is None:
        return None, order_id
    return order_id, cl_ord_id


def _amend(asked: Asked) -> Json:
    change = read_change(_fields(asked.values), asked.venue.now_ns())
    life = asked.voice.desk.amend(asked.account, *_which(asked), change)
    return {"amend_id": kraken_id("A", life.order.order_id)}


def _edit(asked: Asked) -> Json:
    fields = _fields(asked.values)
    name: Name | None = None
    if "order_userref" in fields:
        name = read_name({"order_userref": fields["order_userref"]})
    change = read_change(fields, asked.venue.now_ns(), name)
    new, old = asked.voice.desk.edit(asked.account, *_which(asked), change)
    market = asked.venue.exchange.instruments[new.order.instrument]
    return {
        "status": "ok",
        "txid": new.order_id,
        "originaltxid": old.order_id,
        "volume": market.lot.text(new.size_lots),
        "price": market.tick.text(new.order.price_ticks),
        "orders_cancelled": 1,
        "descr": {"order": descr_text(market, new)},
    }


def _cancel(asked: Asked) -> Json:
    order_id, cl_ord_id = _which(asked)
    if cl_ord_id is not None and digits(cl_ord_id, 10) and "txid" in asked.values:
        return _cancel_userref(asked, int(cl_ord_id))
    asked.voice.desk.cancel(asked.account, order_id, cl_ord_id)
    return {"count": 1}


def _cancel_userref(asked: Asked, userref: int) -> Json:
    lives: list[Life] = asked.voice.register.lives(asked.account)
    wanted = [one.order_id for one in lives if one.open and one.name.userref == userref]
    if not wanted:
        raise KrakenError("EOrder:Unknown order")
    return {"count": asked.voice.cancelled(asked.account, wanted)}


def _cancel_batch(asked: Asked) -> Json:
    named = [*asked.lists.get("orders", []), *asked.lists.get("cl_ord_ids", [])]
    if not 1 <= len(named) <= 50:
        raise invalid("orders")
    return {"count": asked.voice.cancelled(asked.account, [str(one) for one in named])}


def _cancel_all(asked: Asked) -> Json:
    return {"count": asked.voice.desk.cancel_all(asked.account)}


def _cancel_after(asked: Asked) -> Json:
    if "timeout" not in asked.values:
        raise invalid("timeout")
    now_ns, at_ns = asked.voice.desk.cancel_after(asked.account, whole(asked.values, "timeout", 0))
    return {
        "currentTime": rfc3339(now_ns, 0),
        "triggerTime": "0" if at_ns is None else rfc3339(at_ns, 0),
    }


TRADING_CALLS: dict[str, tuple[PrivateCall, int]] = {
    "AddOrder": (_add, 0),
    "AddOrderBatch": (_add_batch, 0),
    "AmendOrder": (_amend, 0),
    "EditOrder": (_edit, 0),
    "CancelOrder": (_cancel, 0),
    "CancelOrderBatch": (_cancel_batch, 0),
    "CancelAll": (_cancel_all, 1),
    "CancelAllOrdersAfter": (_cancel_after, 1),
}
