"""Orders on the private socket; questions about them, and the account, over REST."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.order import OrderIntent, TimeInForce
from domain.order_events import AccountSnapshot, FateUnknown, OrderAcked, OrderEvent
from domain.protocols import Clock
from market.venues.account_turns import Since
from market.venues.config import VenueConfig
from market.venues.in_flight import Request, RequestKind
from market.venues.kraken.account import AccountReader
from market.venues.kraken.faults import lost_session, wrong
from market.venues.kraken.limits import ADD, UNLIMITED, cancel_costs, tier_of
from market.venues.kraken.order_frames import OrderFrames
from market.venues.kraken.replies import Frame, OrderReader
from market.venues.kraken.rest import RestClient
from market.venues.link import LinkBroken
from market.venues.order_line import OrderLine
from market.venues.quota import Priority
from market.venues.rest import wrong_key
from market.venues.steps import BadFrame

# The dead-man switch is set again four times within its time, and sooner after one that went wrong.
KEEPS, KEEP_AGAIN_S = 4, 3.0
QUESTIONS_MAX = 50


class OrderGateway(OrderLine):
    """Carry orders to Kraken; satisfies `domain.protocols.Gateway`.

    While the node is there it keeps pushing back Kraken's dead-man switch (`dead_man_s`): a node that is gone
    leaves no orders behind.
    """

    def __init__(
        self,
        config: VenueConfig,
        instruments: Sequence[Instrument],
        rest: RestClient,
        clock: Clock,
        deliver: Callable[[Event], None],
    ) -> None:
        super().__init__(config, rest, clock, deliver)
        self._rest, self._frames = rest, OrderFrames(instruments, config.recv_window_ms)
        self._reader = OrderReader(instruments)
        self.account = AccountReader(rest, self._reader)
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._questions: asyncio.Queue[tuple[int, int]] = asyncio.Queue(maxsize=config.in_flight_max)
        self._asked: set[tuple[int, int]] = set()
        self._sequence: int | None = None
        self.queries_failed = self.keeps_failed = 0

    async def run(self) -> None:
        """Keep the connection up, watch the deadlines, ask, and keep the dead-man switch open."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(super().run())
            tasks.create_task(self._ask())
            if self._config.dead_man_s > 0:
                tasks.create_task(self._keep())

    def query(self, client_id: int, instrument: int) -> None:
        """Ask for an order's fate; without a connection nothing is asked, and the core asks again in time."""
        question = (client_id, instrument)
        if self.link.up.is_set() and question not in self._asked and not self._questions.full():
            self._asked.add(question)
            self._questions.put_nowait(question)

    def _place_frame(self, request_id: int, client_id: int, intent: OrderIntent, now_ns: int) -> bytes:
        return self._frames.place(request_id, client_id, intent, now_ns)

    def _barred(self, intent: OrderIntent, now_ns: int) -> str | None:
        if intent.tif == TimeInForce.FOK:
            return "Kraken has no fill-or-kill on its sockets"
        priority = Priority.HEDGE if intent.reduce_only else Priority.NEW
        wait_ns = self._rest.quota.ask(ADD, priority, now_ns, str(intent.instrument))
        return f"the market's rate limit is used up for {wait_ns // 1_000_000} ms" if wait_ns > 0 else None

    def _cancel_frame(self, request_id: int, client_id: int, instrument: int) -> bytes:
        # A cancel goes out whatever the count says: at worst the venue refuses it.
        now_ns = self._clock.now_ns()
        age_ns = now_ns - self._sent_ns.get(client_id, self._started_ns)
        self._rest.quota.count(cancel_costs(age_ns), now_ns, str(instrument))
        return self._frames.cancel(request_id, client_id)

    async def _account(self, since: Since) -> AccountSnapshot:
        return await self.account.snapshot(since, self._clock.now_ns)

    async def _opened(self) -> None:
        self._frames.opened(await self._rest.token())
        self._sequence = None
        await self._asking(RequestKind.KEEP, self._frames.ping)
        if self._config.dead_man_s > 0:
            await self._asking(RequestKind.KEEP, self._keep_frame)
        told = await self._asking(RequestKind.SUBSCRIBE, self._frames.executions)
        most = told.result.maxratecount if told.result is not None else None
        if most is not None or self._config.simulated:
            # Kraken always tells; a simulated exchange that does not has no limits.
            self._rest.pace(UNLIMITED if most is None else tier_of(most))
        self._up()

    def _keep_frame(self, request_id: int) -> bytes:
        return self._frames.cancel_all_after(request_id, max(1, round(self._config.dead_man_s)))

    async def _asking(self, kind: RequestKind, write: Callable[[int], bytes]) -> Frame:
        """Ask, and wait for the answer; one that refuses makes the connection useless.

        Every answer tells the venue's time, to half a round trip: deadlines of orders are in it.
        """
        before_ns, request_id = self._clock.now_ns(), self._add(kind)
        answer = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        try:
            self.link.send(write(request_id))
            async with asyncio.timeout(self._config.request_timeout_s):
                told: Frame = await answer
        finally:
            del self._waiting[request_id]
        if told.method != "pong" and told.success is not True:
            text = (told.error or "refused without a reason")[:120]
            if wrong(text):
                raise wrong_key(self._config, text)
            raise LinkBroken(text)
        try:
            venue_ns = self._reader.time_ns(told.time_in)
        except ValueError as error:
            raise LinkBroken(f"{error}"[:120]) from None
        if venue_ns > 0:
            self._frames.venue_ahead_ns = venue_ns - (before_ns + self._clock.now_ns()) // 2
        return told

    def _frame(self, payload: bytes) -> None:
        now_ns = self._clock.now_ns()
        try:
            frame = self._reader.frame(payload)
            if frame.method != "":
                self._answered(frame, now_ns)
            elif frame.channel == "executions":
                self._reported(frame, now_ns)
            elif frame.channel not in ("heartbeat", "status"):
                raise BadFrame(f"a channel that was not asked for: {frame.channel[:40]!r}")
        except BadFrame as error:
            # It may have been a fill: only a new connection and its reconciliation can tell.
            self.bad_frames += 1
            self.last_bad = f"{error}"[:200]
            self._broken(LinkBroken(f"unusable frame: {self.last_bad}"), error)

    def _broken(self, broken: LinkBroken, cause: Exception | None = None) -> None:
        self._give_up(broken)
        raise broken from cause

    def _give_up(self, broken: LinkBroken) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(broken)

    def _lost(self, reason: str) -> None:
        self._give_up(LinkBroken(reason))
        super()._lost(reason)

    def _reported(self, frame: Frame, now_ns: int) -> None:
        last, self._sequence = self._sequence, frame.sequence
        if last is not None and frame.sequence is not None and frame.sequence != last + 1:
            self._broken(LinkBroken(f"reports between {last} and {frame.sequence} are missing"))
        for event in self._reader.executions(frame, now_ns):
            self._tell(event)

    def _answered(self, answer: Frame, now_ns: int) -> None:
        request = self._in_flight.take(answer.req_id)
        if request is None:
            self.stray_answers += 1
            return
        waiting = self._waiting.get(answer.req_id or 0)
        if waiting is not None:
            if not waiting.done():
                waiting.set_result(answer)
        elif request.kind in (RequestKind.PLACE, RequestKind.CANCEL):
            self._settle(request, answer, now_ns)
        if answer.success is False and lost_session(answer.error or ""):
            self._broken(LinkBroken(f"{answer.error}"[:120]))

    def _settle(self, request: Request, answer: Frame, now_ns: int) -> None:
        event: OrderEvent | None
        try:
            event = self._reader.answered(request, answer, now_ns)
        except BadFrame:
            self._deliver(FateUnknown(request.client_id, now_ns, "the answer could not be read"))
            raise
        if event is None:
            return
        if isinstance(event, OrderAcked) and event.venue_order_id == 0:
            self.query(request.client_id, request.instrument)
        self._tell(event)

    async def _ask(self) -> None:
        """Ask for everything that waits at once: calls are few, and unknown orders come many at a time."""
        while True:
            questions = [await self._questions.get()]
            while len(questions) < QUESTIONS_MAX and not self._questions.empty():
                questions.append(self._questions.get_nowait())
            try:
                told = await self.account.statuses(questions, self._clock.now_ns)
            except SwarmError:
                self.queries_failed += 1
                continue
            finally:
                self._asked.difference_update(questions)
            for client_id, instrument in questions:
                if client_id in told:
                    self._tell(told[client_id])
                else:
                    self._not_found(client_id, instrument, self._clock.now_ns())

    async def _keep(self) -> None:
        """Push the dead-man switch back, again and again; a connection sets it when it opens."""
        wait_s = self._config.dead_man_s / KEEPS
        while True:
            await asyncio.sleep(wait_s)
            wait_s = self._config.dead_man_s / KEEPS
            if not self.link.up.is_set():
                continue
            try:
                await self._asking(RequestKind.KEEP, self._keep_frame)
            except (LinkBroken, SwarmError, TimeoutError):
                self.keeps_failed += 1
                wait_s = min(wait_s, KEEP_AGAIN_S)
