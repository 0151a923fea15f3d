"""What each dialect says when a fault refuses a request."""

from __future__ import annotations

import json

from aiohttp import web

from sim.exchange.dialect_errors import DialectError
from sim.exchange.faults.config import FaultKind
from sim.exchange.faults.faults import Verdict

MAINTENANCE = "System is under maintenance."
BANNED = "Way too many requests; IP banned. Please use the websocket for live updates to avoid bans."
INTERNAL = "Internal error; unable to process your request. Please try again."


def refusal(verdict: Verdict) -> DialectError:
    """Say it as Binance does; its code after a 5xx says that nobody knows what was done."""
    if verdict.kind == FaultKind.MAINTENANCE:
        return DialectError(1, MAINTENANCE, verdict.status)
    if verdict.kind == FaultKind.BAN:
        return DialectError(-1003, BANNED, verdict.status)
    return DialectError(-1001, INTERNAL, verdict.status)


_KRAKEN = {
    FaultKind.MAINTENANCE: (503, "EService:Unavailable"),
    FaultKind.BAN: (200, "EGeneral:Temporary lockout"),
}


def response(path: str, verdict: Verdict) -> web.Response:
    """Say it over HTTP; Kraken's paths are answered in Kraken's way."""
    headers = {"Retry-After": str(verdict.retry_after_s)} if verdict.retry_after_s > 0 else {}
    if path.startswith("/0/"):
        status, text = _KRAKEN.get(verdict.kind, (verdict.status, "EGeneral:Internal error"))
        return _json({"error": [text]}, status, headers)
    refused = refusal(verdict)
    return _json(refused.body(), refused.http, headers)


def _json(body: object, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=json.dumps(body).encode(), status=status, headers=headers, content_type="application/json"
    )
