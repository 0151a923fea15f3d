"""Everything that decides what a saga does next, as one value, and what can be read off it."""

from __future__ import annotations

import msgspec

from arbitrage.saga.events import Purpose, SagaEnded, SagaState, StuckReason
from arbitrage.saga.leg_ledger import Fate, LegLedger, LegOrder
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.worst_case import SCALE, ahead, alone, leg_costs, values


class SagaFacts(msgspec.Struct, array_like=True):
    """The facts of one saga; a time of -1 is absent, `third` holds fees in other assets by venue."""

    saga: int
    plan: SagaPlan
    now_ns: int
    ledgers: list[LegLedger]
    pending: list[tuple[int, ...]]
    state: int = SagaState.PLANNED
    reason: int = StuckReason.NONE
    orders: list[LegOrder] = msgspec.field(default_factory=list)
    third: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    unwinding: bool = False
    halted: bool = False
    reduce_only: bool = False
    waiting_ns: int = -1
    widening_ns: int = -1
    reopens: int = 0

    def afresh(self) -> None:
        """Wait anew for quotes, from the nearest price on."""
        self.waiting_ns, self.widening_ns = -1, self.now_ns

    def take_back(self) -> None:
        """Go on by taking back what leads."""
        self.state, self.reason = int(SagaState.UNWINDING), int(StuckReason.NONE)
        self.unwinding = True
        self.pending.clear()
        self.afresh()

    def working(self) -> list[LegOrder]:
        """Give the orders that may still fill, or whose fills are still to be told."""
        return [order for order in self.orders if order.fate != Fate.ENDED]

    def doubtful_since_ns(self) -> int:
        """Give since when something is not known that must be, -1 where all is."""
        since = [order.since_ns for order in self.orders if order.fate in (Fate.UNKNOWN, Fate.OWED)]
        return min(since, default=-1)

    def residuals(self) -> list[int]:
        """Give the atoms left before every leg: what the leg before brought less what it paid; ends are 0."""
        between = [
            before.got_atoms - after.paid_atoms
            for before, after in zip(self.ledgers, self.ledgers[1:], strict=False)
        ]
        return [0, *between, 0]

    def busy(self) -> dict[int, int]:
        """Give which way every leg with something open or to come may still move its lots: 1 on, -1 back."""
        moves = {place: 1 for wave in self.pending for place in wave}
        for order in self.working():
            moves[order.leg] = 1 if order.side == self.plan.legs[order.leg].side else -1
        return moves

    def certain(self, residuals: list[int], busy: dict[int, int]) -> list[int]:
        """Name the places whose residual no open order can make smaller, whatever became of it."""
        found = []
        for place in range(1, len(residuals) - 1):
            sign = (residuals[place] > 0) - (residuals[place] < 0)
            shrinks = busy.get(place - 1, 0) == -sign or busy.get(place, 0) == sign
            if sign and not shrinks:
                found.append(place)
        return found

    def loss(self, worth: tuple[int, ...]) -> int:
        """Give the scaled loss so far, residuals counted at cost."""
        return sum(ledger.loss(worth[place], worth[place + 1]) for place, ledger in enumerate(self.ledgers))

    def exposed(self, place: int, purpose: int, forward: bool, lots: int) -> bool:
        """Tell whether one order more could take the loss beyond what was budgeted.

        New risk counts with the way home from all that it makes; what brings something home counts alone.
        """
        worth = values(self.plan.ticket)
        total = self.loss(worth)
        open_lots = self._open_lots()
        open_lots[place][not forward] += lots
        for at, (leg, ledger) in enumerate(zip(self.plan.legs, self.ledgers, strict=True)):
            costs = leg_costs(leg, worth[at : at + 2], ledger.fee_ppm)
            if purpose == Purpose.UNWIND:
                total += alone(open_lots[at], costs)
            else:
                total += ahead(ledger.lots, open_lots[at], costs)
        return total > self.plan.worst_atoms * SCALE

    def _open_lots(self) -> list[list[int]]:
        """Give what may still move on and back, by leg."""
        found = [[0, 0] for _ in self.ledgers]
        for order in self.working():
            back = order.side != self.plan.legs[order.leg].side
            found[order.leg][back] += order.open_lots
        return found

    def realised(self) -> tuple[tuple[str, str, int], ...]:
        """Sum what all fills and fees did to every account, exactly."""
        sums: dict[tuple[str, str], int] = {}
        for leg, ledger in zip(self.plan.legs, self.ledgers, strict=True):
            for asset, atoms in ((leg.pay_asset, -ledger.paid_atoms), (leg.get_asset, ledger.got_atoms)):
                sums[leg.venue, asset] = sums.get((leg.venue, asset), 0) + atoms
        for venue, fees in self.third.items():
            for asset, atoms in fees.items():
                sums[venue, asset] = sums.get((venue, asset), 0) - atoms
        return tuple((venue, asset, sums[venue, asset]) for venue, asset in sorted(sums))

    def ended(self) -> SagaEnded:
        """Report where the saga is and what it came to."""
        names = [leg.pay_asset for leg in self.plan.legs]
        left = [(names[place], atoms) for place, atoms in enumerate(self.residuals()[:-1]) if atoms != 0]
        profit = -self.loss(values(self.plan.ticket)) // SCALE
        return SagaEnded(
            self.saga, self.state, self.reason, self.plan.ticket.asset, profit, self.realised(), tuple(left)
        )
