"""Numbers in Kraken's JSON: written with the market's own decimals, read without ever being floats."""

from __future__ import annotations

import json

import msgspec

from domain.instrument import Instrument
from domain.units import ATOMS_PER_UNIT, Step, atoms_text, decimal_text


class Number:
    """A JSON number with a fraction, as the client wrote it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def read_json(text: str) -> object:
    """Read JSON; numbers with a fraction stay text. Half a surrogate pair is refused: nobody can write it."""
    value: object = json.loads(text, parse_float=Number)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    return value


def digits(text: str, most: int = 19) -> bool:
    """Tell whether a text is a whole number of at most so many digits."""
    return text.isascii() and text.isdigit() and len(text) <= most


def raw(text: str) -> msgspec.Raw:
    """Put a number's own digits into JSON."""
    return msgspec.Raw(text.encode())


def price(market: Instrument, ticks: int) -> msgspec.Raw:
    """Write a price."""
    return raw(market.tick.text(ticks))


def quantity(market: Instrument, lots: int) -> msgspec.Raw:
    """Write a quantity."""
    return raw(market.lot.text(lots))


def amount(atoms: int) -> msgspec.Raw:
    """Write an amount of an asset."""
    return raw(atoms_text(atoms))


def average(market: Instrument, notional_atoms: int, lots: int) -> str:
    """Write an average price with ten decimals, rounded down."""
    if lots == 0:
        return "0.0000000000"
    return atoms_text(notional_atoms * ATOMS_PER_UNIT // (lots * market.lot_atoms))


def text_steps(text: str, step: Step) -> int | None:
    """Read a decimal text as steps above zero; `None` when it is no such thing."""
    try:
        count = step.count(text)
    except ValueError:
        return None
    return count if 0 < count < 1 << 53 else None


def fee_text(fee_ppm: int) -> str:
    """Write a rate in hundredths, as Kraken does.

    >>> fee_text(260)
    '0.0260'
    """
    return decimal_text(fee_ppm, 4)
