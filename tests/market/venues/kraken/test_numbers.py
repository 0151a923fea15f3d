"""Numbers and times are read from their text, exactly, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import Step
from market.venues.kraken import numbers
from market.venues.kraken.numbers import NumberReader, TimeReader, amount_text, unix_ns
from market.venues.steps import COUNT_MAX, BadFrame


@pytest.mark.parametrize(
    ("number", "count"),
    [("45285.2", 4528520000), ("0.00000001", 0), (7, 700000), (0, 0), ("1e-5", 1), ("2.5E+3", 250000000)],
)
def test_numbers_are_whole_steps(number: Any, count: int) -> None:
    reader = NumberReader(Step.parse("0.00001"))
    if number == "0.00000001":
        with pytest.raises(ValueError, match="not a whole number"):
            reader[number]
    else:
        assert reader[number] == reader[number] == count


@pytest.mark.parametrize(
    "number", ["-1.5", "1e400", "", "nan", "0x10", "1.5.2", "9" * 21, None, True, False, 1.5, -1]
)
def test_what_is_no_plain_number_is_refused(number: Any) -> None:
    reader: Any = NumberReader(Step.parse("1"))
    assert (reader[1], reader[0]) == (1, 0)
    with pytest.raises(BadFrame):
        reader[number]


def test_a_number_beyond_the_range_is_refused() -> None:
    with pytest.raises(BadFrame, match="out of range"):
        NumberReader(Step.parse("1"))[str(COUNT_MAX + 1)]


def test_the_memo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numbers, "MEMO_MAX", 8)
    reader = NumberReader(Step.parse("0.1"))
    assert [reader[f"{price}.5"] for price in range(30)] == [10 * price + 5 for price in range(30)]
    assert len(reader) <= 8


@given(st.integers(0, 10**12), st.integers(0, 8))
def test_any_decimal_comes_back_as_it_was_written(units: int, decimals: int) -> None:
    step = Step(1, decimals)
    reader: Any = NumberReader(step)
    assert reader[step.text(units) if decimals else units] == units


def test_amounts_keep_their_sign_and_their_digits() -> None:
    assert [amount_text(one) for one in ("0.10", "-2.5", 3, 0)] == ["0.10", "-2.5", "3", "0"]
    wrongs: tuple[Any, ...] = (None, True, "--1", "1,5", [])
    for wrong in wrongs:
        with pytest.raises(BadFrame):
            amount_text(wrong)


def test_times_are_nanoseconds_and_nothing_told_is_zero() -> None:
    times = TimeReader()
    assert times.ns("") == 0
    assert times.ns("1970-01-01T00:00:01Z") == 1_000_000_000
    assert times.ns("2023-10-04T16:26:30.524394914Z") == 1_696_436_790_524_394_914
    for minute in range(60, 3600):
        assert (
            times.ns(f"2023-10-04T{minute // 60 % 24:02d}:{minute % 60:02d}:01.5Z") % 60_000_000_000
            == 1_500_000_000
        )
    assert len(times) <= 64


@pytest.mark.parametrize(
    "text", ["2023-10-06", "2023-13-06T17:35:55Z", "2023-10-06T17:35:55.440295+02:00",
    "1969-01-01T00:00:00Z", "3023-10-06T17:35:55Z",
             "2023-10-06T17:35:61Z", "2023-10-06T17:35:55.1234567890Z", "٢٠٢٣-10-06T17:35:55Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        TimeReader().ns(text)


def test_seconds_since_1970_keep_their_fraction() -> None:
    assert unix_ns("1688669597.8277369") == 1_688_669_597_827_736_900
    assert unix_ns(1688669597) == 1_688_669_597_000_000_000
    for wrong in (None, True, "-1", "1e9", 1.5, 9_999_999_999):
        with pytest.raises(BadFrame):
            unix_ns(wrong)
