"""Money converts exactly, rounds as told, and never through a float."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.units import (
    ATOM_DECIMALS,
    ATOMS_PER_UNIT,
    Rounding,
    Step,
    atoms,
    atoms_text,
    decimal_text,
    divided,
    fee_atoms,
)

decimals = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=8)
_CONTEXT = Context(prec=60)
_EXACT = {"down": ROUND_FLOOR, "up": ROUND_CEILING}


@given(st.integers(-(10**15), 10**15), st.integers(0, 12))
def test_text_of_a_count_reads_back_as_the_count(units: int, places: int) -> None:
    assert Step(1, places).count(decimal_text(units, places)) == units


@given(decimals)
def test_atoms_are_exact(value: Decimal) -> None:
    count = atoms(str(value))
    assert count == int(_CONTEXT.multiply(value, Decimal(ATOMS_PER_UNIT)))
    assert Decimal(atoms_text(count)) == value


@given(decimals, st.sampled_from(["0.01", "0.05", "1", "5", "1E-7", "0.00025", "2e1"]))
def test_rounding_is_that_of_decimal_arithmetic(value: Decimal, step_text: str) -> None:
    step = Step.parse(step_text)
    exact = _CONTEXT.divide(value, Decimal(step_text))
    directions: tuple[Rounding, ...] = ("down", "up")
    for rounding in directions:
        assert step.count(str(value), rounding) == int(
            exact.to_integral_value(_EXACT[rounding], context=_CONTEXT)
        )
    if value >= 0:
        assert step.count(str(value), "nearest") == int(
            exact.to_integral_value(ROUND_HALF_UP, context=_CONTEXT)
        )


def test_an_inexact_count_is_refused_unless_a_rounding_is_named() -> None:
    with pytest.raises(ValueError, match="not a whole number"):
        Step.parse("0.05").count("1.21")
    assert divided(7, 2, "nearest") == 4 and divided(-7, 2, "nearest") == -3


@pytest.mark.parametrize("text", ["", "abc", "1.2.3", "nan", "inf", "--1", "0x10", "1_000", "٣"])
def test_what_is_no_decimal_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        atoms(text)


@pytest.mark.parametrize("text", ["0", "-0.01", "0.000"])
def test_a_step_is_above_zero(text: str) -> None:
    with pytest.raises(ValueError, match="above zero"):
        Step.parse(text)


def test_a_step_has_one_form_whatever_the_zeros() -> None:
    assert Step.parse("0.0100") == Step.parse("1E-2") == Step(1, 2)
    assert Step.parse("10") == Step(10, 0) and Step.parse("0.05").value(3) == pytest.approx(0.15)


def test_a_step_finer_than_an_atom_is_refused() -> None:
    assert Step(1, ATOM_DECIMALS).atoms() == 1 and Step.parse("0.5").atoms() == ATOMS_PER_UNIT // 2
    with pytest.raises(ValueError, match="finer than one atom"):
        Step(1, ATOM_DECIMALS + 1).atoms()


@given(st.integers(0, 10**18), st.integers(-1000, 10_000))
def test_a_fee_is_rounded_against_us(notional: int, fee_ppm: int) -> None:
    fee = fee_atoms(notional, fee_ppm)
    assert 0 <= fee * 1_000_000 - notional * fee_ppm < 1_000_000


def test_texts_have_no_exponent_and_keep_their_sign() -> None:
    assert decimal_text(-5, 3) == "-0.005" and decimal_text(7, 0) == "7" and decimal_text(0, 2) == "0.00"
    assert atoms("1e2") == 100 * ATOMS_PER_UNIT and atoms("+.5") == ATOMS_PER_UNIT // 2


@pytest.mark.parametrize("text", ["1e999999999", "1e-61", "9" * 61, "0." + "1" * 60])
def test_a_number_beyond_all_measure_is_refused_before_it_is_computed(text: str) -> None:
    with pytest.raises(ValueError, match="more than 60 digits"):
        Step(1, 2).count(text)
