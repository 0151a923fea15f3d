"""A node: the agents of one region as one synchronous value. Events go in, actions come out."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from agents.account import Account
from agents.agent import Agent
from agents.arbitrage.accompany import accompanied
from agents.arbitrage.ordering import move_ordered, moves_planned
from agents.config import RegionConfig
from agents.consult import consult
from agents.desk import Desk
from agents.mandate import Mandate
from agents.market import Market, pipeline_of
from agents.minds import Minds
from agents.orders import Actions
from agents.quoting import work_quotes
from agents.rates import Rates
from agents.reconcile import block, reconcile, since
from agents.report import node_report
from agents.roster import enlist
from agents.state import decode_state, encode_state
from agents.targeting import work_target
from agents.unsettled import turn, unsettled
from domain import control_events as control
from domain import market_events as told
from domain import order_events as answers
from domain.actions import Action, FetchAccount, FetchBook, LifecycleChanged
from domain.desire import Desire, QuoteSet, TargetPosition, Urgency
from domain.dtypes import Rows
from domain.events import Event
from domain.instrument import Instrument
from domain.lifecycle import Lifecycle
from domain.report import NodeReport
from market.pipeline import SIGNIFICANT, STALED, TRADED
from market.rows import RowEvent, rows_of
from market.schedule import Schedule
from risk.gate import Gate

_ACTIVE, _REDUCE_ONLY, _HALTED = map(int, (Lifecycle.ACTIVE, Lifecycle.REDUCE_ONLY, Lifecycle.HALTED))
_TAKE = int(Urgency.TAKE)
STOP_FETCH_NS = 40_000_000
WORKED_MAX = 128  # agents that a clock event works; more take turns


class Node:
    """Step on events; hold every decision of a region. The same value runs live, in replay and in Mesa."""

    def __init__(
        self, config: RegionConfig, instruments: tuple[Instrument, ...], schedule: Schedule | None = None
    ) -> None:
        self.config = config
        self.gate = Gate(config.limits)
        self.accounts = {venue.name: Account(venue.name) for venue in config.venues}
        self.pipeline = pipeline_of(config, instruments, schedule)
        self.markets = {
            instrument.index: Market(instrument, self.accounts[instrument.venue], self.pipeline)
            for instrument in sorted(instruments, key=lambda instrument: instrument.index)
        }
        self.desk = Desk(config.desk, self.gate, self.markets)
        self.mandate = Mandate(config.authority)
        self.minds = Minds(config.minds)
        self.ticks_before = self.worked = 0
        self.groups = enlist(self)
        self.rates = Rates(config.reporting_currency, self.markets)
        self._revalue()
        self._handlers = accompanied(self._table(), self.groups)

    def step(self, event: Event) -> list[Action]:
        """Take one event and give everything that follows from it."""
        out: Actions = []
        desk, now_ns = self.desk, event.local_ts_ns
        if now_ns > desk.now_ns:
            desk.now_ns = now_ns
        self._handlers[type(event)](event, out)
        return out

    def report(self, now_ns: int) -> NodeReport:
        """Say everything about this node, without changing it."""
        return node_report(self, now_ns)

    def state(self) -> bytes:
        """Give the complete state, so that replay can begin here."""
        return encode_state(self)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; only a new node can."""
        decode_state(self, state)

    # The market

    def _on_rows(self, event: told.MarketRows, out: Actions) -> None:
        self._advance(event.rows, out)

    def _on_told(self, event: RowEvent, out: Actions) -> None:
        self._advance(rows_of(event), out)

    def _advance(self, rows: Rows, out: Actions) -> None:
        pipeline, at, end = self.pipeline, 0, len(rows)
        while at < end:
            at = pipeline.advance(rows, at, end)
            if pipeline.flags != 0:
                self._see(pipeline.flags, out)

    def _see(self, flags: int, out: Actions) -> None:
        """Look at what the pipeline came back for."""
        pipeline = self.pipeline
        market = self.markets[pipeline.instrument]
        market.touch()
        if flags & STALED:
            self._pull(market, out)
            self._fetch_book(market, out)
        if flags & SIGNIFICANT:
            for agent in market.agents:
                if agent.warm_left > 0:
                    agent.warm_left -= 1
                    if agent.warm_left == 0:
                        self._refresh("warm", out)
            self._ask(market, pipeline.tick(), out)
        elif flags & TRADED:
            self._ask(market, pipeline.trade(), out)

    @property
    def ticks(self) -> int:
        """Count the ticks that were believed."""
        return self.ticks_before + self.pipeline.ticks

    def _on_feed_up(self, event: told.FeedUp, out: Actions) -> None:
        for market in self._of_venue(event.venue):
            market.linked = True
        self._resync(event.venue, out)

    def _on_feed_lost(self, event: told.FeedLost, out: Actions) -> None:
        self.pipeline.feed_lost(event.venue, self.desk.now_ns)
        for market in self._of_venue(event.venue):
            market.linked, market.risk.stale = False, True
            self._pull(market, out)
        self.desk.alarm("feed-lost", f"{event.venue}: {event.reason}", out)

    def _of_venue(self, venue: str) -> list[Market]:
        return [market for market in self.markets.values() if market.instrument.venue == venue]

    def _resync(self, venue: str, out: Actions) -> None:
        self.pipeline.feed_up(venue, self.desk.now_ns)
        for market in self._of_venue(venue):
            market.risk.stale = True
            self._pull(market, out)
            self._fetch_book(market, out)

    def _pull(self, market: Market, out: Actions) -> None:
        """Take our orders out of a market that cannot be believed, and forget what was priced by it."""
        for agent in market.agents:
            if type(agent.desire) is QuoteSet:
                agent.desire = None
            self._cancel_orders(agent, out)

    def _fetch_book(self, market: Market, out: Actions) -> None:
        if market.book.wants_snapshot(self.desk.now_ns):
            out.append(FetchBook(market.instrument.index))

    # Agents

    def _ask(self, market: Market, event: Event, out: Actions) -> None:
        for agent in market.agents:
            desire = consult(agent, event)
            if agent.view.seen is not None:
                self.minds.tell(agent, self.desk, out)
            if desire is not None:
                agent.desire = desire
                if agent.lifecycle == _ACTIVE:
                    self._work(agent, desire, out)
            elif agent.fault != "" and agent.lifecycle != _HALTED:
                agent.desire = None
                self.desk.alarm("strategy-fault", f"{agent.config.name} {agent.fault}", out)
                self._refresh("strategy fault", out)

    def _work(self, agent: Agent, desire: Desire, out: Actions) -> None:
        if type(desire) is QuoteSet:
            work_quotes(self.desk, agent, desire.quotes, out)
        elif type(desire) is TargetPosition:
            work_target(self.desk, agent, desire.position_lots, desire.urgency, out)

    def _shrink(self, agent: Agent, out: Actions) -> None:
        """Move towards flat only: rest at first, take when the lease has been gone for long."""
        if any(group.directs(agent) for group in self.groups):
            return
        agent.market.touch()
        held = agent.risk.position_lots
        urgency = _TAKE if self.mandate.flatten(self.desk.now_ns) else int(Urgency.NORMAL)
        desire = agent.desire
        target = 0
        if urgency != _TAKE and type(desire) is TargetPosition:
            target = (
                max(0, min(held, desire.position_lots))
                if held > 0
                else min(0, max(held, desire.position_lots))
            )
        work_target(self.desk, agent, target, urgency, out)

    def _refresh(self, reason: str, out: Actions) -> None:
        """Move every agent to the state of life that follows from authority, account and warmth."""
        for agent in self.desk.agents.values():
            state = self.mandate.lifecycle(agent, self.gate)
            if state != agent.lifecycle:
                agent.lifecycle = state
                out.append(LifecycleChanged(agent.shard, state, reason))
                if state == _REDUCE_ONLY:
                    self._shrink(agent, out)
                elif state != _ACTIVE:
                    self._cancel_orders(agent, out)

    def _cancel_orders(self, agent: Agent, out: Actions) -> None:
        for order in agent.orders.values():
            self.desk.cancel(order, out)

    # Orders

    def _on_fill(self, event: answers.Fill, out: Actions) -> None:
        if self.desk.filled(event, out):
            market = self.markets[event.instrument]
            market.touch()
            self._ask(market, event, out)

    def _on_account(self, event: answers.AccountSnapshot, out: Actions) -> None:
        account = self.accounts.get(event.venue)
        if account is None:
            return
        reconcile(self.desk, account, event, self.mandate.reconcile_ns, self.mandate.stopping, out)
        self._refresh("reconciled", out)

    def _on_link_up(self, event: answers.OrderLinkUp, out: Actions) -> None:
        account = self.accounts.get(event.venue)
        if account is None:
            return
        account.link_up, account.ready, account.asked_ns = True, False, 0
        account.want_fetch(self.desk.now_ns)
        self.desk.link_up(account)
        self._fetch_accounts(out)

    def _on_link_lost(self, event: answers.OrderLinkLost, out: Actions) -> None:
        account = self.accounts.get(event.venue)
        if account is None:
            return
        account.link_up = account.ready = False
        self.desk.link_lost(account)
        self._refresh("order link lost", out)
        self.desk.alarm("order-link-lost", f"{event.venue}: {event.reason}", out)

    def _fetch_accounts(self, out: Actions) -> None:
        for account in self.accounts.values():
            if account.silent(self.desk.now_ns, self.mandate.reconcile_ns):
                self.desk.alarm("account-silent", account.venue, out)
                self._refresh("account silent", out)
            if account.due(self.desk.now_ns, self.mandate.fetch_timeout_ns):
                account.asked(self.desk.now_ns)
                out.append(FetchAccount(account.venue, since(account, self.markets)))

    # Time and authority

    def _on_clock(self, event: control.Clocked, out: Actions) -> None:
        now_ns = self.desk.now_ns
        if self.mandate.lapse(self.gate, now_ns):
            self.desk.alarm("lease-lapsed", f"epoch {self.gate.epoch}", out)
            self._refresh("lease lapsed", out)
        self.desk.watch(out)
        self._fetch_accounts(out)
        for index in self.pipeline.watch(now_ns):
            self._pull(self.markets[index], out)
        for index in self.pipeline.stale():
            self.markets[index].touch()
            self._fetch_book(self.markets[index], out)
        for agent in self._to_work():
            if agent.lifecycle == _REDUCE_ONLY:
                self._shrink(agent, out)
            elif agent.desire is not None:
                self._work(agent, agent.desire, out)

    def _to_work(self) -> list[Agent]:
        """Revalue whatever is at risk, and give the agents that may have something to do, in turns."""
        working = self._revalue()
        if len(working) > WORKED_MAX:
            working = turn(working, self.worked, WORKED_MAX)
            self.worked += WORKED_MAX
        return working

    def _on_started(self, event: control.NodeStarted, out: Actions) -> None:
        self.mandate.started(self.gate)
        for account in self.accounts.values():
            account.link_up = account.ready = account.matched = False
            account.asked_ns = account.fetch_due_ns = 0
        self.pipeline.restarted()
        for market in self.markets.values():
            market.linked, market.risk.stale = False, True
        self.desk.started()
        for agent in self.desk.agents.values():
            agent.desire = None
            if agent.fault != "":
                self.desk.alarm("strategy-fault", f"{agent.config.name} {agent.fault}", out)
        self._refresh("started", out)

    def _on_lease(self, event: control.LeaseGranted, out: Actions) -> None:
        before = self.gate.epoch
        if not self.mandate.grant(self.gate, event):
            return
        if self.gate.epoch != before:
            for agent in self.desk.agents.values():
                self._cancel_orders(agent, out)
                self.desk.begin_epoch(agent, self.gate.epoch)
        self._refresh("lease", out)

    def _on_revoked(self, event: control.LeaseRevoked, out: Actions) -> None:
        self.gate.expires_ns = min(self.gate.expires_ns, self.desk.now_ns)
        if self.mandate.lapse(self.gate, self.desk.now_ns):
            self._refresh(f"lease revoked: {event.reason}", out)

    def _on_halt(self, event: control.HaltSet, out: Actions) -> None:
        if not self.mandate.halt(self.gate, event):
            return
        if not event.halted:
            for account in self.accounts.values():
                account.acknowledge()
                block(self.desk, account)
            for agent in self.desk.agents.values():
                agent.fault = ""
        self._refresh(f"halt: {event.reason}" if event.halted else "resumed", out)

    def _on_stop(self, event: control.StopRequested, out: Actions) -> None:
        self.mandate.stopping = True
        for account in self.accounts.values():
            account.matched, account.difference = False, {}
            account.fetch_due_ns = 0
            account.want_fetch(self.desk.now_ns + STOP_FETCH_NS)
        self._refresh("stopping", out)

    def _on_signal(self, event: control.SignalUpdated, out: Actions) -> None:
        market = self.markets.get(event.instrument)
        if market is None:
            return
        if not isfinite(event.expected_bps):
            market.signal_bps = None
            self.desk.alarm("signal-not-finite", f"{market.instrument.key} v{event.model_version}", out)
            return
        market.signal_bps = event.expected_bps
        market.touch()
        self._ask(market, event, out)

    def _on_clock_stepped(self, event: control.ClockStepped, out: Actions) -> None:
        self.desk.alarm("clock-stepped", f"by {event.step_ns} ns", out)
        for venue in self.accounts:
            if any(market.linked for market in self._of_venue(venue)):
                self._resync(venue, out)

    def _revalue(self) -> list[Agent]:
        self.rates.follow()
        return unsettled(self.desk.agents.values(), self.gate)

    def _table(self) -> dict[type, Callable[[Any, Actions], object]]:
        desk = self.desk
        return {
            told.MarketRows: self._on_rows,
            told.Tick: self._on_told,
            told.Trade: self._on_told,
            told.BookDelta: self._on_told,
            told.BookSnapshot: self._on_told,
            told.FeedUp: self._on_feed_up,
            told.FeedLost: self._on_feed_lost,
            answers.OrderAcked: desk.acked,
            answers.OrderRefusedByVenue: desk.refused_by_venue,
            answers.Fill: self._on_fill,
            answers.OrderClosed: desk.closed_by_venue,
            answers.CancelRefused: desk.cancel_refused,
            answers.FateUnknown: desk.fate_unknown,
            answers.OrderStatus: desk.status,
            answers.OrderNotFound: desk.not_found,
            answers.AccountSnapshot: self._on_account,
            answers.OrderLinkUp: self._on_link_up,
            answers.OrderLinkLost: self._on_link_lost,
            control.Clocked: self._on_clock,
            control.NodeStarted: self._on_started,
            control.LeaseGranted: self._on_lease,
            control.LeaseRevoked: self._on_revoked,
            control.HaltSet: self._on_halt,
            control.StopRequested: self._on_stop,
            control.SignalUpdated: self._on_signal,
            control.ClockStepped: self._on_clock_stepped,
            control.MovesPlanned: lambda event, out: moves_planned(self.groups, event),
            control.MoveOrdered: lambda event, out: move_ordered(self.groups, self.mandate, event),
            control.ModelSet: lambda event, out: self.minds.hear(event, desk, out),
        }
