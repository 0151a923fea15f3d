"""Kraken's many names for one thing: pairs, assets and order ids."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from domain.instrument import Instrument

# The two assets whose REST names are older than those of the WebSocket API v2.
RENAMED = {"XBT": "BTC", "XDG": "DOGE"}


def wire_symbol(instrument: Instrument) -> str:
    """Name a market on the WebSocket API v2."""
    return f"{instrument.base}/{instrument.quote}"


def order_number(order_id: str) -> int:
    """Give the number that stands for Kraken's order id in our events: the same one at any time, never 0."""
    digest = hashlib.blake2b(order_id.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 4) | 1


class ListedAsset(msgspec.Struct):
    """An asset as `Assets` lists it."""

    altname: str


class ListedPair(msgspec.Struct):
    """A market as `AssetPairs` lists it."""

    altname: str
    base: str
    quote: str
    pair_decimals: int
    lot_decimals: int
    ordermin: str = "0"
    costmin: str = "0"
    wsname: str = ""
    tick_size: str = ""
    status: str = "online"


class Names:
    """Translate REST's names of assets and pairs into those of the WebSocket API v2."""

    def __init__(self, assets: dict[str, ListedAsset], pairs: dict[str, ListedPair]) -> None:
        self._assets = {key: _v2(asset.altname) for key, asset in assets.items()}
        self.pairs = {self._symbol(pair): pair for pair in pairs.values()}
        self._symbols = {
            name: self._symbol(pair)
            for key, pair in pairs.items()
            for name in (key, pair.altname, pair.wsname)
            if name != ""
        }

    def asset(self, name: str) -> str:
        """Give an asset's name; one that is not listed keeps its own."""
        return self._assets.get(name) or _v2(name)

    def symbol(self, name: str) -> str:
        """Give a pair's symbol, by whatever name REST calls it."""
        return self._symbols.get(name, name)

    def _symbol(self, pair: ListedPair) -> str:
        base, _, quote = pair.wsname.partition("/")
        if quote == "":
            return f"{self.asset(pair.base)}/{self.asset(pair.quote)}"
        return f"{_v2(base)}/{_v2(quote)}"


def _v2(name: str) -> str:
    return RENAMED.get(name, name)


def by_symbol(instruments: Iterable[Instrument]) -> dict[str, Instrument]:
    """Find instruments by their symbol on the wire."""
    return {wire_symbol(instrument): instrument for instrument in instruments}
