"""Decimal strings as exact steps and back; remembered, because a book repeats the same few thousand."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from domain.units import Step

MS_NS = 1_000_000
MEMO_MAX = 65_536
COUNT_MAX = 1 << 60
PLAIN = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Millis = Annotated[int, msgspec.Meta(ge=0, le=1 << 43)]


class BadFrame(ValueError):
    """A frame that is not what the venue's documentation promises."""


class StepReader(dict[str, int]):
    """Read decimal strings as exact steps; a memo, because a book repeats the same few thousand strings.

    >>> StepReader(Step.parse("0.01"))["1.25000000"]
    125
    """

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def __missing__(self, text: str) -> int:
        if PLAIN.fullmatch(text) is None:
            raise BadFrame(f"not a plain decimal number: {text[:40]!r}")
        count = self.step.count(text)
        if count > COUNT_MAX:
            raise BadFrame(f"number out of range: {text[:40]!r}")
        if len(self) >= MEMO_MAX:
            self.clear()
        self[text] = count
        return count


class StepWriter(dict[int, str]):
    """Write steps as the venue's decimal strings, remembering the ones in use."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def __missing__(self, count: int) -> str:
        if len(self) >= MEMO_MAX:
            self.clear()
        text = self[count] = self.step.text(count)
        return text
