"""Signed requests as bytes: templates hold the parameters in alphabetical order, so sending sorts nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from urllib.parse import urlencode

from domain.ids import SEQUENCE_BITS, SEQUENCE_MAX, client_id_text
from domain.instrument import Instrument
from domain.order import OrderIntent, Side, TimeInForce
from market.venues.steps import StepWriter

PREFIXES_MAX = 4_096
_BLOCK = 64
_MARKET = int(TimeInForce.MARKET)


class Signer:
    """Sign with HMAC-SHA256; the key's two padded blocks are hashed once and copied for every message.

    >>> Signer("key").sign(b"The quick brown fox jumps over the lazy dog")[:16]
    'f7bc83f430538424'
    """

    def __init__(self, secret: str) -> None:
        key = secret.encode()
        if len(key) > _BLOCK:
            key = hashlib.sha256(key).digest()
        key = key.ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key))

    def sign(self, message: bytes) -> str:
        """Give the signature in hex."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()


class _Prefixes(dict[int, str]):
    """The part of a client id's text that one agent keeps for an epoch; only the sequence is written anew."""

    def __missing__(self, upper: int) -> str:
        if len(self) >= PREFIXES_MAX:
            self.clear()
        text = self[upper] = client_id_text(upper << SEQUENCE_BITS)[:-8]
        return text


class _Market:
    """The templates of one market, per side and time in force."""

    __slots__ = ("places", "price", "size", "symbol")

    def __init__(self, instrument: Instrument, api_key: str, window_ms: int) -> None:
        self.symbol = instrument.symbol
        self.price, self.size = StepWriter(instrument.tick), StepWriter(instrument.lot)
        self.places = {
            (int(side), int(tif)): _place_pieces(api_key, window_ms, instrument.symbol, side, tif)
            for side in Side
            for tif in TimeInForce
        }


_HOLE, _DIGITS = "\0", "\0d"


def _place_pieces(api_key: str, window_ms: int, symbol: str, side: Side, tif: TimeInForce) -> list[str]:
    """Give 12 pieces: 5 around (id, price, size, time) to sign, 7 around the same and two more to send."""
    parameters = {
        "apiKey": api_key,
        "newClientOrderId": _HOLE,
        "newOrderRespType": "ACK",
        "price": _HOLE,
        "quantity": _HOLE,
        "recvWindow": str(window_ms),
        "side": side.name,
        "symbol": symbol,
        "timeInForce": tif.name,
        "timestamp": _DIGITS,
        "type": "LIMIT",
    }
    if tif in (TimeInForce.MARKET, TimeInForce.POST):
        del parameters["timeInForce"]
        parameters["type"] = "MARKET" if tif == TimeInForce.MARKET else "LIMIT_MAKER"
    if tif == TimeInForce.MARKET:
        # Keep the hole where the price would be, so that every kind of order is filled in alike.
        del parameters["price"]
        parameters["newOrderRespType"] = "ACK" + _HOLE
    return _pieces("order.place", parameters)


def _pieces(method: str, parameters: dict[str, str]) -> list[str]:
    """Cut the text to sign and the request at their holes; numbers stay bare in the JSON."""
    names = sorted(parameters)
    text = "&".join(f"{name}={parameters[name]}" for name in names)
    body = ",".join(
        f'"{name}":{parameters[name]}' if name in _NUMBERS else f'"{name}":"{parameters[name]}"'
        for name in names
    )
    request = f'{{"id":{_HOLE},"method":"{method}","params":{{{body},"signature":"{_HOLE}"}}}}'
    return [*text.replace(_DIGITS, _HOLE).split(_HOLE), *request.replace(_DIGITS, _HOLE).split(_HOLE)]


_NUMBERS = frozenset({"recvWindow", "timestamp"})


class OrderWire:
    """Build signed WebSocket API requests; every call gives the bytes of one frame."""

    def __init__(
        self, instruments: Iterable[Instrument], api_key: str, api_secret: str, recv_window_ms: int = 2_000
    ) -> None:
        assert api_key.isascii() and not set(api_key) & set('%"\\&='), "an API key is letters and digits"
        self._sign, self._prefixes = Signer(api_secret).sign, _Prefixes()
        self._markets = {
            instrument.index: _Market(instrument, api_key, recv_window_ms) for instrument in instruments
        }
        common = {"apiKey": api_key, "recvWindow": str(recv_window_ms), "timestamp": _DIGITS}
        by_id = {**common, "origClientOrderId": _HOLE, "symbol": _HOLE}
        self._cancel, self._status = _pieces("order.cancel", by_id), _pieces("order.status", by_id)
        self._subscribe = _pieces("userDataStream.subscribe.signature", common)

    def place(self, request_id: int, client_id: int, intent: OrderIntent, timestamp_ms: int) -> bytes:
        """Build `order.place`."""
        market = self._markets[intent.instrument]
        tif, size = intent.tif, market.size[intent.size_lots]
        price = market.price[intent.price_ticks] if tif != _MARKET else ""
        text = f"{self._prefixes[client_id >> SEQUENCE_BITS]}{client_id & SEQUENCE_MAX:08x}"
        stamp = str(timestamp_ms)
        a, b, c, d, e, f, g, h, i, j, k, end = market.places[intent.side, tif]
        signature = self._sign(f"{a}{text}{b}{price}{c}{size}{d}{stamp}{e}".encode())
        return f"{f}{request_id}{g}{text}{h}{price}{i}{size}{j}{stamp}{k}{signature}{end}".encode()

    def cancel(self, request_id: int, client_id: int, instrument: int, timestamp_ms: int) -> bytes:
        """Build `order.cancel`."""
        return self._by_id(self._cancel, request_id, client_id, instrument, timestamp_ms)

    def status(self, request_id: int, client_id: int, instrument: int, timestamp_ms: int) -> bytes:
        """Build `order.status`."""
        return self._by_id(self._status, request_id, client_id, instrument, timestamp_ms)

    def _by_id(
        self, pieces: list[str], request_id: int, client_id: int, instrument: int, timestamp_ms: int
    ) -> bytes:
        a, b, c, d, e, f, g, h, i, end = pieces
        text, symbol = client_id_text(client_id), self._markets[instrument].symbol
        signature = self._sign(f"{a}{text}{b}{symbol}{c}{timestamp_ms}{d}".encode())
        return f"{e}{request_id}{f}{text}{g}{symbol}{h}{timestamp_ms}{i}{signature}{end}".encode()

    def subscribe(self, request_id: int, timestamp_ms: int) -> bytes:
        """Build the request that brings user events onto the same connection."""
        a, b, c, d, e, end = self._subscribe
        signature = self._sign(f"{a}{timestamp_ms}{b}".encode())
        return f"{c}{request_id}{d}{timestamp_ms}{e}{signature}{end}".encode()


def signed_query(signer: Signer, parameters: dict[str, str | int]) -> str:
    """Write a REST query with its signature at the end."""
    query = urlencode(parameters)
    return f"{query}&signature={signer.sign(query.encode())}"
