"""What an exception of ccxt says about a request: refused, not known, or worth asking again."""

from __future__ import annotations

from enum import IntEnum

import aiohttp
import ccxt

_THERE_ALREADY = ("duplicate", "already in use", "already exists", "not unique")


class Fate(IntEnum):
    """What became of a request that raised.

    UNKNOWN holds for anything that may have reached the exchange: time-outs, lost connections, limits,
    5xx, answers that cannot be read, and every exception that is not ccxt's own.
    """

    REFUSED = 0
    UNKNOWN = 1
    LIMITED = 2
    NOT_FOUND = 3
    DUPLICATE = 4
    WRONG_KEY = 5


def fate_of(error: BaseException) -> Fate:
    """Read the exception tree: `OperationFailed` is not known, `ExchangeError` is refused, with exceptions.

    >>> fate_of(ccxt.RequestTimeout()), fate_of(ccxt.InsufficientFunds())
    (<Fate.UNKNOWN: 1>, <Fate.REFUSED: 0>)
    """
    if isinstance(error, ccxt.DDoSProtection | ccxt.RateLimitExceeded):
        return Fate.LIMITED
    if isinstance(error, ccxt.AuthenticationError):
        return Fate.WRONG_KEY
    # Not every exchange's words are in ccxt's tables.
    words = str(error).lower() if isinstance(error, ccxt.ExchangeError) else ""
    if "invalid signature" in words or "invalid key" in words:
        return Fate.WRONG_KEY
    if isinstance(error, ccxt.DuplicateOrderId) or any(each in words for each in _THERE_ALREADY):
        return Fate.DUPLICATE
    if isinstance(error, ccxt.OrderNotFound):
        return Fate.NOT_FOUND
    # A connection that breaks within an answer comes as a plain ExchangeError, though the order may stand.
    if isinstance(error.__cause__, aiohttp.ClientError | OSError):
        return Fate.UNKNOWN
    return Fate.REFUSED if isinstance(error, ccxt.ExchangeError) else Fate.UNKNOWN


def one_line(error: BaseException) -> str:
    """Say an exception in one short line."""
    return f"{type(error).__name__} {error}".replace("\n", " ").strip()[:160]
