"""What a saga may do, settled before its first leg: every price, attempt and wait has its bound here."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.ticket import Ticket

_MS = 1_000_000
Ppm = Annotated[int, Field(ge=0, le=500_000)]
Tries = Annotated[int, Field(ge=0, le=100)]
Millis = Annotated[int, Field(ge=1, le=600_000)]


class SagaConfig(BaseModel):
    """Bound how a cycle is executed.

    `hedge_ppm` is how much worse than its ticket's cap a lagging leg may be driven on, each of `hedges_max`
    tries a step nearer to that: a touch that was taken is mostly there again soon. `unwind_ppm` is how far
    beyond the touch at planning a leg may be taken back. `answer_ms` is added to twice a venue's latency:
    an order without an answer for longer is unknown. `unknown_ms` is how long the unknown is waited for,
    `patience_ms` how long a quote within the bound is. `fills_max` is how many fills of a leg the rounding
    of fees is budgeted for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hedge_ppm: Ppm = 2_000
    unwind_ppm: Ppm = 5_000
    hedges_max: Tries = 4
    unwinds_max: Annotated[int, Field(ge=1, le=100)] = 6
    reopens_max: Tries = 2
    answer_ms: Millis = 1_000
    unknown_ms: Millis = 10_000
    retry_ms: Millis = 50
    patience_ms: Millis = 3_000
    fills_max: Annotated[int, Field(ge=1, le=100_000)] = 256
    fee_step_atoms: Annotated[int, Field(ge=1, le=10**9)] = 100

    def rules(self) -> SagaRules:
        """Give what a saga carries along."""
        return SagaRules(
            self.hedges_max,
            self.unwinds_max,
            self.reopens_max,
            self.unknown_ms * _MS,
            self.retry_ms * _MS,
            self.patience_ms * _MS,
            self.fee_step_atoms,
        )


class SagaRules(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The counts and times that a saga decides by."""

    hedges_max: int
    unwinds_max: int
    reopens_max: int
    unknown_ns: int
    retry_ns: int
    patience_ns: int
    fee_step_atoms: int


class LegPlan(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One leg: what its market's integers mean, and the three prices that bound it.

    `cap_ticks` is the ticket's, `hedge_ticks` the worst that it is driven on at, `unwind_ticks` the worst
    that it is taken back at on the other side, where `touch_ticks` was the best when it was planned. A leg
    that is `fed` pays from what the leg before it brought to the same venue.
    """

    instrument: int
    venue: str
    base: str
    quote: str
    side: int
    size_lots: int
    cap_ticks: int
    hedge_ticks: int
    unwind_ticks: int
    touch_ticks: int
    lot_atoms: int
    tick_lot_atoms: int
    size_lots_min: int
    size_lots_max: int
    notional_atoms_min: int
    fee_ppm: int
    fee_in_quote: bool
    latency_ns: int
    answer_ns: int
    fed: bool

    @property
    def pay_asset(self) -> str:
        """Name what the leg gives away."""
        return self.quote if self.side > 0 else self.base

    @property
    def get_asset(self) -> str:
        """Name what the leg receives."""
        return self.base if self.side > 0 else self.quote


class SagaPlan(msgspec.Struct, frozen=True, array_like=True):
    """A ticket with everything that bounds its execution.

    `waves` are sent one after the other, the legs of one together. `worst_atoms` of the ticket's asset is
    the most that the legs can lose within their prices; what swapping inventory costs is the ticket's own
    figure.
    """

    ticket: Ticket
    legs: tuple[LegPlan, ...]
    waves: tuple[tuple[int, ...], ...]
    rules: SagaRules
    budget_atoms: int
    worst_atoms: int
