"""Orders in the dialect: read requests, write answers and execution reports."""

from __future__ import annotations

from collections.abc import Sequence

from domain.instrument import Instrument
from domain.order import Side, TimeInForce
from domain.units import atoms_text, decimal_text
from sim.exchange.dialect_errors import DialectError, unsupported
from sim.exchange.dialect_market import BAND_TIMES, MS, ORDER_TYPES, Json
from sim.exchange.dialect_params import Params
from sim.exchange.messages import (
    WAITING,
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
_STOPS = ("STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT")
_WITH_TIF = ("LIMIT", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT")
_NOT_HERE = {
    "icebergQty": "Iceberg orders are not supported for this symbol.",
    "trailingDelta": "Trailing stop orders are not supported for this symbol.",
}
_SIDE = {"BUY": Side.BUY, "SELL": Side.SELL}
_STATUS = tuple(one.name for one in OrderStatusKind)
_KIND = tuple(one.name for one in ExecutionKind)
ANSWERS = ("ACK", "RESULT", "FULL")


def read_order(params: Params, market: Instrument, account: int, now_ns: int) -> PlaceOrder:
    """Read a new order from a request."""
    side = _SIDE.get(params.need("side"))
    if side is None:
        raise DialectError(-1117, "Invalid side.")
    kind = params.need("type")
    tif = _read_tif(params, kind)
    for name, text in _NOT_HERE.items():
        if params.has(name):
            raise unsupported(text)
    size_lots = price_ticks = quote_atoms = 0
    if kind == "MARKET" and params.has("quoteOrderQty"):
        params.refuse("quantity")
        quote_atoms = params.quote_atoms("quoteOrderQty")
    else:
        params.refuse("quoteOrderQty")
        size_lots = params.steps("quantity", market.lot, "LOT_SIZE")
    if tif == TimeInForce.MARKET:
        params.refuse("price")
    else:
        price_ticks = params.steps("price", market.tick, "PRICE_FILTER")
    stop_ticks = _read_stop(params, market, kind, side)
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
        quote_atoms,
        stop_ticks,
    )


def check_band(price_ticks: int, last_ticks: int) -> None:
    """Refuse a limit price too far from the last trade's: a rule of this dialect, not of every exchange."""
    if price_ticks > last_ticks * BAND_TIMES or price_ticks * BAND_TIMES < last_ticks:
        raise DialectError(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")


def _read_tif(params: Params, kind: str) -> TimeInForce:
    if kind in _WITH_TIF:
        tif = _TIF.get(params.need("timeInForce"))
        if tif is None:
            raise DialectError(-1115, "Invalid timeInForce.")
        return tif
    if kind not in ORDER_TYPES:
        raise DialectError(-1116, "Invalid orderType.")
    params.refuse("timeInForce")
    return TimeInForce.POST if kind == "LIMIT_MAKER" else TimeInForce.MARKET


def _read_stop(params: Params, market: Instrument, kind: str, side: int) -> int:
    """Give the stop price, below zero where the price must fall to it: selling at a loss, buying cheaply."""
    if kind not in _STOPS:
        params.refuse("stopPrice")
        return 0
    sign = side if kind.startswith("STOP_LOSS") else -side
    return sign * params.steps("stopPrice", market.tick, "PRICE_FILTER")


def _read_self_trade(params: Params) -> int:
    text = params.choice("selfTradePreventionMode", SelfTradePrevention.__members__)
    return SelfTradePrevention.EXPIRE_MAKER if text is None else SelfTradePrevention[text]


def answer_kind(params: Params, order: PlaceOrder) -> str:
    """Tell which answer a new order wants: limit and market orders default to FULL, the rest to ACK."""
    text = params.choice("newOrderRespType", ANSWERS)
    if text is not None:
        return text
    return "ACK" if order.tif == TimeInForce.POST or order.stop_ticks != 0 else "FULL"


def type_text(order: PlacedOrder) -> str:
    """Name an order's type."""
    if order.stop_ticks == 0:
        return _TYPE_TEXT.get(TimeInForce(order.tif), "LIMIT")
    name = "STOP_LOSS" if order.side * order.stop_ticks > 0 else "TAKE_PROFIT"
    return name if order.tif == TimeInForce.MARKET else f"{name}_LIMIT"


def working_ms(order: PlacedOrder) -> int:
    """Tell since when an order can trade, -1 while it waits for its price."""
    if order.working_ns == WAITING:
        return -1
    return (order.working_ns if order.working_ns > 0 else order.placed_ns) // MS


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
    result = ack | _terms(market, order) | {"workingTime": working_ms(order)}
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
        "origQuoteOrderQty": atoms_text(order.quote_atoms),
        "cummulativeQuoteQty": atoms_text(order.filled_notional_atoms),
        "status": _STATUS[order.status],
        "timeInForce": _TIF_TEXT.get(TimeInForce(order.tif), "GTC"),
        "type": type_text(order),
        "side": Side(order.side).name,
        "stopPrice": market.tick.text(abs(order.stop_ticks)),
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
        "icebergQty": "0.00000000",
        "time": order.placed_ns // MS,
        "updateTime": order.updated_ns // MS,
        "isWorking": order.working_ns != WAITING,
        "workingTime": working_ms(order),
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
    working = order.status <= OrderStatusKind.PARTIALLY_FILLED and order.working_ns != WAITING
    event: Json = {
        "e": "executionReport",
        "E": at_ms,
        "s": market.symbol,
        "c": cancel if cancelled else order.client_text,
        "S": Side(order.side).name,
        "o": type_text(order),
        "f": _TIF_TEXT.get(TimeInForce(order.tif), "GTC"),
        "q": market.lot.text(order.size_lots),
        "p": market.tick.text(order.price_ticks),
        "P": market.tick.text(abs(order.stop_ticks)),
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
        "Q": atoms_text(order.quote_atoms),
        "V": SelfTradePrevention(order.self_trade).name,
    }
    if order.working_ns != WAITING:
        event["W"] = working_ms(order)
    return event


def rates(maker_ppm: int, taker_ppm: int) -> Json:
    """Write fee rates."""
    figures = {"maker": maker_ppm, "taker": taker_ppm, "buyer": 0, "seller": 0}
    return {name: decimal_text(ppm, 6) for name, ppm in figures.items()}


def commission_rates(maker_ppm: int, taker_ppm: int) -> Json:
    """Write what an order of an account costs."""
    none = rates(0, 0)
    return {
        "standardCommission": rates(maker_ppm, taker_ppm),
        "standardCommissionForOrder": rates(maker_ppm, taker_ppm),
        "specialCommission": none,
        "taxCommission": none,
        "discount": {"enabledForAccount": False, "enabledForSymbol": False, "discount": "0.00000000"},
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
