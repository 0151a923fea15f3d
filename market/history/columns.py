"""The columns of each kind of file: those of the rows (`domain.dtypes`), by the structs' field names."""

from __future__ import annotations

from typing import Any

from domain.instrument import Instrument
from domain.units import ATOM_DECIMALS
from market.history.arrow import repeated
from market.history.layout import Kind

FORMAT = "murmuration history 1"
STEP_DIGITS, STEP_DECIMALS = 18, ATOM_DECIMALS
QUOTE_DIGITS = 38

# `arrival` numbers the rows of all markets in the order in which they came: it orders equal times.
_TIMES = ("exchange_ts_ns", "local_ts_ns", "arrival")
COLUMNS: dict[Kind, tuple[str, ...]] = {
    Kind.TICKS: (*_TIMES, "sequence", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"),
    Kind.TRADES: (*_TIMES, "trade_id", "price_ticks", "size_lots", "aggressor"),
    Kind.BOOKS: (*_TIMES, "kind", "first_sequence", "last_sequence", "bids", "asks", "checksum"),
    Kind.BARS: (
        "open_ts_ns",
        "close_ts_ns",
        "arrival",
        "interval_ns",
        "open_ticks",
        "high_ticks",
        "low_ticks",
        "close_ticks",
        "volume_lots",
        "taker_buy_lots",
        "trades",
    ),
}
LEVELS = "levels"
QUOTES = ("quote_volume", "taker_buy_quote")
STEPS = ("tick", "lot")
TIME = {
    Kind.TICKS: "local_ts_ns",
    Kind.TRADES: "local_ts_ns",
    Kind.BOOKS: "local_ts_ns",
    Kind.BARS: "open_ts_ns",
}
SEQUENCE = {
    Kind.TICKS: "sequence",
    Kind.TRADES: "trade_id",
    Kind.BOOKS: "last_sequence",
    Kind.BARS: "open_ts_ns",
}


def schema(kind: Kind, metadata: dict[str, str] | None = None) -> Any:
    """Give the Arrow schema of a kind."""
    import pyarrow as pa

    fields = [pa.field(name, pa.int64(), nullable=False) for name in COLUMNS[kind]]
    if kind == Kind.BOOKS:
        level = pa.field("element", pa.int64(), nullable=False)
        fields.append(pa.field(LEVELS, pa.list_(level), nullable=False))
    if kind == Kind.BARS:
        quote = pa.decimal128(QUOTE_DIGITS, STEP_DECIMALS)
        fields += [pa.field(name, quote, nullable=False) for name in QUOTES]
    step = pa.decimal128(STEP_DIGITS, STEP_DECIMALS)
    fields += [pa.field(name, step, nullable=False) for name in STEPS]
    return pa.schema(fields, metadata)


def metadata_of(instrument: Instrument, kind: Kind, source: str) -> dict[str, str]:
    """Give the key-value metadata that lets a file stand alone."""
    return {
        "format": FORMAT,
        "kind": str(kind),
        "venue": instrument.venue,
        "symbol": instrument.symbol,
        "base": instrument.base,
        "quote": instrument.quote,
        "tick": instrument.tick.text(1),
        "lot": instrument.lot.text(1),
        "source": source,
    }


def instrument_of(metadata: dict[str, str], index: int = 0) -> Instrument:
    """Build the instrument that a file's metadata describes; its limits are not known there."""
    return Instrument.of(
        index,
        metadata["venue"],
        metadata["base"],
        metadata["quote"],
        tick=metadata["tick"],
        lot=metadata["lot"],
        symbol=metadata["symbol"],
        size_max="1000000000",
    )


def steps(instrument: Instrument, rows: int) -> list[Any]:
    """Give the two columns that repeat tick and lot, so that SQL finds prices without a join."""
    import pyarrow as pa

    kind = pa.decimal128(STEP_DIGITS, STEP_DECIMALS)
    return [repeated(kind, step.atoms(), rows) for step in (instrument.tick, instrument.lot)]
