"""Whatever ccxt raises is refused, unknown or more exact than that; nothing unknown is called refused."""

from __future__ import annotations

import aiohttp
import ccxt
import pytest

from market.venues.ccxt.fate import Fate, fate_of, one_line


def every(kind: type[Exception]) -> list[type[Exception]]:
    return [kind, *(each for child in kind.__subclasses__() for each in every(child))]


def test_every_failed_operation_leaves_the_order_unknown() -> None:
    found = {kind: fate_of(kind("x")) for kind in every(ccxt.OperationFailed)}
    assert len(found) >= 10
    assert set(found.values()) == {Fate.UNKNOWN, Fate.LIMITED}
    assert [kind for kind, fate in found.items() if fate == Fate.LIMITED] == [
        ccxt.DDoSProtection,
        ccxt.RateLimitExceeded,
    ]


def test_every_error_of_the_exchange_is_refused_or_more_exact() -> None:
    found = {kind: fate_of(kind("x")) for kind in every(ccxt.ExchangeError)}
    assert len(found) >= 25 and Fate.UNKNOWN not in found.values()
    exact = {kind: fate for kind, fate in found.items() if fate != Fate.REFUSED}
    assert {
        kind.__name__: fate for kind, fate in exact.items() if not issubclass(kind, ccxt.AuthenticationError)
    } == {
        "OrderNotFound": Fate.NOT_FOUND,
        "DuplicateOrderId": Fate.DUPLICATE,
    }
    assert all(found[kind] == Fate.WRONG_KEY for kind in every(ccxt.AuthenticationError))


@pytest.mark.parametrize(
    "error", [KeyError("id"), TypeError(), ValueError(), OSError(), TimeoutError(), ccxt.BaseError()]
)
def test_what_is_not_the_exchanges_own_word_is_unknown(error: Exception) -> None:
    assert fate_of(error) == Fate.UNKNOWN


def test_a_connection_that_broke_within_an_answer_is_unknown() -> None:
    error = ccxt.ExchangeError("binance POST")
    error.__cause__ = aiohttp.ClientPayloadError()
    assert fate_of(error) == Fate.UNKNOWN


@pytest.mark.parametrize(
    ("words", "fate"),
    [
        ("Duplicate order sent.", Fate.DUPLICATE),
        ("cl_ord_id is already in use", Fate.DUPLICATE),
        ("EAPI:Invalid signature", Fate.WRONG_KEY),
        ("EOrder:Post only order", Fate.REFUSED),
    ],
)
def test_words_that_ccxt_has_no_class_for_are_read(words: str, fate: Fate) -> None:
    assert fate_of(ccxt.InvalidOrder(words)) == fate


def test_an_exception_is_said_in_one_short_line() -> None:
    assert one_line(ValueError("a\nb" + "c" * 500)).startswith("ValueError a b")
    assert len(one_line(ValueError("c" * 500))) == 160
