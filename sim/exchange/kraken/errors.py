"""Refusals in Kraken's words.

Source: docs.kraken.com, "Error messages"; the severity and category come first (`EOrder:`), details
after a colon.
"""

from __future__ import annotations

from sim.exchange.dialect_errors import DialectError
from sim.exchange.messages import ExchangeErrorKind


class KrakenError(DialectError):
    """A refusal as the client will read it; REST sends it with status 200."""

    def __init__(self, text: str) -> None:
        super().__init__(0, text, 200)

    def body(self) -> dict[str, object]:
        """Give the REST body."""
        return {"error": [self.text]}


REFUSALS: dict[int, str] = {
    ExchangeErrorKind.UNKNOWN_INSTRUMENT: "EQuery:Unknown asset pair",
    ExchangeErrorKind.PRICE_FILTER: "EOrder:Invalid price:Invalid price argument",
    ExchangeErrorKind.LOT_SIZE: "EOrder:Order minimum not met",
    ExchangeErrorKind.NOTIONAL: "EOrder:Order minimum not met",
    ExchangeErrorKind.BALANCE: "EOrder:Insufficient funds",
    ExchangeErrorKind.DUPLICATE_CLIENT_ID: "EGeneral:Invalid arguments:cl_ord_id not unique",
    ExchangeErrorKind.WOULD_TAKE: "EOrder:Post only order",
    ExchangeErrorKind.UNKNOWN_ORDER: "EOrder:Unknown order",
    ExchangeErrorKind.BAD_CLIENT_ID: "EGeneral:Invalid arguments:cl_ord_id",
    ExchangeErrorKind.TOO_MANY_ORDERS: "EOrder:Orders limit exceeded",
    ExchangeErrorKind.NO_LIQUIDITY: "EOrder:Insufficient liquidity",
    ExchangeErrorKind.NOTHING_OPEN: "EOrder:Unknown order",
    ExchangeErrorKind.MARKET_CLOSED: "EService:Market in cancel_only mode",
}


def refusal(kind: int) -> KrakenError:
    """Put a refusal of the exchange core into Kraken's words."""
    return KrakenError(REFUSALS.get(kind, "EGeneral:Invalid arguments"))


def invalid(name: str = "") -> KrakenError:
    """Say that a parameter is missing or wrong."""
    return KrakenError(f"EGeneral:Invalid arguments:{name}" if name else "EGeneral:Invalid arguments")


# Two refusals are longer on the WebSocket, where clients match them by their beginning.
_SPOKEN = {
    "EOrder:Insufficient funds": "EOrder:Insufficient funds (insufficient user funds)",
    "EOrder:Order minimum not met": "EOrder:Order minimum not met (volume too low)",
}


def spoken(refused: DialectError) -> str:
    """Give what to answer on the WebSocket."""
    text = text_of(refused)
    return _SPOKEN.get(text, text)


def text_of(refused: DialectError) -> str:
    """Give what to answer; the shared code's own refusals mean that there is too much to do."""
    return refused.text if isinstance(refused, KrakenError) else "EService:Busy"
