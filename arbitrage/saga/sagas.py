"""All sagas of a node: a bounded number, one per route, within one budget an asset."""

from __future__ import annotations

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.legs import canonical
from arbitrage.saga.events import (
    Acknowledged,
    Halted,
    LegEnded,
    LegFilled,
    LegKnown,
    LegUnknown,
    NoSaga,
    NoSagaReason,
    ReduceOnly,
    Released,
    SagaAction,
    SagaAlarm,
    SagaEvent,
    SagaState,
)
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.saga import Saga

_OF_ONE = (LegFilled, LegEnded, LegUnknown, LegKnown, Acknowledged, Released)
Quotes = tuple[tuple[int, int], ...]


class SagasConfig(BaseModel):
    """Bound what lives at once. `budget_atoms` is the most that all sagas of an asset may lose together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sagas_max: int = Field(default=8, ge=1, le=1_000)
    over_kept_max: int = Field(default=64, ge=0, le=10_000)
    budget_atoms: dict[str, int] = Field(default_factory=dict)


class _Facts(msgspec.Struct, array_like=True):
    last: int
    now_ns: int
    halted: bool
    reduce_only: bool
    living: dict[int, bytes]
    over: dict[int, bytes]


class Sagas:
    """Drive several sagas. One that is over is kept for a while: what it is told late opens it again."""

    __slots__ = ("_halted", "_last", "_now_ns", "_over", "_reduce_only", "config", "living")

    def __init__(self, config: SagasConfig | None = None) -> None:
        self.config = config if config is not None else SagasConfig()
        self.living: dict[int, Saga] = {}
        self._over: dict[int, Saga] = {}
        self._last = self._now_ns = 0
        self._halted = self._reduce_only = False

    def begin(self, plan: SagaPlan, quotes: Quotes, now_ns: int) -> list[SagaAction] | NoSaga:
        """Begin a plan with the touch of every leg's market, or say why not."""
        refused = self._refused(plan)
        if refused is not None:
            return refused
        self._last += 1
        self._now_ns = max(self._now_ns, now_ns)
        saga = self.living[self._last] = Saga(self._last, plan, quotes)
        return saga.begin(self._now_ns)

    def _refused(self, plan: SagaPlan) -> NoSaga | None:
        asset, living = plan.ticket.asset, self.living
        reserved = plan.worst_atoms + (self.reserved_atoms(asset) if living else 0)
        budget = self.config.budget_atoms.get(asset, 0)
        if self._halted:
            return NoSaga(NoSagaReason.HALTED, 0, 0)
        if self._reduce_only:
            return NoSaga(NoSagaReason.REDUCE_ONLY, 0, 0)
        if plan.worst_atoms > plan.budget_atoms:
            return NoSaga(NoSagaReason.BUDGET, plan.worst_atoms, plan.budget_atoms)
        if len(living) >= self.config.sagas_max:
            return NoSaga(NoSagaReason.TOO_MANY, len(living), self.config.sagas_max)
        if reserved > budget:
            return NoSaga(NoSagaReason.BUDGET_SUM, reserved, budget)
        if living:
            route = canonical(plan.ticket.route)
            for number, saga in living.items():
                if canonical(saga.facts.plan.ticket.route) == route:
                    return NoSaga(NoSagaReason.ROUTE_BUSY, number, 0)
        return None

    def reserved_atoms(self, asset: str) -> int:
        """Give what the living sagas of an asset can lose together."""
        plans = [saga.facts.plan for saga in self.living.values()]
        return sum(plan.worst_atoms for plan in plans if plan.ticket.asset == asset)

    def markets(self) -> set[int]:
        """Give the markets whose quotes the living sagas need."""
        return {leg.instrument for saga in self.living.values() for leg in saga.facts.plan.legs}

    def step(self, event: SagaEvent) -> list[SagaAction]:
        """Tell the sagas that an event concerns, in the order they began."""
        out: list[SagaAction] = []
        self._now_ns = max(self._now_ns, event.now_ns)
        if isinstance(event, _OF_ONE):
            self._tell(event, out)
            return out
        if isinstance(event, Halted):
            self._halted = event.on
        elif isinstance(event, ReduceOnly):
            self._reduce_only = event.on
        for number, saga in list(self.living.items()):
            out += saga.step(event)
            self._sort(number, saga)
        return out

    def _tell(self, event: SagaEvent, out: list[SagaAction]) -> None:
        assert isinstance(event, _OF_ONE)
        number = event.saga
        saga = self.living.get(number)
        if saga is None and (saga := self._over.get(number)) is not None:
            # It slept through what was told to the living.
            saga.facts.halted, saga.facts.reduce_only = self._halted, self._reduce_only
            saga.facts.now_ns = max(saga.facts.now_ns, self._now_ns)
            for ledger in saga.facts.ledgers:
                ledger.bid_ticks = ledger.ask_ticks = 0
        if saga is None:
            out.append(SagaAlarm(number, "saga-forgotten", f"{event}"))
            return
        out += saga.step(event)
        self._sort(number, saga)

    def _sort(self, number: int, saga: Saga) -> None:
        """Keep what is over apart, the latest only."""
        over = saga.facts.state >= SagaState.FLAT
        if over and number in self.living:
            del self.living[number]
            self._over[number] = saga
            while len(self._over) > self.config.over_kept_max:
                del self._over[next(iter(self._over))]
        elif not over and number in self._over:
            self.living[number] = self._over.pop(number)

    def state(self) -> bytes:
        """Give every fact that decides."""
        living = {number: saga.state() for number, saga in self.living.items()}
        over = {number: saga.state() for number, saga in self._over.items()}
        return msgspec.msgpack.encode(
            _Facts(self._last, self._now_ns, self._halted, self._reduce_only, living, over)
        )

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        facts = msgspec.msgpack.decode(state, type=_Facts)
        self._last, self._now_ns = facts.last, facts.now_ns
        self._halted, self._reduce_only = facts.halted, facts.reduce_only
        self.living = {number: Saga.restored(one) for number, one in facts.living.items()}
        self._over = {number: Saga.restored(one) for number, one in facts.over.items()}
