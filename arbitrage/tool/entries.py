"""Read the tool's input: a JSON list of books and plain rates, each field checked, each trouble one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from domain.errors import ExitCode, SwarmError
from domain.units import PPM

ENTRIES_MAX = 100_000
LEVELS_MAX = 10_000
NAME_MAX = 64
DIGITS_MAX = 60
# Numbers are between 1e-30 and 1e30; prices and rates between those that the graph takes for prices.
EXPONENT_MAX, PRICE_EXPONENT_MAX = 30, 14

_NUMBER = re.compile(r"([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,5}))?", re.ASCII)
_NEEDED = ("venue", "base", "quote", "bids", "asks", "taker_bps")
_MORE = ("symbol", "tick", "lot", "min_notional", "size_min", "size_max", "fee_in")
_RATE = ("from", "to", "rate")
Made = TypeVar("Made")


class Decimals(NamedTuple):
    """Hold a decimal number exactly: units × 10^-decimals, without trailing zeros."""

    units: int
    decimals: int

    @property
    def value(self) -> Fraction:
        """Give the number."""
        return Fraction(self.units, 10**self.decimals)


Level = tuple[Decimals, Decimals]


class BookEntry(NamedTuple):
    """Hold one book as it was given, best first; what was left out is `None`."""

    entry: int
    venue: str
    symbol: str
    base: str
    quote: str
    bids: list[Level]
    asks: list[Level]
    taker_bps: Decimals
    tick: Decimals | None
    lot: Decimals | None
    min_notional: Decimals
    size_min: Decimals
    size_max: Decimals | None
    fee_in_quote: bool


class RateEntry(NamedTuple):
    """Hold one plain rate: what one unit of `have` becomes in `want`, without end."""

    entry: int
    have: str
    want: str
    rate: Decimals


Entry = BookEntry | RateEntry


class JsonNumber(str):
    """Keep a JSON number as it was written: a float would not be what was meant."""

    __slots__ = ()


class _Twice(ValueError):
    pass


def entries(text: bytes, source: str) -> list[Entry]:
    """Read every entry, or raise what is wrong with the first bad one."""
    try:
        whole = json.loads(
            text.decode("utf-8-sig"),
            parse_float=JsonNumber,
            parse_int=JsonNumber,
            parse_constant=JsonNumber,
            object_pairs_hook=_pairs,
        )
    except _Twice as error:
        raise bad(str(error), source, "give every field once") from error
    except UnicodeDecodeError as error:
        raise bad("it is not UTF-8 text", f"{source}, byte {error.start}", "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"{source}, line {error.lineno} column {error.colno}"
        raise bad(f"it is not JSON: {error.msg.lower()}", where, "mend that place") from error
    except RecursionError as error:
        raise bad("it is nested too deeply", source, "give a plain list of books") from error
    if not isinstance(whole, list):
        raise bad(f"it is {_kind(whole)}, not a list", source, "put the books between [ and ]")
    if len(whole) > ENTRIES_MAX:
        raise bad(f"it has {len(whole):,} entries", source, f"give at most {ENTRIES_MAX:,}")
    return [_entry(one, place, source) for place, one in enumerate(whole)]


def bad(what: str, where: str, mend: str) -> SwarmError:
    """Make the one line that tells what is wrong with data."""
    return SwarmError(what, where=where, mend=mend, code=ExitCode.BAD_DATA)


def decimals_of(
    text: object,
    where: str,
    *,
    zero: bool = False,
    negative: bool = False,
    exponent_max: int = EXPONENT_MAX,
) -> Decimals:
    """Read a decimal number, exactly: a JSON number or a string; above zero where nothing else is said."""
    if not isinstance(text, str):
        raise bad(f"{_kind(text)} is not a decimal number", where, 'give a number such as "0.25"')
    match = _NUMBER.fullmatch(text.strip())
    if match is None or not match[2] + match[3]:
        raise bad(f"{_shown(text)} is not a decimal number", where, 'give a number such as "0.25"')
    if len(match[2] + match[3]) > DIGITS_MAX:
        raise bad(f"a number of more than {DIGITS_MAX} digits", where, "round it")
    units, decimals = int(match[2] + match[3]), len(match[3]) - int(match[4] or 0)
    if match[1] == "-" and units > 0 and not negative:
        mend = "give zero, or a number above it" if zero else "give a number above zero"
        raise bad(f"{_shown(text)} is below zero", where, mend)
    if units == 0 and not zero:
        raise bad("it is zero", where, "give a number above zero, or leave the entry or level out")
    if units == 0:
        return Decimals(0, 0)
    while units % 10 == 0:
        units, decimals = units // 10, decimals - 1
    magnitude = len(str(units)) - decimals
    edge = (units, magnitude) == (1, exponent_max + 1)
    if not (-exponent_max < magnitude <= exponent_max or edge):
        raise bad(
            f"{_shown(text)} is out of range",
            where,
            f"give a number from 1e-{exponent_max} to 1e{exponent_max}",
        )
    units = -units if match[1] == "-" else units
    return Decimals(units, decimals) if decimals >= 0 else Decimals(units * int(10**-decimals), 0)


def _entry(one: object, place: int, source: str) -> Entry:
    where = f"{source}, entry {place}"
    if not isinstance(one, dict):
        raise bad(f"it is {_kind(one)}, not an object", where, "give {…} with the fields of a book or a rate")
    is_rate = not (set(one) & {"bids", "asks"}) and bool(set(one) & set(_RATE))
    needed, known = (_RATE, _RATE) if is_rate else (_NEEDED, _NEEDED + _MORE)
    for name in one:
        if name not in known:
            kind = "rate" if is_rate else "book"
            raise bad(f"unknown field {_shown(name)}", where, f"a {kind} has {', '.join(known)}")
    for name in needed:
        if name not in one:
            mend = (
                '"0" where there is no fee' if name == "taker_bps" else f"every one has {', '.join(needed)}"
            )
            raise bad(f'the field "{name}" is missing', where, mend)
    return _rate(one, place, where) if is_rate else _book(one, place, where)


def _rate(one: dict[str, Any], place: int, where: str) -> RateEntry:
    have, want = (_name(one[name], f"{where}, {name}") for name in ("from", "to"))
    return RateEntry(place, have, want, _price(one["rate"], f"{where}, rate"))


def _book(one: dict[str, Any], place: int, where: str) -> BookEntry:
    venue, base, quote = (_name(one[name], f"{where}, {name}") for name in ("venue", "base", "quote"))
    if base == quote:
        raise bad(f"base and quote are both {_shown(base)}", where, "name two assets")
    bids, asks = (_levels(one[name], f"{where}, {name}") for name in ("bids", "asks"))
    fee_in = one.get("fee_in", "received")
    if fee_in not in ("received", "quote"):
        raise bad(f"{_shown(fee_in)} is unknown", f"{where}, fee_in", 'give "received" or "quote"')
    taker = decimals_of(one["taker_bps"], f"{where}, taker_bps", zero=True, negative=True)
    if abs(taker_ppm(taker)) >= PPM:
        raise bad("a fee of all there is, or more", f"{where}, taker_bps", "give basis points: 10 is 0.001")
    size_min = _optional(one, "size_min", where, _or_zero) or Decimals(0, 0)
    size_max = _optional(one, "size_max", where, decimals_of)
    if size_max is not None and size_min.value > size_max.value:
        raise bad("it is above size_max: no order fits", f"{where}, size_min", "mend one of the two")
    return BookEntry(
        entry=place,
        venue=venue,
        symbol=_name(one["symbol"], f"{where}, symbol") if "symbol" in one else base + quote,
        base=base,
        quote=quote,
        bids=sorted(bids, key=lambda level: -level[0].value),
        asks=sorted(asks, key=lambda level: level[0].value),
        taker_bps=taker,
        tick=_optional(one, "tick", where, decimals_of),
        lot=_optional(one, "lot", where, decimals_of),
        min_notional=_optional(one, "min_notional", where, _or_zero) or Decimals(0, 0),
        size_min=size_min,
        size_max=size_max,
        fee_in_quote=fee_in == "quote",
    )


def _levels(given: object, where: str) -> list[Level]:
    if not isinstance(given, list):
        raise bad(
            f"it is {_kind(given)}, not a list", where, "give [[price, size], …], or [] for an empty side"
        )
    if len(given) > LEVELS_MAX:
        raise bad(f"it has {len(given):,} levels", where, f"give at most {LEVELS_MAX:,}")
    levels = [_level(level, f"{where}[{place}]") for place, level in enumerate(given)]
    seen: dict[Decimals, int] = {}
    for place, (price, _) in enumerate(levels):
        if (first := seen.setdefault(price, place)) != place:
            mend = "give each price once, with all its size"
            raise bad(f"it is the price of level {first} again", f"{where}[{place}]", mend)
    return levels


def taker_ppm(taker_bps: Decimals) -> int:
    """Round a fee up to the millionth, which is the finest that a venue has."""
    return int(-(-taker_bps.value * 100 // 1))


def _level(level: object, where: str) -> Level:
    if not isinstance(level, list) or len(level) != 2:
        shown = f"{len(level)} values" if isinstance(level, list) else _kind(level)
        raise bad(f"a level of {shown}", where, 'give ["price", "size"]')
    return _price(level[0], f"{where}, price"), decimals_of(level[1], f"{where}, size")


def _price(text: object, where: str) -> Decimals:
    return decimals_of(text, where, exponent_max=PRICE_EXPONENT_MAX)


def _optional(one: dict[str, Any], name: str, where: str, read: Callable[[object, str], Made]) -> Made | None:
    return None if one.get(name) is None else read(one[name], f"{where}, {name}")


def _or_zero(text: object, where: str) -> Decimals:
    return decimals_of(text, where, zero=True)


def _name(given: object, where: str) -> str:
    """Take a name that can be shown; numbers are names too (UVa's tables number their currencies)."""
    if not isinstance(given, str) or not given.strip() or len(given) > NAME_MAX or not given.isprintable():
        shown = _shown(given) if isinstance(given, str) else _kind(given)
        raise bad(f"{shown} is not a name", where, f"give 1 to {NAME_MAX} letters that can be printed")
    return str(given)


def _pairs(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Twice(f"the field {_shown(twice)} is given twice in one object")
    return made


def _kind(value: object) -> str:
    kinds = {
        dict: "an object",
        list: "a list",
        bool: "a truth value",
        type(None): "null",
        JsonNumber: "a number",
    }
    return kinds.get(type(value), "a text")


def _shown(value: object) -> str:
    return ascii(value if isinstance(value, str) and len(value) <= 40 else str(value)[:40] + "…")
