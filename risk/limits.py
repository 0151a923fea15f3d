"""Limits as an operator writes them: money in the reporting currency, counts and bounds as integers."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from domain.units import atoms

Money = Annotated[Decimal, Field(gt=0, le=Decimal(500_000_000))]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class AgentLimits(BaseModel):
    """Bound what one agent may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    order_notional_max: Money = Decimal(5_000)
    position_notional_max: Money = Decimal(25_000)
    order_lots_max: Annotated[int, Field(ge=1, le=10**15)] = 10**12
    collar_bps: Annotated[int, Field(ge=1, le=5_000)] = 100
    in_flight_max: Count = 16
    messages_per_s: Count = 50
    messages_burst: Count = 50
    duplicate_max: Count = 10
    duplicate_window_ms: Count = 1_000

    @property
    def order_value_atoms_max(self) -> int:
        """Give the order bound in atoms of the reporting currency."""
        return atoms(format(self.order_notional_max, "f"), "down")

    @property
    def position_value_atoms_max(self) -> int:
        """Give the position bound in atoms of the reporting currency."""
        return atoms(format(self.position_notional_max, "f"), "down")


class NodeLimits(BaseModel):
    """Bound what a node's agents may do together; the leased budget bounds them further."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gross_notional_max: Money = Decimal(1_000_000)
    in_flight_max: Count = 64
    messages_per_s: Count = 200
    messages_burst: Count = 200
    market_age_ms_max: Count = 10_000

    @property
    def gross_value_atoms_max(self) -> int:
        """Give the gross bound in atoms of the reporting currency."""
        return atoms(format(self.gross_notional_max, "f"), "down")
