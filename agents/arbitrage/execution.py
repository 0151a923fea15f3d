"""Sagas at the desk: their orders go out by hands, and what venues say of them comes back as saga events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from agents.order import CANCELLED, REJECTED, UNKNOWN
from agents.orders import Actions
from arbitrage.saga.events import (
    Acknowledged,
    CancelLeg,
    Halted,
    LegEnded,
    LegEvent,
    LegFilled,
    LegKnown,
    LegUnknown,
    NoSaga,
    Passed,
    Purpose,
    Quoted,
    ReduceOnly,
    Released,
    Restarted,
    SagaAction,
    SagaAlarm,
    SagaEnded,
    SagaEvent,
    SagaState,
    SendLeg,
)
from arbitrage.saga.plan import SagaPlan
from arbitrage.saga.sagas import Sagas, SagasConfig
from arbitrage.ticket import Ticket
from domain.desire import TargetPosition, Urgency
from domain.lifecycle import Lifecycle
from domain.order_events import Fill
from risk.exposure import crosses_own

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.desk import Desk

ENDED_MAX = 1_024
OUT_OF_THE_WAY_NS = 500_000_000
# A saga's orders are bounded, so this bound is never met; it keeps a mistake from becoming a loop.
ROUNDS_MAX = 64
_OVER = {int(SagaState.FLAT), int(SagaState.UNWOUND)}
# What a hand must be to send anything.
_LEG = int(Purpose.LEG)
SENDING = (int(Lifecycle.ACTIVE), int(Lifecycle.REDUCE_ONLY))
Touches = tuple[tuple[int, int], ...]


class Placed(msgspec.Struct, array_like=True):
    """Whose order it is, and whether the saga was told that its fate is unknown."""

    saga: int
    leg: int
    order: int
    doubted: bool = False


class ExecutionState(msgspec.Struct, array_like=True):
    """What sagas are doing, as data."""

    sagas: bytes
    working: dict[int, Placed]
    ended: dict[int, Placed]
    lots: dict[int, dict[int, int]]
    orphans: list[int]
    waiting: list[SendLeg]


class Execution:
    """Drive the sagas of one group.

    `working` has every order that may still fill, by client id, `ended` the latest that should not. What was
    traded is no risk of the hands any more once a saga is flat: they hold it, offset by each other. A fill of
    no saga that is known (a crash lost its beginning) makes an orphan: its hand goes flat by itself, alarmed.
    What must be hedged or taken back where our own quotes stand in the way waits until they are cancelled.
    """

    def __init__(
        self,
        config: SagasConfig,
        desk: Desk,
        hands: Mapping[int, Agent],
        on_begin: Callable[[int, Ticket], None],
        on_fill: Callable[[Fill], None],
        on_end: Callable[[SagaEnded], None],
    ) -> None:
        self.sagas = Sagas(config)
        self._desk, self._hands = desk, hands
        self._on_begin, self._on_fill, self._on_end = on_begin, on_fill, on_end
        self.working: dict[int, Placed] = {}
        self.ended: dict[int, Placed] = {}
        self._lots: dict[int, dict[int, int]] = {}
        self.markets: set[int] = set()
        self.orphans: dict[int, None] = {}
        self.waiting: list[SendLeg] = []

    def begin(self, plan: SagaPlan, touches: Touches, out: Actions) -> NoSaga | None:
        """Begin a saga and send its first legs, or say why not; it may be over when this returns."""
        made = self.sagas.begin(plan, touches, self._desk.now_ns)
        if isinstance(made, NoSaga):
            return made
        self._on_begin(next(reversed(self.sagas.living)), plan.ticket)
        self._act(made, out)
        return None

    def quoted(self, instrument: int, bid_ticks: int, ask_ticks: int, out: Actions) -> None:
        """Tell the sagas a touch."""
        self._tell(Quoted(instrument, bid_ticks, ask_ticks, self._desk.now_ns), out)

    def passed(self, out: Actions, *, release: bool) -> None:
        """Let time go on; where positions must go, what stuck sagas hold is given to who takes it flat."""
        if self.sagas.living:
            if release:
                for number in self._stuck():
                    self._tell(Released(number, self._desk.now_ns), out)
            self._tell(Passed(self._desk.now_ns), out)

    def limited(self, halted: bool, reduce_only: bool, resumed: bool, out: Actions) -> None:
        """Tell what may not be done now; a resume lets what is stuck try again."""
        now_ns = self._desk.now_ns
        self._tell(Halted(halted, now_ns), out)
        self._tell(ReduceOnly(reduce_only, now_ns), out)
        if resumed:
            for number in self._stuck():
                self._tell(Acknowledged(number, now_ns), out)

    def flatten_orphans(self) -> None:
        """Want orphans flat where no saga trades, and let go of those that are."""
        for index in list(self.orphans):
            hand = self._hands[index]
            if hand.risk.position_lots == 0 and not hand.orders:
                del self.orphans[index]
            flat = TargetPosition(index, 0, Urgency.TAKE)
            hand.desire = flat if index in self.orphans and index not in self.markets else None

    def restarted(self, out: Actions) -> None:
        """Doubt everything that was out."""
        for placed in self.working.values():
            placed.doubted = True
        self._tell(Restarted(self._desk.now_ns), out)
        never, self.waiting = self.waiting, []
        for leg in never:
            self._tell(LegEnded(leg.saga, leg.leg, leg.order, REJECTED, 0, self._desk.now_ns), out)

    def _stuck(self) -> list[int]:
        return [number for number, saga in self.sagas.living.items() if saga.facts.state == SagaState.STUCK]

    def _tell(self, event: SagaEvent, out: Actions) -> None:
        actions = self.sagas.step(event)
        if actions:
            self._act(actions, out)

    def follow(self, out: Actions) -> None:
        """Tell the sagas what became of their orders in the event that was just handled."""
        news: list[LegEvent] = []
        for hand in self._hands.values():
            if hand.heard:
                self._filled(hand, news, out)
        if self.working:
            self._changed(news)
        if news:
            actions: list[SagaAction] = []
            for event in news:
                actions += self.sagas.step(event)
            self._act(actions, out)
        if self.waiting:
            self._send_waiting(out)

    def _filled(self, hand: Agent, news: list[LegEvent], out: Actions) -> None:
        assert hand.heard is not None
        for fill in hand.heard:
            placed = self.working.get(fill.client_id) or self.ended.get(fill.client_id)
            if placed is None:
                self.orphans[hand.instrument] = None
                self._desk.alarm("fill-of-no-saga", f"{hand.config.name} trade {fill.trade_id}", out)
                continue
            self._on_fill(fill)
            lots = self._lots.setdefault(placed.saga, {})
            lots[hand.instrument] = lots.get(hand.instrument, 0) + fill.side * fill.size_lots
            news.append(
                LegFilled(
                    placed.saga,
                    placed.leg,
                    placed.order,
                    fill.trade_id,
                    fill.size_lots,
                    fill.price_ticks,
                    fill.fee_atoms,
                    fill.fee_asset,
                    self._desk.now_ns,
                )
            )
        hand.heard.clear()

    def _changed(self, news: list[LegEvent]) -> None:
        """Compare every order that is out with what its saga was told."""
        desk, now_ns = self._desk, self._desk.now_ns
        for number, placed in list(self.working.items()):
            order = desk.working.get(number)
            if order is None:
                ended = desk.closed.get(number)
                state, filled = (ended.state, ended.filled_lots) if ended is not None else (CANCELLED, 0)
                news.append(LegEnded(placed.saga, placed.leg, placed.order, state, filled, now_ns))
                self._end(number)
            elif (order.state == UNKNOWN) != placed.doubted:
                placed.doubted = not placed.doubted
                kind = LegUnknown if placed.doubted else LegKnown
                news.append(kind(placed.saga, placed.leg, placed.order, now_ns))

    def _end(self, number: int) -> None:
        self.ended[number] = self.working.pop(number)
        if len(self.ended) > ENDED_MAX:
            del self.ended[next(iter(self.ended))]

    def _act(self, actions: Sequence[SagaAction], out: Actions) -> None:
        """Do what sagas want; a refusal of ours is told at once, and what follows from it done too."""
        hands = self._hands
        for _ in range(ROUNDS_MAX):
            refused: list[SagaEvent] = []
            for action in actions:
                if type(action) is SendLeg:
                    if action.purpose == _LEG:
                        hand = hands[action.instrument]
                        hand.market.touch()
                        self._submit(hand, action, refused, out)
                    else:
                        self._send(action, refused, out)
                elif type(action) is CancelLeg:
                    self._cancel(action, refused, out)
                elif type(action) is SagaAlarm:
                    self._desk.alarm(action.kind, f"saga {action.saga}: {action.text}", out)
                elif type(action) is SagaEnded:
                    self._ended(action)
            if not refused:
                break
            actions = [each for event in refused for each in self.sagas.step(event)]
        self.markets = self.sagas.markets()

    def _send(self, leg: SendLeg, refused: list[SagaEvent], out: Actions) -> None:
        hand = self._hands[leg.instrument]
        hand.market.touch()
        if crosses_own(hand.market.risk, leg.side, leg.price_ticks):
            self._make_room(hand, leg, out)
            self.waiting.append(leg)
        else:
            self._submit(hand, leg, refused, out)

    def _make_room(self, hand: Agent, leg: SendLeg, out: Actions) -> None:
        """Take our own quotes out of the way of what makes us flat, and keep them out for a moment."""
        for agent in hand.market.agents:
            for order in list(agent.orders.values()):
                if order.side != leg.side and (leg.price_ticks - order.price_ticks) * leg.side >= 0:
                    self._desk.cancel(order, out)
            self._desk.hold(agent, -leg.side, OUT_OF_THE_WAY_NS)

    def _send_waiting(self, out: Actions) -> None:
        waiting, self.waiting = self.waiting, []
        refused: list[SagaEvent] = []
        for leg in waiting:
            hand = self._hands[leg.instrument]
            if crosses_own(hand.market.risk, leg.side, leg.price_ticks):
                self._make_room(hand, leg, out)
                self.waiting.append(leg)
            else:
                hand.market.touch()
                self._submit(hand, leg, refused, out)
        for event in refused:
            self._tell(event, out)

    def _submit(self, hand: Agent, leg: SendLeg, refused: list[SagaEvent], out: Actions) -> None:
        # A refusal holds an agent that would ask again by itself; a saga counts its own attempts.
        hand.hold_buy_ns = hand.hold_sell_ns = 0
        approved = hand.approved
        if hand.lifecycle in SENDING:
            self._desk.submit(hand, leg.side, leg.tif, leg.price_ticks, leg.size_lots, out)
        if hand.approved > approved:
            self.working[hand.id_base + hand.sequence - 1] = Placed(leg.saga, leg.leg, leg.order)
        else:
            refused.append(LegEnded(leg.saga, leg.leg, leg.order, REJECTED, 0, self._desk.now_ns))

    def _cancel(self, wanted: CancelLeg, refused: list[SagaEvent], out: Actions) -> None:
        for leg in self.waiting:
            if (leg.saga, leg.order) == (wanted.saga, wanted.order):
                self.waiting.remove(leg)
                refused.append(LegEnded(leg.saga, leg.leg, leg.order, REJECTED, 0, self._desk.now_ns))
                return
        for number, placed in self.working.items():
            if (placed.saga, placed.order) == (wanted.saga, wanted.order):
                if (order := self._desk.working.get(number)) is not None:
                    self._desk.cancel(order, out)
                return

    def _ended(self, how: SagaEnded) -> None:
        """Let hands that offset each other be at no risk, and say how it ended."""
        if how.state in _OVER:
            for instrument, lots in self._lots.pop(how.saga, {}).items():
                hand = self._hands[instrument]
                hand.risk.position_lots -= lots
                hand.holding.offset_lots += lots
                self._desk.gate.revalue(hand.risk, hand.market.risk)
        elif how.state == SagaState.RELEASED:
            self._lots.pop(how.saga, None)
        self._on_end(how)

    def state(self) -> bytes:
        """Give everything that decides as data."""
        return msgspec.msgpack.encode(
            ExecutionState(
                self.sagas.state(), self.working, self.ended, self._lots, list(self.orphans), self.waiting
            )
        )

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=ExecutionState)
        self.sagas.restore(kept.sagas)
        self.working, self.ended, self._lots = kept.working, kept.ended, kept.lots
        self.markets, self.orphans = self.sagas.markets(), dict.fromkeys(kept.orphans)
        self.waiting = kept.waiting

    @staticmethod
    def living(state: bytes) -> int:
        """Count the sagas of a state that were not over."""
        sagas = Sagas()
        sagas.restore(msgspec.msgpack.decode(state, type=ExecutionState).sagas)
        return len(sagas.living)
