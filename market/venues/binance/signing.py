"""Signed requests as bytes: programs hold the parameters in alphabetical order, so sending sorts nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlencode

import numpy as np

from domain.instrument import Instrument
from domain.order import OrderIntent, Side, TimeInForce
from domain.units import ATOM_DECIMALS
from hw.kernel import entry
from market.venues.binance import order_kernels as k
from market.venues.binance.order_kernels import CLIENT, PRICE, REQUEST, SIGNATURE, SIZE, SYMBOL, TIME

_PRIMES_MAX = 312
_SIZES_MAX = {REQUEST: 19, CLIENT: 17, PRICE: 21, SIZE: 21, TIME: 19, SIGNATURE: 64}
_NUMBERS = frozenset({"recvWindow", "timestamp"})

Part = str | int
Write = Callable[[k.Text, k.Cells, int, int, int, int, int, int, int], int]


class Signer:
    """Sign texts of any size with HMAC-SHA256.

    >>> Signer("key").sign(b"The quick brown fox jumps over the lazy dog")[:16]
    'f7bc83f430538424'
    """

    def __init__(self, secret: str) -> None:
        self._key = secret.encode()

    def sign(self, message: bytes) -> str:
        """Give the signature in hex."""
        return hmac.digest(self._key, message, "sha256").hex()


class OrderWire:
    """Build signed WebSocket API requests; every call gives the bytes of one frame.

    Prices and sizes beyond `count_max` steps cannot be written, and must not be asked for.
    """

    def __init__(
        self, instruments: Iterable[Instrument], api_key: str, api_secret: str, recv_window_ms: int = 2_000
    ) -> None:
        assert api_key.isascii() and not set(api_key) & set('%"\\&='), "an API key is letters and digits"
        common: dict[str, Part] = {
            "apiKey": api_key,
            "recvWindow": str(recv_window_ms),
            "timestamp": TIME,
        }
        by_id: dict[str, Part] = {**common, "origClientOrderId": CLIENT, "symbol": SYMBOL}
        programs = {
            "cancel": _program("order.cancel", by_id),
            "status": _program("order.status", by_id),
            "subscribe": _program("userDataStream.subscribe.signature", common),
        }
        for side in Side:
            for tif in TimeInForce:
                programs[f"{side}{tif}"] = _program("order.place", _placing(common, side, tif))
        instruments = tuple(instruments)
        steps = [one.tick for one in instruments] + [one.lot for one in instruments]
        self.count_max = ((1 << 63) - 1) // max((step.units for step in steps), default=1)
        symbol_size = max((len(one.symbol.encode()) for one in instruments), default=0)
        assert all(_fits(parts, symbol_size) for parts in programs.values()), (
            "a key or a symbol as long as that"
        )
        text, cells = bytearray(k.CONSTANT), [*_ROUNDS, *[0] * (k.MARKETS - k.BLOCK)]
        self._markets = {one.index: _add_market(text, cells, one) for one in instruments}
        places = {name: _add_program(text, cells, parts) for name, parts in programs.items()}
        self._cancel, self._status, self._subscribe = (
            places[name] for name in ("cancel", "status", "subscribe")
        )
        self._places = {(int(side), int(tif)): places[f"{side}{tif}"] for side in Side for tif in TimeInForce}
        self._text, self._cells = np.frombuffer(text, np.uint8), np.array(cells, np.int64)
        self._made = memoryview(text)
        self._write: Write = entry(k.write_request)
        self._take_key(api_secret.encode(), f"apiKey={api_key}&".encode())

    def _take_key(self, key: bytes, prefix: bytes) -> None:
        """Hash once what every signature begins with: the key's two blocks, the prefix's whole blocks."""
        if len(key) > k.BLOCK:
            key = hashlib.sha256(key).digest()
        key = key.ljust(k.BLOCK, b"\0")
        fixed = len(prefix) // k.BLOCK * k.BLOCK
        inner = bytes(byte ^ 0x36 for byte in key) + prefix[:fixed]
        for start, begin in ((k.INNER, inner), (k.OUTER, bytes(byte ^ 0x5C for byte in key))):
            self._cells[k.STATE : k.STATE + k.WORDS] = _START
            for at in range(0, len(begin), k.BLOCK):
                self._text[: k.BLOCK] = np.frombuffer(begin[at : at + k.BLOCK], np.uint8)
                k.absorb(self._text, 0, self._cells)
            self._cells[start : start + k.WORDS] = self._cells[k.STATE : k.STATE + k.WORDS]
        self._cells[k.FIXED] = fixed

    def place(self, request_id: int, client_id: int, intent: OrderIntent, timestamp_ms: int) -> bytes:
        """Build `order.place`."""
        end = self._write(
            self._text,
            self._cells,
            self._places[intent.side, intent.tif],
            self._markets[intent.instrument],
            request_id,
            client_id,
            intent.price_ticks,
            intent.size_lots,
            timestamp_ms,
        )
        return self._made[:end].tobytes()

    def cancel(self, request_id: int, client_id: int, instrument: int, timestamp_ms: int) -> bytes:
        """Build `order.cancel`."""
        return self._plain(self._cancel, self._markets[instrument], request_id, client_id, timestamp_ms)

    def status(self, request_id: int, client_id: int, instrument: int, timestamp_ms: int) -> bytes:
        """Build `order.status`."""
        return self._plain(self._status, self._markets[instrument], request_id, client_id, timestamp_ms)

    def subscribe(self, request_id: int, timestamp_ms: int) -> bytes:
        """Build the request that brings user events onto the same connection."""
        return self._plain(self._subscribe, 0, request_id, 0, timestamp_ms)

    def _plain(self, program: int, market: int, request_id: int, client_id: int, timestamp_ms: int) -> bytes:
        end = self._write(self._text, self._cells, program, market, request_id, client_id, 0, 0, timestamp_ms)
        return self._made[:end].tobytes()


def _placing(common: dict[str, Part], side: Side, tif: TimeInForce) -> dict[str, Part]:
    parameters = {
        **common,
        "newClientOrderId": CLIENT,
        "newOrderRespType": "ACK",
        "price": PRICE,
        "quantity": SIZE,
        "side": side.name,
        "symbol": SYMBOL,
        "timeInForce": tif.name,
        "type": "LIMIT",
    }
    if tif in (TimeInForce.MARKET, TimeInForce.POST):
        del parameters["timeInForce"]
        parameters["type"] = "MARKET" if tif == TimeInForce.MARKET else "LIMIT_MAKER"
    if tif == TimeInForce.MARKET:
        del parameters["price"]
    return parameters


def _program(method: str, parameters: dict[str, Part]) -> list[Part]:
    """Give the text to sign and the request, by parts; numbers stay bare in the JSON."""
    names = sorted(parameters)
    parts: list[Part] = []
    for name in names:
        parts += [f"{'&' if parts else ''}{name}=", parameters[name]]
    parts += [k.SIGN, '{"id":', REQUEST, f',"method":"{method}","params":{{']
    for name in names:
        quote = "" if name in _NUMBERS else '"'
        parts += [f'"{name}":{quote}', parameters[name], f"{quote},"]
    return [*parts, '"signature":"', SIGNATURE, '"}}', k.END]


def _fits(parts: Sequence[Part], symbol_size: int) -> bool:
    """Tell whether a program's text to sign and its request have room for the longest fields."""
    sizes = [len(part) if isinstance(part, str) else _SIZES_MAX.get(part, 0) for part in parts]
    sizes = [symbol_size if part == SYMBOL else size for part, size in zip(parts, sizes, strict=True)]
    at = parts.index(k.SIGN)
    return sum(sizes[:at]) <= k.SIGNED_MAX - 2 * k.BLOCK and sum(sizes[at:]) <= k.REQUEST_MAX


def _add_market(text: bytearray, cells: list[int], instrument: Instrument) -> int:
    symbol, tick, lot = instrument.symbol.encode(), instrument.tick, instrument.lot
    assert max(tick.decimals, lot.decimals) <= ATOM_DECIMALS, "a step finer than an atom"
    cells += [len(text), len(symbol), tick.units, tick.decimals, lot.units, lot.decimals]
    text += symbol
    return len(cells) - k.MARKET_WIDTH


def _add_program(text: bytearray, cells: list[int], parts: Sequence[Part]) -> int:
    """Add a program, its constant texts joined where they touch."""
    begin, pending = len(cells), b""
    for part in parts:
        if isinstance(part, str):
            pending += part.encode()
            continue
        if pending != b"":
            cells += [len(text), len(pending)]
            text += pending
            pending = b""
        cells += [part, 0]
    return begin


def signed_query(signer: Signer, parameters: dict[str, str | int]) -> str:
    """Write a REST query with its signature at the end."""
    query = urlencode(parameters)
    return f"{query}&signature={signer.sign(query.encode())}"


def _fraction(number: int, root: int) -> int:
    """Give the first 32 bits after the point of a root, exactly."""
    low, high = 0, number << 32
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**root <= number << 32 * root else (low, middle)
    return low & 0xFFFFFFFF


_PRIMES = [number for number in range(2, _PRIMES_MAX) if all(number % below for below in range(2, number))]
_ROUNDS = [_fraction(prime, 3) for prime in _PRIMES]
_START = [_fraction(prime, 2) for prime in _PRIMES[: k.WORDS]]
