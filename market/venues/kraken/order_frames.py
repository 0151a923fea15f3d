"""Requests of the private socket as bytes: what does not change between two orders is written once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from domain.ids import client_id_text
from domain.instrument import Instrument
from domain.order import OrderIntent, Side, TimeInForce
from market.venues.kraken.names import wire_symbol
from market.venues.steps import StepWriter

S_NS, MS_NS = 1_000_000_000, 1_000_000
# Kraken takes deadlines from half a second to a minute ahead.
DEADLINE_MS_MIN = 500
_MARKET = int(TimeInForce.MARKET)
_TIFS = {TimeInForce.GTC: "gtc", TimeInForce.IOC: "ioc", TimeInForce.POST: "gtc"}


class _Market:
    """The unchanging middle of one market's orders, per side and time in force."""

    __slots__ = ("middles", "price", "size")

    def __init__(self, instrument: Instrument) -> None:
        self.price, self.size = StepWriter(instrument.tick), StepWriter(instrument.lot)
        symbol = wire_symbol(instrument)
        self.middles = {
            (int(side), int(tif)): _middle(symbol, side, tif)
            for side in Side
            for tif in TimeInForce
            if tif != TimeInForce.FOK
        }


def _middle(symbol: str, side: Side, tif: TimeInForce) -> str:
    kind = "market" if tif == TimeInForce.MARKET else "limit"
    fixed = {"order_type": kind, "side": side.name.lower(), "symbol": symbol, "fee_preference": "quote"}
    if tif in _TIFS:
        fixed["time_in_force"] = _TIFS[tif]
    text = json.dumps(fixed, separators=(",", ":"))[1:-1]
    return f'{text},"post_only":true' if tif == TimeInForce.POST else text


class OrderFrames:
    """Write requests; every one carries the token of its connection."""

    def __init__(self, instruments: Iterable[Instrument], window_ms: int) -> None:
        self._markets = {instrument.index: _Market(instrument) for instrument in instruments}
        self._window_ns = max(window_ms, DEADLINE_MS_MIN) * MS_NS
        self._token, self.venue_ahead_ns = '""', 0
        self._second, self._second_text = -1, ""

    def opened(self, token: str) -> None:
        """Take the token of a new connection."""
        self._token = json.dumps(token)

    def place(self, request_id: int, client_id: int, intent: OrderIntent, now_ns: int) -> bytes:
        """Write `add_order`; past its deadline the venue itself refuses it."""
        market = self._markets[intent.instrument]
        price = f'"limit_price":{market.price[intent.price_ticks]},' if intent.tif != _MARKET else ""
        return (
            f'{{"method":"add_order","params":{{{market.middles[intent.side, intent.tif]},{price}'
            f'"order_qty":{market.size[intent.size_lots]},"cl_ord_id":"{client_id_text(client_id)}",'
            f'"deadline":"{self._deadline(now_ns)}","token":{self._token}}},"req_id":{request_id}}}'
        ).encode()

    def _deadline(self, now_ns: int) -> str:
        second, rest_ns = divmod(now_ns + self.venue_ahead_ns + self._window_ns, S_NS)
        if second != self._second:
            self._second, self._second_text = (
                second,
                f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}",
            )
        return f"{self._second_text}.{rest_ns // MS_NS:03d}Z"

    def cancel(self, request_id: int, client_id: int) -> bytes:
        """Write `cancel_order`."""
        return (
            f'{{"method":"cancel_order","params":{{"cl_ord_id":["{client_id_text(client_id)}"],'
            f'"token":{self._token}}},"req_id":{request_id}}}'
        ).encode()

    def executions(self, request_id: int) -> bytes:
        """Write the subscription to what happens to the account's orders."""
        return (
            '{"method":"subscribe","params":{"channel":"executions","snap_orders":true,"snap_trades":false,'
            f'"order_status":true,"token":{self._token}}},"req_id":{request_id}}}'
        ).encode()

    def cancel_all_after(self, request_id: int, timeout_s: int) -> bytes:
        """Write the dead-man switch: without another one in time the venue cancels everything."""
        return (
            f'{{"method":"cancel_all_orders_after","params":{{"timeout":{timeout_s},"token":{self._token}}},'
            f'"req_id":{request_id}}}'
        ).encode()

    def ping(self, request_id: int) -> bytes:
        """Write a ping, whose answer tells the venue's time."""
        return f'{{"method":"ping","req_id":{request_id}}}'.encode()
