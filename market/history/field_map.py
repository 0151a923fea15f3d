"""Which column of a file means what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from domain.errors import ConfigError
from market.history.layout import Kind
from market.history.raw import BadInput

FIELDS: dict[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Kind.TRADES: (("price", "size", "time"), ("id", "side", "maker", "local", "symbol")),
    Kind.TICKS: (("bid", "bid_size", "ask", "ask_size", "time"), ("id", "local", "symbol")),
    Kind.BARS: (
        ("time", "open", "high", "low", "close", "volume"),
        ("end", "quote_volume", "trades", "taker_volume", "taker_quote_volume", "symbol"),
    ),
    Kind.BOOKS: (("time", "first", "last", "side", "type", "price", "size"), ("symbol",)),
}
_NUMBERS = {
    "price", "size", "bid", "bid_size", "ask", "ask_size", "open", "high", "low", "close", "volume",
    "quote_volume", "taker_volume", "taker_quote_volume",
}  # fmt: skip
_WHOLES = {"id", "first", "last", "trades"}
PRICES: dict[Kind, tuple[str, ...]] = {
    Kind.TRADES: ("price",),
    Kind.TICKS: ("bid", "ask"),
    Kind.BARS: ("open", "high", "low", "close"),
    Kind.BOOKS: ("price",),
}
SIZES: dict[Kind, tuple[str, ...]] = {
    Kind.TRADES: ("size",),
    Kind.TICKS: ("bid_size", "ask_size"),
    Kind.BARS: ("volume", "taker_volume"),
    Kind.BOOKS: ("size",),
}


class FieldMap(msgspec.Struct, frozen=True):
    """Tie the fields of a kind to columns; `unit` is that of times, absent where it is to be seen."""

    kind: Kind
    columns: Mapping[str, str]
    unit: str | None = None
    note: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Give the columns that are needed, each once."""
        return tuple(dict.fromkeys(self.columns.values()))

    def among(self, fields: set[str]) -> tuple[str, ...]:
        """Give the columns of some fields."""
        return tuple(column for field, column in self.columns.items() if field in fields)

    @property
    def numbers(self) -> tuple[str, ...]:
        """Give the columns of decimals."""
        return self.among(_NUMBERS)

    @property
    def wholes(self) -> tuple[str, ...]:
        """Give the columns of whole numbers."""
        counted = self.unit in (None, "ms", "us", "ns")
        return self.among(_WHOLES | ({"time", "end", "local"} if counted else set()))


def read_mapping(text: str, kind: Kind | None) -> FieldMap:
    """Read `price=px,size=qty,time=ts:ms`; the kind follows from the fields where it is not given."""
    columns: dict[str, str] = {}
    unit = None
    for pair in text.split(","):
        field, equals, column = pair.strip().partition("=")
        if not equals or not column:
            raise _refused(f"{pair!r} is not FIELD=COLUMN")
        if field in ("time", "local", "end") and (found := re.fullmatch(r"(.+):(s|ms|us|ns|iso)", column)):
            column, unit = found[1], found[2]
        columns[field] = column
    kind = kind or next(
        (each for each, (needed, _) in FIELDS.items() if set(needed) <= columns.keys()), Kind.TRADES
    )
    needed, extra = FIELDS[kind]
    missing = [field for field in needed if field not in columns]
    unknown = [field for field in columns if field not in needed + extra]
    if missing:
        raise _refused(f"{kind} need {missing[0]!r}")
    if unknown:
        raise _refused(f"{kind} have no field {unknown[0]!r}")
    return FieldMap(kind, columns, unit)


def _refused(what: str) -> ConfigError:
    told = "; ".join(
        f"{kind}: {', '.join(needed)} [{', '.join(extra)}]" for kind, (needed, extra) in FIELDS.items()
    )
    return ConfigError(what, where="--map", mend=f"write field=column[:unit],… with {told}")


class Dump(msgspec.Struct, frozen=True):
    """One of Binance's public formats: its columns in order, and what they mean."""

    kind: Kind
    names: tuple[str, ...]
    columns: Mapping[str, str]
    lengths: tuple[int, ...]
    note: str = ""


DUMPS: dict[str, Dump] = {
    "trades": Dump(
        Kind.TRADES,
        ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
        {"id": "id", "price": "price", "size": "qty", "time": "time", "maker": "is_buyer_maker"},
        (6, 7),
    ),
    "aggTrades": Dump(
        Kind.TRADES,
        (
            "agg_trade_id", "price", "quantity", "first_trade_id", "last_trade_id", "transact_time",
            "is_buyer_maker", "is_best_match",
        ),
        {"id": "agg_trade_id", "price": "price", "size": "quantity", "time": "transact_time",
         "maker": "is_buyer_maker"},
        (7, 8),
        "ids are those of aggregate trades",
    ),
    "klines": Dump(
        Kind.BARS,
        (
            "open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "count",
            "taker_buy_volume", "taker_buy_quote_volume", "ignore",
        ),
        {"time": "open_time", "open": "open", "high": "high", "low": "low", "close": "close",
         "volume": "volume", "end": "close_time", "quote_volume": "quote_volume", "trades": "count",
         "taker_volume": "taker_buy_volume", "taker_quote_volume": "taker_buy_quote_volume"},
        (12,),
    ),
    "bookTicker": Dump(
        Kind.TICKS,
        (
            "update_id", "best_bid_price", "best_bid_qty", "best_ask_price", "best_ask_qty",
            "transaction_time", "event_time",
        ),
        {"id": "update_id", "bid": "best_bid_price", "bid_size": "best_bid_qty", "ask": "best_ask_price",
         "ask_size": "best_ask_qty", "time": "transaction_time", "local": "event_time"},
        (7,),
    ),
    "depth": Dump(
        Kind.BOOKS,
        (
            "symbol", "timestamp", "first_update_id", "last_update_id", "side", "update_type", "price", "qty",
            "pu",
        ),
        {"time": "timestamp", "first": "first_update_id", "last": "last_update_id", "side": "side",
         "type": "update_type", "price": "price", "size": "qty", "symbol": "symbol"},
        (8, 9),
    ),
}  # fmt: skip

# How the same columns are called in other headers of the same dumps.
_ALIASES = {
    "tradeid": "id",
    "aggregatetradeid": "aggtradeid",
    "numberoftrades": "count",
    "quoteassetvolume": "quotevolume",
    "takerbuybasevolume": "takerbuyvolume",
}
_NAMED = re.compile(
    r"(?P<symbol>[A-Z0-9]{2,30}(?:_PERP|_\d{6})?)-(?P<what>trades|aggTrades|bookTicker|bookDepth|\d+[smhdw]|1mo)"
    r"-(?P<period>\d{4}-\d{2}(?:-\d{2})?)\.(?:zip|csv)"
)
_DEPTH_NAMED = re.compile(
    r"(?P<symbol>[A-Z0-9]+)_T_DEPTH_(?P<period>\d{4}-\d{2}-\d{2})(?:_depth_(?:snap|update))?\.(?:zip|csv)"
)


class DumpName(msgspec.Struct, frozen=True):
    """What a dump's file name tells."""

    symbol: str
    dump: str
    period: str


def dump_name(path: Path) -> DumpName | None:
    """Read a dump's name, such as BTCUSDT-trades-2025-01-01.zip."""
    if found := _NAMED.fullmatch(path.name):
        what = found["what"] if found["what"] in (*DUMPS, "bookDepth") else "klines"
        return DumpName(found["symbol"], what, found["period"])
    if found := _DEPTH_NAMED.fullmatch(path.name):
        return DumpName(found["symbol"], "depth", found["period"])
    return None


def dump_columns(dump: Dump, fields: list[str]) -> tuple[list[str] | None, FieldMap]:
    """Give a dump's column names (`None` where the file has a header that holds them) and its mapping."""
    headed = not any(field[:1].isdigit() for field in fields)
    if not headed:
        if len(fields) not in dump.lengths:
            wanted = " or ".join(str(length) for length in dump.lengths)
            raise BadInput(f"the line has {len(fields)} columns, not {wanted}", 1)
        names = list(dump.names[: len(fields)])
        return names, FieldMap(dump.kind, dict(dump.columns), note=dump.note)
    known = {_plain(field): field for field in fields}
    columns = {}
    for field, name in dump.columns.items():
        if _plain(name) in known:
            columns[field] = known[_plain(name)]
        elif field in FIELDS[dump.kind][0] + ("id",):
            raise BadInput(f"there is no column {name!r}: there are {', '.join(fields)}", 1)
    return None, FieldMap(dump.kind, columns, note=dump.note)


def _plain(name: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return _ALIASES.get(plain, plain)
