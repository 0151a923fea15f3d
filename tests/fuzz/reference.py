"""What a Binance frame means, slowly and obviously: the standard library's JSON and decimals."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from domain.instrument import Instrument
from domain.market_events import BookDelta, BookSnapshot, Levels, Tick, Trade
from domain.units import Step
from market.venues.steps import COUNT_MAX, MS_NS

PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?", re.ASCII)
MILLIS_MAX = 1 << 43


class Unreadable(Exception):
    """It means nothing."""


def document(payload: bytes) -> Any:
    """Parse; what is in fields that nobody reads may be spelled in any way."""
    try:
        return json.loads(payload.decode(errors="replace"), strict=False)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error


def _whole(value: Any, most: int = COUNT_MAX) -> int:
    # 1.0 and 1e5 are whole numbers too, if somebody wishes to write them so.
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value <= most:
        raise Unreadable
    return value


def _steps(value: Any, step: Step) -> int:
    if type(value) is not str or PLAIN.fullmatch(value) is None:
        raise Unreadable
    count = Decimal(value) / (Decimal(step.units) / 10**step.decimals)
    if count != int(count) or count > COUNT_MAX:
        raise Unreadable
    return int(count)


def _levels(value: Any, instrument: Instrument) -> Levels:
    if type(value) is not list or any(type(one) is not list or len(one) != 2 for one in value):
        raise Unreadable
    return tuple((_steps(price, instrument.tick), _steps(size, instrument.lot)) for price, size in value)


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Unreadable
    return value


def market(payload: bytes, instruments: tuple[Instrument, ...], local_ns: int) -> Tick | Trade | BookDelta:
    """Say what a frame of the combined stream means."""
    outer = _object(document(payload))
    streams = {one.symbol.lower(): one for one in instruments}
    symbol, _, kind = str(outer.get("stream")).partition("@")
    if symbol not in streams:
        raise Unreadable
    one, data = streams[symbol], _object(outer.get("data"))
    tick, lot = one.tick, one.lot
    if kind == "depth@100ms":
        first, last = _whole(data.get("U")), _whole(data.get("u"))
        at_ns = _whole(data.get("E"), MILLIS_MAX) * MS_NS
        if last < first:
            raise Unreadable
        bids, asks = _levels(data.get("b"), one), _levels(data.get("a"), one)
        return BookDelta(one.index, at_ns, local_ns, first, last, bids, asks)
    if kind == "bookTicker":
        at_ns = _whole(data.get("E", 0), MILLIS_MAX) * MS_NS
        bid, bid_lots = _steps(data.get("b"), tick), _steps(data.get("B"), lot)
        ask, ask_lots = _steps(data.get("a"), tick), _steps(data.get("A"), lot)
        return Tick(one.index, at_ns, local_ns, bid, bid_lots, ask, ask_lots, _whole(data.get("u")))
    if kind == "trade":
        if type(data.get("m")) is not bool:
            raise Unreadable
        price, size = _steps(data.get("p"), tick), _steps(data.get("q"), lot)
        at_ns = _whole(data.get("T"), MILLIS_MAX) * MS_NS
        side = -1 if data["m"] else 1
        return Trade(one.index, at_ns, local_ns, _whole(data.get("t")), price, size, side)
    raise Unreadable


def snapshot(payload: bytes, instrument: Instrument, local_ns: int) -> BookSnapshot:
    """Say what a depth answer means."""
    told = _object(document(payload))
    bids, asks = _levels(told.get("bids"), instrument), _levels(told.get("asks"), instrument)
    return BookSnapshot(instrument.index, 0, local_ns, _whole(told.get("lastUpdateId")), bids, asks)
