"""A WebSocket v2 request and its answers."""

from __future__ import annotations

import msgspec

from sim.exchange.dialect_market import Json
from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.numbers import read_json
from sim.exchange.kraken.stamps import rfc3339

NUMBER_MAX = (1 << 63) - 1

_encode = msgspec.json.Encoder().encode


class Request(msgspec.Struct, frozen=True):
    """What a client asks for; `number` is its `req_id`, `None` where it gave none."""

    method: str
    params: dict[str, object]
    number: int | None
    came_ns: int

    def done(self, result: object, now_ns: int) -> bytes:
        """Answer that it was done."""
        return self._answer({"result": result, "success": True}, now_ns)

    def refused(self, text: str, now_ns: int, about: Json | None = None) -> bytes:
        """Answer that it was not."""
        return self._answer({"error": text, "success": False, **(about or {})}, now_ns)

    def pong(self, now_ns: int) -> bytes:
        """Answer a ping."""
        return self._answer({}, now_ns)

    def _answer(self, body: Json, now_ns: int) -> bytes:
        head: Json = {"method": "pong" if self.method == "ping" else self.method}
        if self.number is not None:
            head["req_id"] = self.number
        return _encode(head | body | {"time_in": rfc3339(self.came_ns), "time_out": rfc3339(now_ns)})


def read_request(text: str, now_ns: int) -> Request:
    """Read a message; raise the refusal of what is none."""
    try:
        message = read_json(text)
    except (ValueError, RecursionError):
        raise KrakenError("Malformed request") from None
    if not isinstance(message, dict):
        raise KrakenError("Malformed request")
    method, params, number = message.get("method"), message.get("params", {}), message.get("req_id")
    if not isinstance(method, str) or not isinstance(params, dict):
        raise KrakenError("Malformed request")
    whole = isinstance(number, int) and not isinstance(number, bool) and abs(number) <= NUMBER_MAX
    if number is not None and not whole:
        raise KrakenError("Malformed request: req_id must be an integer")
    return Request(method, params, number, now_ns)
