"""Orders: place, cancel, replace, look up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from domain.instrument import Instrument
from sim.exchange import dialect_orders as words
from sim.exchange.dialect_call import Call, by_symbol
from sim.exchange.dialect_errors import DialectError, missing, order_missing, refusal
from sim.exchange.dialect_market import MS, Json
from sim.exchange.dialect_params import Params
from sim.exchange.messages import (
    CancelAllPlaced,
    CancelPlaced,
    Execution,
    ExecutionKind,
    OrderStatusKind,
    Output,
    PlacedOrder,
    PlaceOrder,
    Refused,
)

if TYPE_CHECKING:
    from sim.exchange.server_venue import Venue

_RESTRICTIONS = {
    "ONLY_NEW": OrderStatusKind.NEW,
    "ONLY_PARTIALLY_FILLED": OrderStatusKind.PARTIALLY_FILLED,
}
_MODES = ("STOP_ON_FAILURE", "ALLOW_FAILURE")


def _place(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    command = words.read_order(params, market, account, venue.now_ns())
    return _placed(venue, market, command, words.answer_kind(params, command))


def _placed(venue: Venue, market: Instrument, command: PlaceOrder, kind: str) -> Json:
    last_ticks = venue.exchange.markets[market.index].last_ticks
    if command.price_ticks != 0:
        words.check_band(command.price_ticks, last_ticks)
    outputs = _done(venue.apply(command))
    reports = [one for one in outputs if isinstance(one, Execution)]
    own_id = reports[0].order.order_id
    own = [one for one in reports if one.order.order_id == own_id]
    fills = [one for one in own if one.kind == ExecutionKind.TRADE]
    return words.placed_answer(market, own[-1].order, fills, kind, command.now_ns // MS)


def _place_test(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    words.answer_kind(params, words.read_order(params, market, account, venue.now_ns()))
    if params.choice("computeCommissionRates", ("true", "false")) != "true":
        return {}
    return words.commission_rates(*venue.fees(account))


def _cancel(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    order_id, text = _which(params)
    only = params.choice("cancelRestrictions", _RESTRICTIONS)
    return _cancelled(venue, market, account, order_id, text, params.client_id("newClientOrderId"), only)


def _cancelled(
    venue: Venue, market: Instrument, account: int, order_id: int, text: str, name: str, only: str | None
) -> Json:
    if only is not None:
        order = venue.exchange.order(account, market.index, order_id, text)
        if order is not None and order.status != _RESTRICTIONS[only]:
            raise DialectError(-2011, "Order was not canceled due to cancel restrictions.")
    command = CancelPlaced(venue.now_ns(), account, market.index, order_id, text)
    order = _ended(_done(venue.apply(command, name)))[0]
    return words.cancelled_answer(
        market, order, name or words.cancel_text(order.order_id), command.now_ns // MS
    )


def _cancel_all(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    command = CancelAllPlaced(venue.now_ns(), account, market.index)
    orders = _ended(_done(venue.apply(command)))
    at_ms = command.now_ns // MS
    return [words.cancelled_answer(market, one, words.cancel_text(one.order_id), at_ms) for one in orders]


def _replace(venue: Venue, params: Params, account: int) -> Json:
    """Cancel one order and place another, with nothing in between."""
    market = params.market(venue.markets)
    stop_early = params.need("cancelReplaceMode") == "STOP_ON_FAILURE"
    params.choice("cancelReplaceMode", _MODES)
    command = words.read_order(params, market, account, venue.now_ns())
    kind = words.answer_kind(params, command)
    order_id, text = _which(params, "cancelOrderId", "cancelOrigClientOrderId")
    only = params.choice("cancelRestrictions", _RESTRICTIONS)
    name = params.client_id("cancelNewClientOrderId")
    gone, cancel_refusal = _tried(lambda: _cancelled(venue, market, account, order_id, text, name, only))
    made: object = None
    place_refusal: DialectError | None = None
    tried = cancel_refusal is None or not stop_early
    if tried:
        made, place_refusal = _tried(lambda: _placed(venue, market, command, kind))
    answer: Json = {
        "cancelResult": "SUCCESS" if cancel_refusal is None else "FAILURE",
        "newOrderResult": "NOT_ATTEMPTED" if not tried else "SUCCESS" if place_refusal is None else "FAILURE",
        "cancelResponse": gone,
        "newOrderResponse": made,
    }
    if cancel_refusal is None and place_refusal is None:
        return answer
    if cancel_refusal is not None and (place_refusal is not None or not tried):
        raise DialectError(-2022, "Order cancel-replace failed.", 400, answer)
    raise DialectError(-2021, "Order cancel-replace partially failed.", 409, answer)


def _tried(work: Callable[[], Json]) -> tuple[Json, DialectError | None]:
    try:
        return work(), None
    except DialectError as refused:
        return refused.body(), refused


def _order(venue: Venue, params: Params, account: int) -> Json:
    market = params.market(venue.markets)
    order_id, text = _which(params)
    order = venue.exchange.order(account, market.index, order_id, text)
    if order is None:
        raise order_missing()
    return words.order_answer(market, order)


def _open_orders(venue: Venue, params: Params, account: int) -> list[Json]:
    one = None if params.text("symbol") is None else params.market(venue.markets)
    markets = venue.exchange.instruments
    orders = venue.exchange.open_orders(account, None if one is None else one.index)
    return [words.order_answer(markets[order.instrument], order) for order in orders]


def _all_orders(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    first, limit = params.integer("orderId"), params.limit(500, 1_000)
    since_ms, until_ms = params.times_of_a_day()
    if since_ms is None and until_ms is None:
        orders = venue.exchange.all_orders(account, market.index, first, limit)
        return [words.order_answer(market, one) for one in orders]
    orders = venue.exchange.all_orders(account, market.index, first, venue.config.ended_orders_kept)
    orders = [one for one in orders if _within(one.placed_ns, since_ms, until_ms)]
    kept = orders[:limit] if since_ms is not None else orders[-limit:]
    return [words.order_answer(market, one) for one in kept]


def _my_trades(venue: Venue, params: Params, account: int) -> list[Json]:
    market = params.market(venue.markets)
    order_id, first, limit = params.integer("orderId"), params.integer("fromId"), params.limit(500, 1_000)
    since_ms, until_ms = params.times_of_a_day()
    timed = since_ms is not None or until_ms is not None
    if timed and (order_id is not None or first is not None):
        # Binance lists the combinations that it takes (Account endpoints, "Account trade list").
        raise DialectError(-1128, "Combination of optional parameters invalid.")
    if not timed:
        found = venue.trades(account, market.index, first, limit, order_id)
    else:
        found = venue.trades(account, market.index, None, venue.config.account_trades_kept, None)
        found = [one for one in found if _within(one.now_ns, since_ms, until_ms)]
        found = found[:limit] if since_ms is not None else found[-limit:]
    return [words.account_trade(market, one) for one in found]


def _within(at_ns: int, since_ms: int | None, until_ms: int | None) -> bool:
    at_ms = at_ns // MS
    return (since_ms is None or at_ms >= since_ms) and (until_ms is None or at_ms <= until_ms)


def _none(venue: Venue, params: Params, account: int) -> list[Json]:
    """Answer a question about order lists and their like: there are none."""
    return []


def _which(params: Params, id_name: str = "orderId", text_name: str = "origClientOrderId") -> tuple[int, str]:
    order_id, text = params.integer(id_name), params.client_id(text_name)
    if order_id is None and text == "":
        raise missing(id_name)
    return (0 if order_id is None else order_id), text


def _done(outputs: Sequence[Output]) -> Sequence[Output]:
    first = outputs[0]
    if isinstance(first, Refused):
        raise refusal(first.kind)
    return outputs


def _ended(outputs: Sequence[Output]) -> list[PlacedOrder]:
    return [one.order for one in outputs if isinstance(one, Execution) and one.kind == ExecutionKind.CANCELED]


PLACE, PLACE_TEST = Call(_place, signed=True, orders=1), Call(_place_test, signed=True)
CANCEL, CANCEL_ALL = Call(_cancel, signed=True), Call(_cancel_all, signed=True)
REPLACE = Call(_replace, signed=True, orders=1)
ORDER = Call(_order, weight=4, signed=True)
OPEN_ORDERS = Call(_open_orders, weight=by_symbol(6, 80), signed=True)
ALL_ORDERS = Call(_all_orders, weight=20, signed=True)
MY_TRADES = Call(_my_trades, weight=lambda params: 5 if params.has("orderId") else 20, signed=True)
NO_LISTS = Call(_none, weight=20, signed=True)
NO_OPEN_LISTS = Call(_none, weight=6, signed=True)
