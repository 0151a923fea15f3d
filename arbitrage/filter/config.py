"""How much is believed before something is called an anomaly."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_DAY_S = 86_400.0
_FAR_BPS = 100_000.0

PEGS = {"USD": ("USD", "USDT", "USDC", "FDUSD", "TUSD", "DAI"), "EUR": ("EUR", "EURC", "EURI")}


class FilterConfig(BaseModel):
    """State the bounds of the anomaly filter.

    A deviation beyond `deviation_enter_bps` (or `mad_factor` robust standard deviations, where the markets
    of an asset differ more) for `deviation_confirm_ms` keeps a market out for `quarantine_s` at least, and
    until it was within `deviation_leave_bps` for `calm_s`. One beyond `other_bps` for `other_confirm_s` is
    taken for another asset of the same name, and stays out for `other_s`. `pegs` names coins that people
    treat as one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    age_ms: float = Field(2_000.0, gt=0, le=3_600_000)
    age_spread_ms: float = Field(1_000.0, gt=0, le=3_600_000)
    spread_bps: float = Field(500.0, gt=0, le=_FAR_BPS)
    jump_bps: float = Field(1_000.0, gt=0, lt=10_000)
    jump_settle_ms: float = Field(2_000.0, ge=0, le=3_600_000)
    sample_ms: float = Field(100.0, gt=0, le=3_600_000)
    memory_s: float = Field(60.0, gt=0, le=_DAY_S)

    flicker_ms: float = Field(100.0, gt=0, le=60_000)
    flicker_ratio: int = Field(4, ge=2, le=1_000)
    flicker_reversals: int = Field(12, ge=1, le=10_000)

    frozen_s: float = Field(5.0, gt=0, le=_DAY_S)
    frozen_bps: float = Field(25.0, gt=0, le=_FAR_BPS)
    frozen_moves: int = Field(100, ge=1, le=1_000_000)

    deviation_enter_bps: float = Field(200.0, gt=0, le=_FAR_BPS)
    deviation_leave_bps: float = Field(100.0, gt=0, le=_FAR_BPS)
    deviation_confirm_ms: float = Field(250.0, ge=0, le=3_600_000)
    mad_factor: float = Field(6.0, gt=0, le=100)
    other_bps: float = Field(2_000.0, gt=0, le=_FAR_BPS)
    other_confirm_s: float = Field(5.0, ge=0, le=_DAY_S)
    other_s: float = Field(3_600.0, ge=0, le=7 * _DAY_S)
    quarantine_s: float = Field(30.0, ge=0, le=_DAY_S)
    calm_s: float = Field(5.0, ge=0, le=_DAY_S)
    consensus_ms: float = Field(250.0, ge=0, le=3_600_000)
    consensus_age_s: float = Field(10.0, gt=0, le=_DAY_S)
    assets_swept: int = Field(16, ge=1, le=100_000)

    pegs: dict[str, tuple[str, ...]] = PEGS
    peg_bps: float = Field(100.0, gt=0, le=_FAR_BPS)

    gain_bps: float = Field(300.0, gt=0, le=_FAR_BPS)
    persist_s: float = Field(3.0, gt=0, le=_DAY_S)
    persist_gain_bps: float = Field(2.0, ge=0, le=_FAR_BPS)
    persist_worth: float = Field(100.0, ge=0, le=1e15)
    gone_ms: float = Field(1_000.0, gt=0, le=3_600_000)
    routes: int = Field(4_096, ge=1, le=1_000_000)

    fee_settle_s: float = Field(5.0, ge=0, le=_DAY_S)
    fee_ppm_min: int = Field(-1_000, ge=-10_000, le=0)
    fee_ppm_max: int = Field(20_000, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.deviation_leave_bps < self.deviation_enter_bps < self.other_bps:
            raise ValueError("deviation_leave_bps < deviation_enter_bps < other_bps must hold")
        members = [name for names in self.pegs.values() for name in names]
        if len(members) != len(set(members)):
            raise ValueError("a coin can be in one peg only")
        return self


def ms(value: float) -> int:
    """Give milliseconds of a config in nanoseconds."""
    return round(value * 1_000_000)


def seconds(value: float) -> int:
    """Give seconds of a config in nanoseconds."""
    return round(value * 1_000_000_000)
