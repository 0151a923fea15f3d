"""Ids in Kraken's form, and how its client ids are kept in the exchange core's text.

The core knows one text per order, of at most 36 characters and unique among open ones. Here it is a
client's name in a short form, a stroke, and the id under which the order was first placed: an amended order
keeps that id.
"""

from __future__ import annotations

import re
import string

import msgspec

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_KRAKEN_ID = re.compile(r"([OTAL])([A-Z2-7]{5})-([A-Z2-7]{5})-([A-Z2-7]{6})")
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_FREE = re.compile(r"[A-Za-z0-9.:_-]{1,18}")
_HEX = re.compile(r"[0-9a-f]{32}|[0-9A-F]{32}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_HEX_KINDS = {"h": str.lower, "H": str.upper}
_UUID_KINDS = {"u": str.lower, "U": str.upper}
_CORE = re.compile(r"(n|f[A-Za-z0-9.:_-]{1,18}|r[0-9]{1,10}|[hHuU][0-9A-Za-z]{1,22})/([0-9a-z]{1,12})")
USERREF_MAX = (1 << 31) - 1


class Name(msgspec.Struct, frozen=True):
    """What a client calls its order: one of the two, or neither."""

    cl_ord_id: str | None = None
    userref: int | None = None


def kraken_id(kind: str, number: int) -> str:
    """Write a number as an order (O), trade (T), amendment (A) or ledger (L) id.

    >>> kraken_id("O", 33)
    'OAAAAA-AAAAA-AAAABB'
    """
    letters = "".join(_LETTERS[number >> 5 * place & 31] for place in range(15, -1, -1))
    return f"{kind}{letters[:5]}-{letters[5:10]}-{letters[10:]}"


def kraken_number(kind: str, text: str) -> int | None:
    """Read such an id; `None` when it is none of this kind."""
    found = _KRAKEN_ID.fullmatch(text)
    if found is None or found.group(1) != kind:
        return None
    number = 0
    for letter in "".join(found.groups()[1:]):
        number = number << 5 | _LETTERS.index(letter)
    return number


def name_allowed(cl_ord_id: str) -> bool:
    """Tell whether a client id is a UUID, 32 hex digits, or up to 18 letters, digits and `.:_-`."""
    return any(form.fullmatch(cl_ord_id) is not None for form in (_FREE, _HEX, _UUID))


def core_text(name: Name, root: int) -> str:
    """Give the text under which the core keeps an order."""
    return f"{_short(name)}/{_digits(root, 36).lower()}"


def read_core_text(text: str, order_id: int) -> tuple[Name, int]:
    """Read it back; an order that was placed in another way has no name and is its own first."""
    found = _CORE.fullmatch(text)
    if found is None:
        return Name(), order_id
    kind, rest, root = found.group(1)[0], found.group(1)[1:], int(found.group(2), 36)
    if kind == "f":
        return Name(rest), root
    if kind == "r":
        return Name(userref=int(rest)), root
    return Name(None if kind == "n" else _long(kind, rest)), root


def _short(name: Name) -> str:
    if name.userref is not None:
        return f"r{name.userref}"
    if name.cl_ord_id is None:
        return "n"
    if _FREE.fullmatch(name.cl_ord_id) is not None:
        return f"f{name.cl_ord_id}"
    kind = "u" if "-" in name.cl_ord_id else "h"
    if any(letter in "ABCDEF" for letter in name.cl_ord_id):
        kind = kind.upper()
    return kind + _digits(int(name.cl_ord_id.replace("-", ""), 16), 62)


def _long(kind: str, short: str) -> str:
    value = 0
    for digit in short:
        value = value * 62 + _BASE62.index(digit)
    plain = f"{value:032x}"
    if kind in _HEX_KINDS:
        return _HEX_KINDS[kind](plain)
    parts = (plain[:8], plain[8:12], plain[12:16], plain[16:20], plain[20:])
    return _UUID_KINDS[kind]("-".join(parts))


def _digits(value: int, base: int) -> str:
    digits = ""
    while value > 0 or not digits:
        value, digit = divmod(value, base)
        digits = _BASE62[digit] + digits
    return digits
