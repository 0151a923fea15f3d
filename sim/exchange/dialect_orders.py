"""Orders in the dialect: read requests, write answers and execution reports."""

from __future__ import annotations

from collections.abc import Sequence

from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from domain.units import atoms_text
from sim.exchange.dialect_errors import DialectError
from sim.exchange.dialect_market import MS, Json
from sim.exchange.dialect_params import Params
from sim.exchange.messages import (
    AccountTrade,
    Execution,
    ExecutionKind,
    OrderStatusKind,
    PlacedOrder,
    PlaceOrder,
    SelfTradePrevention,
)

_TIF = {"GTC": TimeInForce.GTC, "IOC": TimeInForce.IOC, "FOK": TimeInForce.FOK}
_TIF_TEXT = {TimeInForce.IOC: "IOC", TimeInForce.FOK: "FOK"}
_TYPE_TEXT = {TimeInForce.POST: "LIMIT_MAKER", TimeInForce.MARKET: "MARKET"}
_SIDE = {"BUY": Side.BUY, "SELL": Side.SELL}
_STATUS = tuple(one.name for one in OrderStatusKind)
_KIND = tuple(one.name for one in ExecutionKind)
ANSWERS = ("ACK", "RESULT", "FULL")


def read_order(params: Params, market: Instrument, account: int, now_ns: int) -> PlaceOrder:
    """Read a new order from a request."""
    side = _SIDE.get(params.need("side"))
    if side is None:
        raise DialectError(-1117, "Invalid side.")
    tif = _read_tif(params)
    params.refuse("quoteOrderQty")
    params.refuse("stopPrice")
    params.refuse("icebergQty")
    size_lots = params.steps("quantity", market.lot, "LOT_SIZE")
    price_ticks = 0
    if tif == TimeInForce.MARKET:
        params.refuse("price")
    else:
        price_ticks = params.steps("price", market.tick, "PRICE_FILTER")
    return PlaceOrder(
        now_ns,
        account,
        market.index,
        side,
        tif,
        price_ticks,
        size_lots,
        params.client_id("newClientOrderId"),
        _read_self_trade(params),
    )


def _read_tif(params: Params) -> TimeInForce:
    kind = params.need("type")
    if kind == "LIMIT":
        tif = _TIF.get(params.need("timeInForce"))
        if tif is None:
            raise DialectError(-1115, "Invalid timeInForce.")
        return tif
    if kind in {"MARKET", "LIMIT_MAKER"}:
        params.refuse("timeInForce")
        return TimeInForce.MARKET if kind == "MARKET" else TimeInForce.POST
    raise DialectError(-1116, "Invalid orderType.")


def _read_self_trade(params: Params) -> int:
    text = params.text("selfTradePreventionMode")
    if text is None:
        return SelfTradePrevention.EXPIRE_MAKER
    if text not in SelfTradePrevention.__members__:
        raise DialectError(-1130, "Data sent for parameter 'selfTradePreventionMode' is not valid.")
    return SelfTradePrevention[text]


def answer_kind(params: Params, tif: int) -> str:
    """Tell which answer a new order wants: limit and market orders default to FULL, the rest to ACK."""
    text = params.text("newOrderRespType")
    if text is None:
        return "ACK" if tif == TimeInForce.POST else "FULL"
    if text not in ANSWERS:
        raise DialectError(-1130, "Data sent for parameter 'newOrderRespType' is not valid.")
    return text


def placed_answer(
    market: Instrument, order: PlacedOrder, fills: Sequence[Execution], kind: str, now_ms: int
) -> Json:
    """Answer a new order."""
    ack: Json = {
        "symbol": market.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_text,
        "transactTime": now_ms,
    }
    if kind == "ACK":
        return ack
    result = ack | _terms(market, order) | {"workingTime": order.placed_ns // MS}
    if kind == "RESULT":
        return result
    return result | {"fills": [_fill(market, one) for one in fills]}


def _fill(market: Instrument, fill: Execution) -> Json:
    return {
        "price": market.tick.text(fill.last_price_ticks),
        "qty": market.lot.text(fill.last_lots),
        "commission": atoms_text(fill.fee_atoms),
        "commissionAsset": fill.fee_asset,
        "tradeId": fill.trade_id,
    }


def _terms(market: Instrument, order: PlacedOrder) -> Json:
    return {
        "price": market.tick.text(order.price_ticks),
        "origQty": market.lot.text(order.size_lots),
        "executedQty": market.lot.text(order.filled_lots),
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": atoms_text(order.filled_notional_atoms),
        "status": _STATUS[order.status],
        "timeInForce": _TIF_TEXT.get(TimeInForce(order.tif), "GTC"),
        "type": _TYPE_TEXT.get(TimeInForce(order.tif), "LIMIT"),
        "side": Side(order.side).name,
        "selfTradePreventionMode": SelfTradePrevention(order.self_trade).name,
    }


def order_answer(market: Instrument, order: PlacedOrder) -> Json:
    """Describe an order as `GET order`, `openOrders` and `allOrders` do."""
    return {
        "symbol": market.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.client_text,
        **_terms(market, order),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.placed_ns // MS,
        "updateTime": order.updated_ns // MS,
        "isWorking": True,
        "workingTime": order.placed_ns // MS,
    }


def cancelled_answer(market: Instrument, order: PlacedOrder, cancel_text: str, now_ms: int) -> Json:
    """Answer a cancel."""
    return {
        "symbol": market.symbol,
        "origClientOrderId": order.client_text,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_text,
        "transactTime": now_ms,
        **_terms(market, order),
    }


def cancel_text(order_id: int) -> str:
    """Name a cancel that the client did not name."""
    return f"cancel-{order_id}"


def execution_report(market: Instrument, report: Execution, cancel_name: str = "") -> Json:
    """Write an `executionReport` event."""
    order, at_ms = report.order, report.now_ns // MS
    traded = report.kind == ExecutionKind.TRADE
    cancelled = report.kind == ExecutionKind.CANCELED
    cancel = cancel_name or cancel_text(order.order_id)
    last = market.notional_atoms(report.last_price_ticks, report.last_lots)
    working = order.status in {OrderStatusKind.NEW, OrderStatusKind.PARTIALLY_FILLED}
    return {
        "e": "executionReport",
        "E": at_ms,
        "s": market.symbol,
        "c": cancel if cancelled else order.client_text,
        "S": Side(order.side).name,
        "o": _TYPE_TEXT.get(TimeInForce(order.tif), "LIMIT"),
        "f": _TIF_TEXT.get(TimeInForce(order.tif), "GTC"),
        "q": market.lot.text(order.size_lots),
        "p": market.tick.text(order.price_ticks),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "C": order.client_text if cancelled else "",
        "x": _KIND[report.kind],
        "X": _STATUS[order.status],
        "r": "NONE",
        "i": order.order_id,
        "l": market.lot.text(report.last_lots),
        "z": market.lot.text(order.filled_lots),
        "L": market.tick.text(report.last_price_ticks),
        "n": atoms_text(report.fee_atoms),
        "N": report.fee_asset if traded else None,
        "T": at_ms,
        "t": report.trade_id if traded else -1,
        "I": order.order_id,
        "w": working,
        "m": report.maker,
        "M": traded,
        "O": order.placed_ns // MS,
        "Z": atoms_text(order.filled_notional_atoms),
        "Y": atoms_text(last),
        "Q": "0.00000000",
        "W": order.placed_ns // MS,
        "V": SelfTradePrevention(order.self_trade).name,
    }


def account_trade(market: Instrument, trade: AccountTrade) -> Json:
    """List a trade as `myTrades` does."""
    buyer = trade.side == Side.BUY
    return {
        "symbol": market.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "orderListId": -1,
        "clientOrderId": trade.client_text,
        "price": market.tick.text(trade.price_ticks),
        "qty": market.lot.text(trade.size_lots),
        "quoteQty": atoms_text(market.notional_atoms(trade.price_ticks, trade.size_lots)),
        "commission": atoms_text(trade.fee_atoms),
        "commissionAsset": trade.fee_asset,
        "time": trade.now_ns // MS,
        "isBuyer": buyer,
        "isMaker": trade.maker,
        "isBestMatch": True,
    }
