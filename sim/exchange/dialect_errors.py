"""Refusals in the words of Binance spot: its codes, its texts, its HTTP statuses.

Source: developers.binance.com, "Error codes for Binance" and "Filters".
"""

from __future__ import annotations

from sim.exchange.messages import ExchangeErrorKind


class DialectError(Exception):
    """A refusal as the client will read it."""

    def __init__(
        self, code: int, text: str, http: int = 400, data: object = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(text)
        self.code, self.text, self.http = code, text, http
        self.data, self.retry_after_s = data, retry_after_s

    def body(self) -> dict[str, object]:
        """Give the JSON body."""
        body: dict[str, object] = {"code": self.code, "msg": self.text}
        return body if self.data is None else {**body, "data": self.data}


CLIENT_ID_RANGE = r"^[\.A-Z\:/a-z0-9_-]{1,36}$"
NUMBER_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"

REFUSALS: dict[int, tuple[int, str]] = {
    ExchangeErrorKind.UNKNOWN_INSTRUMENT: (-1121, "Invalid symbol."),
    ExchangeErrorKind.PRICE_FILTER: (-1013, "Filter failure: PRICE_FILTER"),
    ExchangeErrorKind.LOT_SIZE: (-1013, "Filter failure: LOT_SIZE"),
    ExchangeErrorKind.NOTIONAL: (-1013, "Filter failure: NOTIONAL"),
    ExchangeErrorKind.BALANCE: (-2010, "Account has insufficient balance for requested action."),
    ExchangeErrorKind.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    ExchangeErrorKind.WOULD_TAKE: (-2010, "Order would immediately match and take."),
    ExchangeErrorKind.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    ExchangeErrorKind.BAD_CLIENT_ID: (
        -1100,
        f"Illegal characters found in parameter 'newClientOrderId'; legal range is '{CLIENT_ID_RANGE}'.",
    ),
    ExchangeErrorKind.TOO_MANY_ORDERS: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    ExchangeErrorKind.NO_LIQUIDITY: (
        -2010,
        "Order book liquidity is less than LOT_SIZE filter minimum quantity.",
    ),
    ExchangeErrorKind.NOTHING_OPEN: (-2011, "Unknown order sent."),
    ExchangeErrorKind.MARKET_CLOSED: (-1013, "Market is closed."),
    ExchangeErrorKind.WOULD_TRIGGER: (-2010, "Stop price would trigger immediately."),
    ExchangeErrorKind.TOO_MANY_STOPS: (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
    ExchangeErrorKind.NO_CHANGE: (-1000, "The market is already as asked for."),
}


def refusal(kind: int) -> DialectError:
    """Put a refusal of the exchange core into the dialect's words."""
    return DialectError(*REFUSALS[kind])


def missing(name: str) -> DialectError:
    """Say that a parameter must be sent."""
    return DialectError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal_range: str) -> DialectError:
    """Say that a parameter has characters that it must not have."""
    return DialectError(
        -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal_range}'."
    )


def invalid_symbol() -> DialectError:
    """Say that there is no such market."""
    return DialectError(-1121, "Invalid symbol.")


def order_missing() -> DialectError:
    """Say that an asked-for order is not known."""
    return DialectError(-2013, "Order does not exist.")


def overloaded() -> DialectError:
    """Say that the bounded command queue is full; nothing was done."""
    text = "Server is currently overloaded with other requests. Please try again in a few minutes."
    return DialectError(-1008, text, 503)


def unsupported(text: str) -> DialectError:
    """Refuse a kind of order that no market here takes."""
    return DialectError(-2010, text)
