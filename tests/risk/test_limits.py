"""Limits: as written by an operator, as integers for the gate."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from domain.units import ATOMS_PER_UNIT
from risk.exposure import AgentRisk
from risk.limits import AgentLimits, NodeLimits


def test_money_becomes_atoms_rounded_down() -> None:
    limits = AgentLimits(order_notional_max=Decimal("1.00000000019"), position_notional_max=Decimal("1E+2"))
    assert limits.order_value_atoms_max == ATOMS_PER_UNIT + 1
    assert limits.position_value_atoms_max == 100 * ATOMS_PER_UNIT
    assert NodeLimits(gross_notional_max=Decimal("7.5")).gross_value_atoms_max == 75 * 10**9


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_notional_max": 0},
        {"collar_bps": 0},
        {"messages_per_s": -1},
        {"surprise": 1},
        {"in_flight_max": 0},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        AgentLimits.model_validate(wrong)


def test_limits_are_frozen() -> None:
    with pytest.raises(ValidationError):
        AgentLimits().collar_bps = 5  # type: ignore[misc]


def test_rates_become_intervals_and_bursts() -> None:
    risk = AgentRisk.of(AgentLimits(messages_per_s=20, messages_burst=5))
    assert (risk.message_interval_ns, risk.message_burst_ns) == (50_000_000, 250_000_000)


def test_the_worst_position_looks_both_ways() -> None:
    risk = AgentRisk.of(AgentLimits())
    risk.position_lots, risk.buy_lots, risk.sell_lots = -3, 5, 9
    assert risk.worst_lots == 12
    risk.buy_lots = 50
    assert risk.worst_lots == 47
