"""Kraken's JSON numbers and times, read from their text: never through a float."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from domain.units import Step
from market.venues.steps import COUNT_MAX, MEMO_MAX, BadFrame, StepReader

S_NS = 1_000_000_000
CRC_MAX = (1 << 32) - 1
NO_TIME = ""
# Well inside an int64, and in the year 2116.
TIME_NS_MAX = 1 << 62
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(\.\d{1,9})?Z", re.ASCII)
_UNIX = re.compile(r"[0-9]{1,10}(\.[0-9]{1,10})?")

Crc = Annotated[int, msgspec.Meta(ge=0, le=CRC_MAX)]
# A number as msgspec gives it to an untyped field: text by `number_text`, an int where it has no fraction.
Number = Any


def number_text(text: str) -> str:
    """Keep a fraction as its text; the `float_hook` of every decoder here."""
    return text


class NumberReader(StepReader):
    """Read JSON numbers as exact steps.

    >>> reader = NumberReader(Step.parse("0.1"))
    >>> reader["45285.20000000"], reader["1.5e1"], reader[7]
    (452852, 150, 70)
    """

    def __missing__(self, number: Number) -> int:
        # An int is not remembered: its key would be found by `true` as well.
        if type(number) is int:
            return self._count(str(number))
        if type(number) is not str:
            raise BadFrame(f"not a number: {str(number)[:40]!r}")
        count = self._count(number)
        if len(self) >= MEMO_MAX:
            self.clear()
        self[number] = count
        return count

    def _count(self, text: str) -> int:
        if _NUMBER.fullmatch(text) is None:
            raise BadFrame(f"not a plain number: {text[:40]!r}")
        count = self.step.count(text)
        if count > COUNT_MAX:
            raise BadFrame(f"number out of range: {text[:40]!r}")
        return count


def amount_text(number: Number) -> str:
    """Give a balance's or a fee's text, sign and all, once it is known to be a plain number."""
    text = str(number) if type(number) is int else number
    if type(text) is not str or _NUMBER.fullmatch(text.removeprefix("-")) is None:
        raise BadFrame(f"not an amount: {str(number)[:40]!r}")
    return text


class TimeReader(dict[str, int]):
    """Read RFC 3339 times as nanoseconds; a memo by minute, because times come in order.

    >>> TimeReader().ns("2023-10-06T17:35:55.440295Z")
    1696613755440295000
    """

    def ns(self, text: str) -> int:
        """Read a time; nothing told is 0."""
        if text == NO_TIME:
            return 0
        if _TIME.fullmatch(text) is None:
            raise BadFrame(f"not a time: {text[:40]!r}")
        return self[text[:16]] + int(text[17:19]) * S_NS + int(text[20:-1].ljust(9, "0") or 0)

    def __missing__(self, minute: str) -> int:
        seconds = int(datetime.fromisoformat(minute).replace(tzinfo=UTC).timestamp())
        if not 0 <= seconds * S_NS <= TIME_NS_MAX:
            raise BadFrame(f"a time before 1970 or too far ahead: {minute}")
        if len(self) >= 64:
            self.clear()
        self[minute] = ns = seconds * S_NS
        return ns


def unix_ns(number: Number) -> int:
    """Read REST's seconds since 1970, which come with a fraction.

    >>> unix_ns("1688669597.8277369")
    1688669597827736900
    """
    text = str(number) if type(number) is int else number
    if type(text) is not str or _UNIX.fullmatch(text) is None:
        raise BadFrame(f"not a time: {str(number)[:40]!r}")
    ns = Step(1, 9).count(text, "down")
    if ns > TIME_NS_MAX:
        raise BadFrame(f"a time too far ahead: {text}")
    return ns
