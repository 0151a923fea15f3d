"""Orders and trades as the `executions` channel and as REST tell them."""

from __future__ import annotations

from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from domain.units import atoms_text, divided
from sim.exchange.dialect_market import Json
from sim.exchange.kraken.feed import symbol_of
from sim.exchange.kraken.ids import Name, kraken_id
from sim.exchange.kraken.numbers import amount, average, price, quantity, raw
from sim.exchange.kraken.register import EXPIRED, Life
from sim.exchange.kraken.stamps import rfc3339, seconds
from sim.exchange.messages import AccountTrade, OrderStatusKind

_STATUS = ("new", "partially_filled", "filled", "canceled", "canceled", "canceled")
_TIF_TEXT = {TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
_CLOSED = {"filled": "closed", "canceled": "canceled", "expired": "expired"}


def side_text(side: int) -> str:
    """Write a side."""
    return "buy" if side == Side.BUY else "sell"


def order_type(tif: int) -> str:
    """Write an order's type."""
    return "market" if tif == TimeInForce.MARKET else "limit"


def status_text(life: Life) -> str:
    """Write an order's status."""
    if life.reason == EXPIRED:
        return "expired"
    if life.open:
        return "partially_filled" if life.filled_lots > 0 else "new"
    return _STATUS[OrderStatusKind(life.order.status)]


def name_fields(name: Name) -> Json:
    """Give what the client calls it."""
    if name.cl_ord_id is not None:
        return {"cl_ord_id": name.cl_ord_id}
    return {} if name.userref is None else {"order_userref": name.userref}


def execution(market: Instrument, life: Life, kind: str, now_ns: int) -> Json:
    """Write what is common to all records of `executions`."""
    order = life.order
    record: Json = {
        "order_id": life.order_id,
        **name_fields(life.name),
        "symbol": symbol_of(market),
        "exec_type": kind,
        "order_status": kind if kind == "pending_new" else status_text(life),
        "side": side_text(order.side),
        "order_type": order_type(order.tif),
        "order_qty": quantity(market, life.size_lots),
        "cum_qty": quantity(market, life.filled_lots),
        "cum_cost": amount(life.notional_atoms),
        "avg_price": raw(average(market, life.notional_atoms, life.filled_lots)),
        "time_in_force": _TIF_TEXT.get(TimeInForce(order.tif), "GTC"),
        "post_only": order.tif == TimeInForce.POST,
        "fee_usd_equiv": amount(fees_in_quote(market, life)),
        "fee_ccy_pref": "fciq",
        "timestamp": rfc3339(now_ns, 9),
    }
    if order.tif != TimeInForce.MARKET:
        record |= {"limit_price": price(market, order.price_ticks), "limit_price_type": "static"}
    if life.reason:
        record |= {"reason": life.reason, "cancel_reason": life.reason}
    return record


def exec_id(trade: AccountTrade, markets: int) -> str:
    """Name one side of a trade: markets count their own trades."""
    return kraken_id("T", (trade.trade_id * markets + trade.instrument) * 2 + trade.maker)


def traded(market: Instrument, markets: int, life: Life, trade: AccountTrade) -> Json:
    """Write a trade as `executions` does."""
    return execution(market, life, "trade", trade.now_ns) | {
        "exec_id": exec_id(trade, markets),
        "trade_id": trade.trade_id,
        "last_qty": quantity(market, trade.size_lots),
        "last_price": price(market, trade.price_ticks),
        "liquidity_ind": "m" if trade.maker else "t",
        "cost": amount(market.notional_atoms(trade.price_ticks, trade.size_lots)),
        "fees": [{"asset": trade.fee_asset, "qty": amount(trade.fee_atoms)}],
    }


def fees_in_quote(market: Instrument, life: Life) -> int:
    """Value an order's fees in quote atoms, at its average price."""
    base = life.fees.get(market.base, 0)
    quote = life.fees.get(market.quote, 0)
    lots_atoms = life.filled_lots * market.lot_atoms
    return quote + (divided(base * life.notional_atoms, lots_atoms, "nearest") if lots_atoms > 0 else 0)


def fee_in_quote(market: Instrument, trade: AccountTrade) -> int:
    """Value a trade's fee in quote atoms."""
    if trade.fee_asset != market.base:
        return trade.fee_atoms
    notional = market.notional_atoms(trade.price_ticks, trade.size_lots)
    return divided(trade.fee_atoms * notional, trade.size_lots * market.lot_atoms, "nearest")


def descr_text(market: Instrument, life: Life) -> str:
    """Describe an order in a sentence, as REST does."""
    order = life.order
    head = (
        f"{side_text(order.side)} {market.lot.text(life.size_lots)} {market.symbol} @ {order_type(order.tif)}"
    )
    return head if order.tif == TimeInForce.MARKET else f"{head} {market.tick.text(order.price_ticks)}"


def order_record(market: Instrument, markets: int, life: Life, *, trades: bool) -> Json:
    """Describe an order as REST does."""
    order, status = life.order, status_text(life)
    record: Json = {
        "refid": None,
        "userref": life.name.userref,
        "cl_ord_id": life.name.cl_ord_id,
        "status": _CLOSED.get(status, "open"),
        "opentm": seconds(life.placed_ns),
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": market.symbol,
            "type": side_text(order.side),
            "ordertype": order_type(order.tif),
            "price": market.tick.text(order.price_ticks) if order.price_ticks > 0 else "0",
            "price2": "0",
            "leverage": "none",
            "order": descr_text(market, life),
            "close": "",
        },
        "vol": market.lot.text(life.size_lots),
        "vol_exec": market.lot.text(life.filled_lots),
        "cost": atoms_text(life.notional_atoms),
        "fee": atoms_text(fees_in_quote(market, life)),
        "price": average(market, life.notional_atoms, life.filled_lots),
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "fciq,post" if order.tif == TimeInForce.POST else "fciq",
        "timeinforce": _TIF_TEXT.get(TimeInForce(order.tif), "GTC"),
    }
    if not life.open:
        record |= {"closetm": seconds(order.updated_ns), "reason": life.reason or None}
    if trades:
        record["trades"] = [exec_id(one, markets) for one in life.trades]
    return record


def trade_record(market: Instrument, life: Life, trade: AccountTrade) -> Json:
    """List a trade as REST does. `fee` is in quote; what was really charged is told besides."""
    return {
        "ordertxid": life.order_id,
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": market.symbol,
        "time": seconds(trade.now_ns),
        "type": side_text(trade.side),
        "ordertype": order_type(life.order.tif),
        "price": market.tick.text(trade.price_ticks),
        "cost": atoms_text(market.notional_atoms(trade.price_ticks, trade.size_lots)),
        "fee": atoms_text(fee_in_quote(market, trade)),
        "vol": market.lot.text(trade.size_lots),
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": trade.trade_id,
        "maker": trade.maker,
        "fee_asset": trade.fee_asset,
        "fee_qty": atoms_text(trade.fee_atoms),
        "cl_ord_id": life.name.cl_ord_id,
    }
