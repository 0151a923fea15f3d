"""The leg saga: carries a planned cycle to flat, unwound, or stuck and alarmed, within its budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from arbitrage.leg_ledger import Fate, LegLedger, LegOrder
from arbitrage.plan import SagaPlan
from arbitrage.saga_events import (
    Acknowledged,
    CancelLeg,
    Halted,
    LegEnded,
    LegFilled,
    LegKnown,
    LegUnknown,
    Purpose,
    Quoted,
    ReduceOnly,
    Released,
    Restarted,
    SagaAction,
    SagaAlarm,
    SagaEvent,
    SagaState,
    SendLeg,
    StuckReason,
)
from arbitrage.saga_facts import SagaFacts
from arbitrage.unwind import Drive, Held, Want, repairs, verdict, wants
from arbitrage.wave import wave_lots
from arbitrage.worst_case import cost, values
from domain.order import OrderState, TimeInForce
from domain.units import atoms_text

Actions = list[SagaAction]

_STUCK_BY = {
    Held.NO_QUOTE: StuckReason.NO_QUOTE,
    Held.BEYOND_BOUND: StuckReason.BEYOND_BOUND,
    Held.ATTEMPTS: StuckReason.ATTEMPTS,
    Held.BUDGET: StuckReason.BUDGET,
}


class Saga:
    """One cycle in execution. It is told what happened and says what to send; it reads no clock.

    Orders are sent once: what has no answer is waited for, never repeated. While anything is unknown
    nothing is driven on; after `unknown_ns` what is right whatever became of the unknown is taken back, and
    the rest is alarmed, for acting on a guess costs the spread and leaves as much exposed as waiting does.
    """

    __slots__ = ("facts",)

    def __init__(self, saga: int, plan: SagaPlan, quotes: tuple[tuple[int, int], ...] = ()) -> None:
        touches = quotes or tuple((0, 0) for _ in plan.legs)
        ledgers = [
            LegLedger(bid, ask, leg.fee_ppm) for leg, (bid, ask) in zip(plan.legs, touches, strict=True)
        ]
        self.facts = SagaFacts(saga, plan, 0, ledgers, list(plan.waves))

    def begin(self, now_ns: int) -> Actions:
        """Send the first legs. What they can lose was bounded by the plan."""
        facts, out = self.facts, Actions()
        assert facts.state == SagaState.PLANNED and facts.plan.worst_atoms <= facts.plan.budget_atoms
        facts.now_ns, facts.state = now_ns, int(SagaState.LEGS)
        for place in facts.pending.pop(0):
            leg = facts.plan.legs[place]
            self._send(Drive(place, Purpose.LEG, leg.side, leg.cap_ticks, leg.size_lots, 0), out)
        return out

    def step(self, event: SagaEvent) -> Actions:
        """Take what happened and say what to do."""
        facts, out = self.facts, Actions()
        facts.now_ns = max(facts.now_ns, event.now_ns)
        takes = _TAKES.get(type(event))
        news = takes(self, event, out) if takes is not None else False
        self._act(news, out)
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

    # What happened. Each tells whether an order's story changed.

    def _order(self, event: LegFilled | LegEnded | LegUnknown | LegKnown, out: Actions) -> LegOrder | None:
        if 0 <= event.order < len(self.facts.orders):
            return self.facts.orders[event.order]
        self._alarm("order-not-of-saga", f"order {event.order}", out)
        return None

    def _filled(self, event: LegFilled, out: Actions) -> bool:
        order = self._order(event, out)
        if order is None or event.trade_id in order.trades:
            return False
        facts, place = self.facts, order.leg
        leg, ledger = facts.plan.legs[place], facts.ledgers[place]
        order.trades.append(event.trade_id)
        order.filled_lots += event.size_lots
        ledger.fold(event, order.side, leg)
        if event.fee_asset not in (leg.base, leg.quote):
            fees = facts.third.setdefault(leg.venue, {})
            fees[event.fee_asset] = fees.get(event.fee_asset, 0) + event.fee_atoms
        elif ledger.dearer(event, leg, facts.plan.rules.fee_step_atoms):
            self._alarm("fee-above-plan", f"leg {place}: {event.fee_atoms} atoms of {event.fee_asset}", out)
        if order.filled_lots > order.size_lots:
            self._alarm("overfilled", f"order {event.order} by {order.filled_lots - order.size_lots}", out)
        if order.fate == Fate.ENDED:
            self._alarm("late-fill", f"order {event.order}: {event.size_lots} lots", out)
        if order.total_lots >= 0:
            order.ended(order.filled_lots, facts.now_ns)
        return True

    def _ended(self, event: LegEnded, out: Actions) -> bool:
        order = self._order(event, out)
        if order is None:
            return False
        if event.filled_lots < order.filled_lots and event.state != OrderState.REJECTED:
            self._alarm("venue-total-below-fills", f"order {event.order}", out)
        order.ended(max(event.filled_lots, order.filled_lots), self.facts.now_ns)
        return True

    def _unknown(self, event: LegUnknown, out: Actions) -> bool:
        order = self._order(event, out)
        if order is not None and order.fate == Fate.SENT:
            order.fate, order.since_ns = int(Fate.UNKNOWN), self.facts.now_ns
        return False

    def _known(self, event: LegKnown, out: Actions) -> bool:
        order = self._order(event, out)
        if order is not None and order.fate == Fate.UNKNOWN:
            order.fate, order.since_ns = int(Fate.SENT), self.facts.now_ns
        return False

    def _quoted(self, event: Quoted, out: Actions) -> bool:
        for leg, ledger in zip(self.facts.plan.legs, self.facts.ledgers, strict=True):
            if leg.instrument == event.instrument:
                ledger.bid_ticks, ledger.ask_ticks = event.bid_ticks, event.ask_ticks
        return False

    def _halt(self, event: Halted, out: Actions) -> bool:
        facts = self.facts
        if event.on and not facts.halted:
            facts.pending.clear()
            for number, order in enumerate(facts.orders):
                if order.fate in (Fate.SENT, Fate.UNKNOWN):
                    out.append(CancelLeg(facts.saga, order.leg, number))
        elif facts.halted and not event.on:
            self._afresh()
        facts.halted = event.on
        return False

    def _reduce(self, event: ReduceOnly, out: Actions) -> bool:
        self.facts.reduce_only = event.on
        if event.on:
            self.facts.pending.clear()
        return False

    def _restarted(self, event: Restarted, out: Actions) -> bool:
        """Doubt everything that was out, and start no further leg: the books are others now."""
        facts = self.facts
        facts.pending.clear()
        for order in facts.orders:
            if order.fate != Fate.ENDED:
                order.since_ns = facts.now_ns
                order.fate = int(Fate.UNKNOWN if order.fate == Fate.SENT else order.fate)
        for ledger in facts.ledgers:
            ledger.bid_ticks = ledger.ask_ticks = 0
        self._afresh()
        return False

    def _acknowledged(self, event: Acknowledged, out: Actions) -> bool:
        facts = self.facts
        if facts.state == SagaState.STUCK:
            facts.reopens = 0
            for ledger in facts.ledgers:
                ledger.hedges = ledger.unwinds = 0
            for order in facts.working():
                order.since_ns = facts.now_ns
            self._take_back()
        return False

    def _released(self, event: Released, out: Actions) -> bool:
        facts = self.facts
        if facts.state == SagaState.STUCK:
            facts.state = int(SagaState.RELEASED)
            out.append(facts.ended())
        return False

    # What to do about it.

    def _act(self, news: bool, out: Actions) -> None:
        facts = self.facts
        self._doubt(out)
        if facts.state >= SagaState.FLAT:
            if news:
                self._late(out)
            return
        since_ns = facts.doubtful_since_ns()
        overdue = 0 <= since_ns <= facts.now_ns - facts.plan.rules.unknown_ns
        if facts.state == SagaState.STUCK:
            if self._settled():
                self._finish(out)
            elif facts.reason == StuckReason.UNKNOWN and since_ns < 0 and not facts.halted:
                self._take_back()
            if facts.state == SagaState.STUCK:
                return
        if facts.halted:
            if self._settled():
                self._finish(out)
            elif overdue:
                self._stuck(StuckReason.UNKNOWN, out)
            return
        if since_ns >= 0 and not overdue:
            return
        if overdue:
            facts.unwinding = True
            facts.pending.clear()
        self._advance(out)
        if self._settled():
            self._finish(out)
        elif not facts.unwinding and not facts.reduce_only and self._drive_on(out):
            return
        elif facts.state < SagaState.FLAT:
            self._unwind(overdue, out)

    def _doubt(self, out: Actions) -> None:
        """Call an order unknown that has had no answer for too long; to cancel it cannot hurt."""
        facts = self.facts
        for number, order in enumerate(facts.orders):
            answer_ns = facts.plan.legs[order.leg].answer_ns
            if order.fate == Fate.SENT and facts.now_ns - order.since_ns >= answer_ns:
                order.fate, order.since_ns = int(Fate.UNKNOWN), facts.now_ns
                out.append(CancelLeg(facts.saga, order.leg, number))

    def _late(self, out: Actions) -> None:
        """Open a saga again that was over, where what is told now leaves something between the legs."""
        facts = self.facts
        if facts.state == SagaState.RELEASED or self._settled():
            out.append(facts.ended())
        elif facts.reopens >= facts.plan.rules.reopens_max:
            self._stuck(StuckReason.REOPENED, out)
        else:
            facts.reopens += 1
            self._take_back()
            self._act(False, out)

    def _take_back(self) -> None:
        facts = self.facts
        facts.state, facts.reason = int(SagaState.UNWINDING), int(StuckReason.NONE)
        facts.unwinding = True
        self._afresh()

    def _afresh(self) -> None:
        """Wait anew for quotes, from the nearest price on."""
        self.facts.waiting_ns = -1
        self.facts.widening_ns = self.facts.now_ns

    def _settled(self) -> bool:
        """Tell whether nothing is out, nothing is to come, and what is left is too little to trade."""
        facts = self.facts
        if facts.pending or facts.working():
            return False
        back = [(want, Purpose.UNWIND) for want in (*repairs(facts), *wants(facts, False))]
        on = [] if facts.unwinding or facts.reduce_only else wants(facts, True)
        both = [*back, *((want, Purpose.HEDGE) for want in on)]
        return all(verdict(facts, want, purpose) == Held.DUST for want, purpose in both)

    def _advance(self, out: Actions) -> None:
        """Send the next legs of a sequence, as far as those before them were filled."""
        facts = self.facts
        while facts.pending and not facts.working():
            wave = facts.pending.pop(0)
            for place in wave:
                leg = facts.plan.legs[place]
                lots = wave_lots(facts, place)
                if lots > 0 and not facts.exposed(place, True, lots):
                    self._send(Drive(place, Purpose.LEG, leg.side, leg.cap_ticks, lots, 0), out)

    def _drive_on(self, out: Actions) -> bool:
        """Drive lagging legs on; False where that cannot be or costs more than taking the others back."""
        facts = self.facts
        on = [verdict(facts, want, Purpose.HEDGE) for want in wants(facts, True)]
        if any(one not in (Held.DUST, Held.RETRY) for one in on if isinstance(one, Held)):
            return False
        drives = [one for one in on if isinstance(one, Drive)]
        if not drives:
            return Held.RETRY in on or bool(facts.working()) or bool(facts.pending)
        back = [verdict(facts, want, Purpose.UNWIND) for want in wants(facts, False)]
        back_drives = [one for one in back if isinstance(one, Drive)]
        if len(back_drives) == len(back) and self._toll(back_drives) < self._toll(drives):
            return False
        facts.state = int(SagaState.HEDGING)
        self._send_all(drives, out)
        return True

    def _toll(self, drives: list[Drive]) -> int:
        """Give the scaled loss of trading at the touch."""
        facts, worth = self.facts, values(self.facts.plan.ticket)
        return sum(
            one.size_lots
            * cost(
                facts.plan.legs[one.leg],
                one.side,
                one.touch_ticks,
                worth[one.leg : one.leg + 2],
                facts.ledgers[one.leg].fee_ppm,
            )
            for one in drives
        )

    def _unwind(self, overdue: bool, out: Actions) -> None:
        """Take the leading legs back within every bound, or stop and alarm."""
        facts = self.facts
        if not facts.unwinding:
            facts.unwinding = True
            facts.pending.clear()
            self._afresh()
        facts.state = int(SagaState.UNWINDING)
        found = self._judged()
        drives = [one for one in found if isinstance(one, Drive)]
        if drives:
            facts.waiting_ns = -1
            self._send_all(drives, out)
        elif any(order.fate == Fate.SENT for order in facts.orders) or Held.RETRY in found:
            return
        elif blocked := [one for one in found if one in _STUCK_BY]:
            self._blocked(max(Held(one) for one in blocked if isinstance(one, Held)), out)
        elif overdue:
            self._stuck(StuckReason.UNKNOWN, out)

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
        rest: list[Want] = [want for want in wants(facts, False) if want.leg not in taken]
        return [*found, *(verdict(facts, want, Purpose.UNWIND) for want in rest)]

    def _blocked(self, why: Held, out: Actions) -> None:
        facts = self.facts
        if why in (Held.NO_QUOTE, Held.BEYOND_BOUND):
            if facts.waiting_ns < 0:
                facts.waiting_ns = facts.now_ns
            if facts.now_ns - facts.waiting_ns < facts.plan.rules.patience_ns:
                return
        self._stuck(_STUCK_BY[why], out)

    def _send_all(self, drives: list[Drive], out: Actions) -> None:
        for one in drives:
            forward = one.side == self.facts.plan.legs[one.leg].side
            if not self.facts.exposed(one.leg, forward, one.size_lots):
                self._send(one, out)

    def _send(self, one: Drive, out: Actions) -> None:
        facts = self.facts
        leg, ledger = facts.plan.legs[one.leg], facts.ledgers[one.leg]
        ledger.hedges += one.purpose == Purpose.HEDGE
        ledger.unwinds += one.purpose == Purpose.UNWIND
        ledger.ready_ns = facts.now_ns + facts.plan.rules.retry_ns
        facts.orders.append(
            LegOrder(one.leg, one.purpose, one.side, one.price_ticks, one.size_lots, facts.now_ns)
        )
        out.append(
            SendLeg(
                facts.saga,
                one.leg,
                len(facts.orders) - 1,
                leg.instrument,
                one.side,
                int(TimeInForce.IOC),
                one.price_ticks,
                one.size_lots,
                one.purpose,
            )
        )

    def _finish(self, out: Actions) -> None:
        facts = self.facts
        back = any(order.purpose == Purpose.UNWIND and order.filled_lots > 0 for order in facts.orders)
        facts.state = int(SagaState.UNWOUND if back else SagaState.FLAT)
        facts.reason = int(StuckReason.NONE)
        out.append(facts.ended())

    def _stuck(self, reason: StuckReason, out: Actions) -> None:
        facts = self.facts
        facts.state, facts.reason = int(SagaState.STUCK), int(reason)
        facts.pending.clear()
        ended = facts.ended()
        left = ", ".join(f"{atoms_text(atoms)} {asset}" for asset, atoms in ended.residual)
        unknown = sum(order.open_lots for order in facts.working())
        self._alarm(
            f"saga-stuck-{reason.name.lower()}", f"left: {left or 'nothing'}; open lots {unknown}", out
        )
        out.append(ended)

    def _alarm(self, kind: str, text: str, out: Actions) -> None:
        out.append(SagaAlarm(self.facts.saga, kind, text))


_TAKES: dict[type, Callable[[Saga, Any, Actions], bool]] = {
    LegFilled: Saga._filled,
    LegEnded: Saga._ended,
    LegUnknown: Saga._unknown,
    LegKnown: Saga._known,
    Quoted: Saga._quoted,
    Halted: Saga._halt,
    ReduceOnly: Saga._reduce,
    Restarted: Saga._restarted,
    Acknowledged: Saga._acknowledged,
    Released: Saga._released,
}
