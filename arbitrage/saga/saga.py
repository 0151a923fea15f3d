"""The leg saga: carries a planned cycle to flat, unwound, or stuck and alarmed, within its budget."""

from __future__ import annotations

import msgspec

from arbitrage.saga.events import CancelLeg, Purpose, SagaEvent, SagaState, SendLeg, StuckReason
from arbitrage.saga.facts import SagaFacts
from arbitrage.saga.intake import Actions, alarm, told
from arbitrage.saga.leg_ledger import Fate, LegLedger, LegOrder
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.unwind import Drive, Held, repairs, verdict, wants
from arbitrage.saga.wave import wave_lots
from arbitrage.saga.worst_case import cost, values
from domain.order import TimeInForce
from domain.units import atoms_text

Quotes = tuple[tuple[int, int], ...]

_LEGS, _LEG, _IOC = int(SagaState.LEGS), int(Purpose.LEG), int(TimeInForce.IOC)
_STUCK_BY = {
    Held.NO_QUOTE: StuckReason.NO_QUOTE,
    Held.BEYOND_BOUND: StuckReason.BEYOND_BOUND,
    Held.ATTEMPTS: StuckReason.ATTEMPTS,
    Held.BUDGET: StuckReason.BUDGET,
}


class Saga:
    """One cycle in execution. It is told what happened and says what to send; it reads no clock.

    Orders are sent once: what has no answer is waited for, never repeated. While anything is unknown
    nothing is sent; after `unknown_ns` what is right whatever became of the unknown is taken back, and the
    rest is alarmed, for acting on a guess costs the spread and leaves as much exposed as waiting does.
    `docs/arbitrage.md` lists every path that fails, and where it ends.
    """

    __slots__ = ("facts",)

    def __init__(self, saga: int, plan: SagaPlan, quotes: Quotes) -> None:
        ledgers = [
            LegLedger(bid, ask, leg.fee_ppm) for leg, (bid, ask) in zip(plan.legs, quotes, strict=True)
        ]
        self.facts = SagaFacts(saga, plan, 0, ledgers, list(plan.waves))

    def begin(self, now_ns: int) -> Actions:
        """Send the first legs. What they can lose was bounded by the plan."""
        facts, out = self.facts, Actions()
        assert facts.state == SagaState.PLANNED and facts.plan.worst_atoms <= facts.plan.budget_atoms
        facts.now_ns, facts.state = now_ns, _LEGS
        saga, legs, orders = facts.saga, facts.plan.legs, facts.orders
        for number, place in enumerate(facts.pending.pop(0)):
            leg = legs[place]
            side, price, lots = leg.side, leg.cap_ticks, leg.size_lots
            orders.append(LegOrder(place, _LEG, side, price, lots, now_ns))
            out.append(SendLeg(saga, place, number, leg.instrument, side, _IOC, price, lots, _LEG))
        return out

    def step(self, event: SagaEvent) -> Actions:
        """Take what happened and say what to do."""
        out = Actions()
        self._act(told(self.facts, event, out), out)
        return out

    def state(self) -> bytes:
        """Give every fact that decides."""
        return msgspec.msgpack.encode(self.facts)

    @staticmethod
    def restored(state: bytes) -> Saga:
        """Give the saga whose `state` this was."""
        saga = Saga.__new__(Saga)
        saga.facts = msgspec.msgpack.decode(state, type=SagaFacts)
        return saga

    def _act(self, news: bool, out: Actions) -> None:
        facts = self.facts
        self._doubt(out)
        if facts.state >= SagaState.FLAT:
            if news:
                self._late(out)
            return
        since_ns = facts.doubtful_since_ns()
        overdue = 0 <= since_ns <= facts.now_ns - facts.plan.rules.unknown_ns
        if self._settled():
            self._finish(out)
        elif facts.state == SagaState.STUCK and (facts.reason != StuckReason.UNKNOWN or since_ns >= 0):
            if news:
                out.append(facts.ended())
        elif facts.halted:
            if overdue:
                self._stuck(StuckReason.UNKNOWN, out)
        elif since_ns < 0 or overdue:
            self._go_on(overdue, out)

    def _go_on(self, overdue: bool, out: Actions) -> None:
        """Send what comes next: legs of the sequence, what lags, or what must be taken back."""
        facts = self.facts
        if facts.state == SagaState.STUCK or (overdue and facts.state != SagaState.UNWINDING):
            facts.take_back()
        self._advance(out)
        if self._settled():
            self._finish(out)
        elif facts.unwinding or facts.reduce_only or not self._drive_on(out):
            self._unwind(overdue, out)

    def _doubt(self, out: Actions) -> None:
        """Call an order unknown that has had no answer for too long; to cancel it cannot hurt."""
        facts = self.facts
        for number, order in enumerate(facts.orders):
            answer_ns = facts.plan.legs[order.leg].answer_ns
            if order.fate == Fate.SENT and facts.now_ns - order.since_ns >= answer_ns:
                order.to(Fate.UNKNOWN, facts.now_ns)
                out.append(CancelLeg(facts.saga, order.leg, number))

    def _late(self, out: Actions) -> None:
        """Open a saga again that was over, where what is told now leaves something between the legs."""
        facts = self.facts
        if facts.state == SagaState.RELEASED:
            out.append(facts.ended())
        elif self._settled():
            self._finish(out)
        elif facts.reopens >= facts.plan.rules.reopens_max:
            self._stuck(StuckReason.REOPENED, out)
        else:
            facts.reopens += 1
            facts.take_back()
            self._act(False, out)

    def _settled(self) -> bool:
        """Tell whether nothing is out, nothing is to come, and what is left is too little to trade."""
        facts = self.facts
        if facts.pending or facts.working():
            return False
        found = self._judged()
        if not facts.unwinding and not facts.reduce_only:
            found += [verdict(facts, want, Purpose.HEDGE) for want in wants(facts, True)]
        return all(one == Held.DUST for one in found)

    def _advance(self, out: Actions) -> None:
        """Send the next legs of a sequence, as far as those before them were filled."""
        facts = self.facts
        while facts.pending and not facts.working():
            for place in facts.pending.pop(0):
                leg, lots = facts.plan.legs[place], wave_lots(facts, place)
                if lots > 0 and not facts.exposed(place, Purpose.LEG, True, lots):
                    self._send(Drive(place, int(Purpose.LEG), leg.side, leg.cap_ticks, lots, 0), out)

    def _drive_on(self, out: Actions) -> bool:
        """Drive lagging legs on; False where that cannot be or costs more than taking the others back."""
        facts = self.facts
        on = [verdict(facts, want, Purpose.HEDGE) for want in wants(facts, True)]
        if any(one in _STUCK_BY for one in on):
            return False
        drives = [one for one in on if isinstance(one, Drive)]
        if not drives:
            return Held.RETRY in on or bool(facts.working())
        back = [one for one in self._judged() if one != Held.DUST]
        back_drives = [one for one in back if isinstance(one, Drive)]
        if back and len(back_drives) == len(back) and self._toll(back_drives) < self._toll(drives):
            return False
        facts.state = int(SagaState.HEDGING)
        self._send_all(drives, out)
        return True

    def _toll(self, drives: list[Drive]) -> int:
        """Give the scaled loss of trading at the touch."""
        facts, worth, total = self.facts, values(self.facts.plan.ticket), 0
        for one in drives:
            leg, fee_ppm = facts.plan.legs[one.leg], facts.ledgers[one.leg].fee_ppm
            between = worth[one.leg : one.leg + 2]
            total += one.size_lots * cost(leg, one.side, one.touch_ticks, between, fee_ppm)
        return total

    def _unwind(self, overdue: bool, out: Actions) -> None:
        """Take the leading legs back within every bound, or stop and alarm."""
        facts, found = self.facts, self._judged()
        if facts.state != SagaState.UNWINDING and any(one != Held.DUST for one in found):
            facts.take_back()
        drives = [one for one in found if isinstance(one, Drive)]
        blocked = [one for one in found if isinstance(one, Held) and one in _STUCK_BY]
        if drives:
            facts.waiting_ns = -1
            self._send_all(drives, out)
        elif any(order.fate == Fate.SENT for order in facts.orders) or Held.RETRY in found:
            return
        elif blocked:
            self._blocked(max(blocked), out)
        elif overdue:
            self._stuck(StuckReason.UNKNOWN, out)
        elif not facts.working():
            # It could be driven on but for a bound, and is too little to be taken back.
            self._finish(out)

    def _judged(self) -> list[Drive | Held]:
        """Judge what must be taken back; a leg that was taken back too far comes first."""
        facts = self.facts
        found: list[Drive | Held] = []
        taken: set[int] = set()
        for want in repairs(facts):
            one = verdict(facts, want, Purpose.UNWIND)
            if one != Held.DUST:
                found.append(one)
                taken |= {want.leg - 1, want.leg, want.leg + 1}
        rest = [want for want in wants(facts, False) if want.leg not in taken]
        return [*found, *(verdict(facts, want, Purpose.UNWIND) for want in rest)]

    def _blocked(self, why: Held, out: Actions) -> None:
        """Wait for a quote within the bound as long as patience lasts; nothing else is worth waiting for."""
        facts = self.facts
        if why in (Held.NO_QUOTE, Held.BEYOND_BOUND):
            if facts.waiting_ns < 0:
                facts.waiting_ns = facts.now_ns
            if facts.now_ns - facts.waiting_ns < facts.plan.rules.patience_ns:
                return
        self._stuck(_STUCK_BY[why], out)

    def _send_all(self, drives: list[Drive], out: Actions) -> None:
        """Send what is still within the budget after those before it."""
        for one in drives:
            forward = one.side == self.facts.plan.legs[one.leg].side
            if not self.facts.exposed(one.leg, one.purpose, forward, one.size_lots):
                self._send(one, out)

    def _send(self, one: Drive, out: Actions) -> None:
        facts, (place, purpose, side, price, lots, _) = self.facts, msgspec.structs.astuple(one)
        ledger = facts.ledgers[place]
        ledger.hedges += purpose == Purpose.HEDGE
        ledger.unwinds += purpose == Purpose.UNWIND
        if purpose != Purpose.LEG:
            ledger.ready_ns = facts.now_ns + facts.plan.rules.retry_ns
        number, instrument = len(facts.orders), facts.plan.legs[place].instrument
        facts.orders.append(LegOrder(place, purpose, side, price, lots, facts.now_ns))
        out.append(SendLeg(facts.saga, place, number, instrument, side, _IOC, price, lots, purpose))

    def _finish(self, out: Actions) -> None:
        facts = self.facts
        back = any(order.purpose == Purpose.UNWIND and order.filled_lots > 0 for order in facts.orders)
        facts.state, facts.reason = int(SagaState.UNWOUND if back else SagaState.FLAT), int(StuckReason.NONE)
        out.append(facts.ended())

    def _stuck(self, reason: StuckReason, out: Actions) -> None:
        """Stop, and say what is left and what may still fill."""
        facts = self.facts
        facts.state, facts.reason, facts.unwinding = int(SagaState.STUCK), int(reason), True
        facts.pending.clear()
        ended = facts.ended()
        left = ", ".join(f"{atoms_text(atoms)} {asset}" for asset, atoms in ended.residual)
        may = ", ".join(f"{one.open_lots} lots of leg {one.leg}" for one in facts.working())
        text = f"left: {left or 'nothing'}; may still fill: {may or 'nothing'}"
        alarm(facts, f"saga-stuck-{reason.name.lower().replace('_', '-')}", text, out)
        out.append(ended)
