"""Money as integers: prices in ticks, sizes in lots, balances in atoms."""

from __future__ import annotations

from typing import Literal

import msgspec

ATOM_DECIMALS = 10
ATOMS_PER_UNIT = 10**ATOM_DECIMALS
PPM = 1_000_000
DIGITS_MAX = 60

Rounding = Literal["exact", "down", "up", "nearest"]


class Step(msgspec.Struct, frozen=True, array_like=True):
    """State the size of one step: `units` × 10^-`decimals`.

    >>> Step.parse("0.05").count("1.20")
    24
    >>> Step.parse("0.05").text(24)
    '1.20'
    """

    units: int
    decimals: int

    @staticmethod
    def parse(text: str) -> Step:
        """Read a step such as `0.01`, `5` or `1E-7` from a venue's filter."""
        units, decimals = _integer(text)
        while decimals and units % 10 == 0:
            units, decimals = units // 10, decimals - 1
        if units <= 0:
            raise ValueError(f"a step must be above zero, not {text!r}")
        return Step(units, decimals)

    def count(self, text: str, rounding: Rounding = "exact") -> int:
        """Convert a decimal string into a whole number of steps."""
        units, decimals = _integer(text)
        shift = self.decimals - decimals
        numerator = units * 10**shift if shift >= 0 else units
        denominator = self.units if shift >= 0 else self.units * 10**-shift
        return divided(numerator, denominator, rounding)

    def text(self, count: int) -> str:
        """Write a number of steps as a plain decimal string."""
        return decimal_text(count * self.units, self.decimals)

    def value(self, count: float) -> float:
        """Give a float for models and screens, never for money."""
        return float(count * self.units / 10**self.decimals)

    def atoms(self) -> int:
        """Give one step in atoms; a finer step than an atom is refused."""
        if self.decimals > ATOM_DECIMALS:
            raise ValueError(f"step {self.text(1)} is finer than one atom (1e-{ATOM_DECIMALS})")
        return self.units * int(10 ** (ATOM_DECIMALS - self.decimals))


def divided(numerator: int, denominator: int, rounding: Rounding) -> int:
    """Divide integers with an explicit rounding; halves go up for `nearest`."""
    quotient, rest = divmod(numerator, denominator)
    if rest == 0 or rounding == "down":
        return quotient
    if rounding == "up":
        return quotient + 1
    if rounding == "nearest":
        return quotient + (2 * rest >= denominator)
    raise ValueError(f"{numerator}/{denominator} is not a whole number of steps")


def atoms(text: str, rounding: Rounding = "exact") -> int:
    """Convert a decimal string into atoms of an asset."""
    return Step(1, ATOM_DECIMALS).count(text, rounding)


def atoms_text(count: int) -> str:
    """Write atoms as a plain decimal string."""
    return decimal_text(count, ATOM_DECIMALS)


def decimal_text(units: int, decimals: int) -> str:
    """Write units × 10^-decimals without an exponent."""
    sign, digits = ("-", str(-units)) if units < 0 else ("", str(units))
    if decimals == 0:
        return sign + digits
    digits = digits.rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


def fee_atoms(notional: int, fee_ppm: int) -> int:
    """Charge a fee, rounded up; a rebate (negative rate) is rounded against us too."""
    return -((-notional * fee_ppm) // PPM)


def _integer(text: str) -> tuple[int, int]:
    mantissa, _, exponent = text.strip().lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole.lstrip("+-") + fraction
    if not digits.isascii() or not digits.isdigit():
        raise ValueError(f"not a decimal number: {text[:40]!r}")
    power = int(exponent or 0)
    if len(digits) > DIGITS_MAX or abs(power) > DIGITS_MAX:
        raise ValueError(f"a number of more than {DIGITS_MAX} digits: {text[:40]!r}")
    units, decimals = int(whole + fraction), len(fraction) - power
    return (units, decimals) if decimals >= 0 else (units * int(10**-decimals), 0)
