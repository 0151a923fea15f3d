"""Ten minutes of virtual time per kind of fault: never a wrong book, and the right one at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from sim.exchange.faults.config import FaultKind, FaultSpec
from sim.exchange.recovery import RecordedExchange
from tests.chaos.harness import Chaos, live_through, windows

SEEDS = range(2, 6)
ACCOUNT = 0


@dataclass(frozen=True)
class Case:
    """One kind of fault, as it strikes; what it must cause, so that no run passes for want of trouble."""

    kind: FaultKind
    spec: dict[str, Any] = field(default_factory=dict)
    stale_min: int = 0
    lost_min: int = 0
    unknown_min: int = 0
    # For so long an old book may pass for the newest: nobody can notice sooner.
    late_s_max: float = 1.0


K = FaultKind
CASES = (
    Case(K.DROP, {"frac": 0.2}, stale_min=10, unknown_min=5, late_s_max=12.0),
    Case(K.DUPLICATE, {"frac": 0.5, "amount": 2}),
    Case(K.REORDER, {"frac": 0.3, "amount": 1_200}, stale_min=4, late_s_max=3.0),
    Case(K.DELAY, {"amount": 3_000}, unknown_min=10, late_s_max=4.0),
    Case(K.GAP, {"frac": 0.2}, stale_min=8, late_s_max=20.0),
    Case(K.WRONG_CHECKSUM, {"frac": 0.2}, stale_min=8, late_s_max=12.0),
    # One of them strikes while streams are being subscribed to: what was not up is not lost.
    Case(K.HALF_OPEN, stale_min=8, lost_min=7, unknown_min=8, late_s_max=12.0),
    Case(K.DISCONNECT, {"frac": 0.2}, stale_min=30, lost_min=30, unknown_min=8),
    Case(K.HTTP_5XX, {"frac": 0.7}, unknown_min=30),
    Case(K.TIMEOUT_AFTER_ACCEPTANCE, {"frac": 0.7}, unknown_min=15),
    Case(K.BAN, unknown_min=30),
    Case(K.CLOCK_STEP, {"amount": 30_000}),
    Case(K.MAINTENANCE, stale_min=6, lost_min=6),
    Case(K.DELISTING, {"symbol": "BTCUSDT"}),
    Case(K.TICK_SIZE_CHANGE, {"symbol": "BTCUSDT", "amount": 100}),
)


def holds(chaos: Chaos, case: Case) -> None:
    """Check what must be true after every run."""
    watcher, trader = chaos.watcher, chaos.trader
    assert watcher.wrong == [] and watcher.compared > 500
    assert chaos.differences() == []
    named = chaos.config.dialect != "kraken"
    assert trader.differences(ACCOUNT, named=named) == [] and len(trader.states) > 50
    assert chaos.strikes > 0
    assert max(watcher.stale_times) >= case.stale_min and watcher.lost >= case.lost_min
    assert trader.unknown >= case.unknown_min
    assert watcher.late_ns_max <= case.late_s_max * 1e9


def test_every_kind_of_fault_has_its_run() -> None:
    assert [case.kind for case in CASES] == list(FaultKind) and len(CASES) == 15


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.kind))
def test_ten_minutes_of_a_fault_end_with_the_exchanges_own_book(case: Case) -> None:
    holds(live_through(1, windows(1, case.kind, **case.spec)), case)


# Where checksums and snapshots in the stream make a difference; the rest is in the soak.
KRAKEN = (K.WRONG_CHECKSUM, K.GAP)


@pytest.mark.parametrize(
    "case",
    [case if case.kind in KRAKEN else pytest.param(case, marks=pytest.mark.soak) for case in CASES],
    ids=lambda case: str(case.kind),
)
def test_ten_minutes_of_a_fault_with_a_venue_of_another_shape(case: Case) -> None:
    loose = Case(case.kind, case.spec, late_s_max=max(12.0, case.late_s_max))
    chaos = live_through(1, windows(1, case.kind, **case.spec), dialect="kraken")
    holds(chaos, loose)
    if case.kind in (K.WRONG_CHECKSUM, K.GAP):
        assert max(chaos.watcher.stale_times) > 20


@pytest.mark.soak
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.kind))
def test_so_they_do_with_other_seeds(case: Case, seed: int) -> None:
    loose = Case(case.kind, case.spec, late_s_max=max(12.0, case.late_s_max))
    holds(live_through(seed, windows(seed, case.kind, **case.spec)), loose)


@pytest.mark.parametrize("kind", [K.DELISTING, K.TICK_SIZE_CHANGE])
def test_what_was_done_to_a_market_is_in_the_journal(kind: FaultKind) -> None:
    chaos = live_through(1, [FaultSpec(kind=kind, symbol="BTCUSDT", after_s=9, for_s=9)], minutes=2)
    again = RecordedExchange.recover(chaos.config, chaos.store).exchange
    assert chaos.strikes == 1 and again.state_hash() == chaos.exchange.state_hash()


def test_prices_between_the_known_ticks_are_never_taken_for_others() -> None:
    """When ticks become finer than those that were loaded, frames cannot be read: the book must be stale."""

    async def coarse(chaos: Chaos) -> None:
        chaos.add(FaultSpec(kind=K.TICK_SIZE_CHANGE, symbol="BTCUSDT", amount=100, for_s=60))
        await asyncio.sleep(5)

    chaos = live_through(1, [], coarse, minutes=3)
    assert chaos.watcher.wrong == [] and chaos.bad_frames > 10
    assert chaos.instruments[0].tick.text(1) == "1" and chaos.watcher.books[0].stale
    assert not chaos.watcher.books[1].stale


def everything(seed: int) -> Sequence[FaultSpec]:
    """Let everything go wrong, each kind in windows of its own that overlap as they fall."""
    return [spec for case in CASES for spec in windows(seed, case.kind, number=3, **case.spec)]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 10))])
def test_everything_at_once_ends_no_worse(seed: int) -> None:
    # Where all notice nothing, the age limit of a book is left.
    holds(live_through(seed, everything(seed)), Case(K.DROP, late_s_max=31.0))
