"""One thing has one name here, whatever Kraken calls it."""

from __future__ import annotations

from market.venues.kraken.names import ListedAsset, ListedPair, Names, by_symbol, order_number, wire_symbol
from tests.market.venues.kraken.frames import BTC, ETH

ASSETS = {"XXBT": ListedAsset("XBT"), "ZUSD": ListedAsset("USD"), "XXDG": ListedAsset("XDG")}
PAIRS = {
    "XXBTZUSD": ListedPair("XBTUSD", "XXBT", "ZUSD", 1, 8, wsname="XBT/USD"),
    "XDGUSD": ListedPair("XDGUSD", "XXDG", "ZUSD", 7, 8),
}


def test_rest_names_become_those_of_the_websocket() -> None:
    names = Names(ASSETS, PAIRS)
    assert [names.asset(name) for name in ("XXBT", "ZUSD", "XXDG", "XBT", "USDT")] == [
        "BTC", "USD", "DOGE", "BTC", "USDT",
    ]  # fmt: skip
    assert [names.symbol(name) for name in ("XXBTZUSD", "XBTUSD", "XBT/USD", "XDGUSD", "OTHER")] == [
        "BTC/USD", "BTC/USD", "BTC/USD", "DOGE/USD", "OTHER",
    ]  # fmt: skip
    assert set(names.pairs) == {"BTC/USD", "DOGE/USD"}


def test_an_order_id_has_one_number_that_fits_and_is_never_zero() -> None:
    numbers = {order_number(f"O{index:05d}-AAAAA-BBBBBB") for index in range(2_000)}
    assert len(numbers) == 2_000 and all(0 < number < 1 << 60 for number in numbers)
    assert order_number("OK4GJX-KSTLS-7DZZO5") == order_number("OK4GJX-KSTLS-7DZZO5")


def test_instruments_are_found_by_their_symbol_on_the_wire() -> None:
    assert by_symbol((BTC, ETH)) == {"BTC/USDT": BTC, "ETH/USDT": ETH} and wire_symbol(ETH) == "ETH/USDT"
