"""A node's connections to a venue in virtual time: orders on one, market data on the other."""

from __future__ import annotations

from collections.abc import Callable

from domain.actions import CancelOrder, FetchAccount, FetchBook, QueryOrder, SendOrder
from domain.events import Event
from domain.ids import client_id_text
from domain.market_events import BookDelta, FeedUp, Tick
from domain.order_events import CancelRefused, OrderLinkUp
from sim.exchange.dialect_errors import refusal
from sim.exchange.messages import CancelPlaced, DepthChange, Execution, PublicTrade
from sim.schedule import Schedule
from sim.translate import Translation, refused
from sim.venue_host import VenueHost, refusal_of
from sim.wan import Path

DELTA_NS = 100_000_000


class PendingDelta:
    """Level changes of one market since the last delta went out: the newest size of each level."""

    __slots__ = ("asks", "bids", "first", "last", "now_ns")

    def __init__(self, first: int) -> None:
        self.first, self.last, self.now_ns = first, first, 0
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def add(self, change: DepthChange) -> None:
        """Take another change."""
        self.bids.update(change.bids)
        self.asks.update(change.asks)
        self.last, self.now_ns = change.update_id, change.now_ns


class VenueLink:
    """Carry a node's actions to its venue and the venue's answers back, each as late as its path says."""

    def __init__(
        self,
        host: VenueHost,
        translation: Translation,
        schedule: Schedule,
        deliver: Callable[[Event], None],
        paths: tuple[Path, Path, Path],
    ) -> None:
        self.host, self.translation, self.schedule, self.deliver = host, translation, schedule, deliver
        self._up, self._down, self._feed = paths
        self._pending: dict[int, PendingDelta] = {}
        self._top: dict[int, tuple[int, int, int, int]] = {}
        host.listen(self, translation.account, list(translation.to_node))

    # What the node asks for.

    def open(self) -> None:
        """Connect, and hear that it worked."""
        down_ns, feed_ns = self._arrivals()
        self.schedule.put(feed_ns, self.deliver, FeedUp(self.translation.venue, feed_ns))
        self.schedule.put(down_ns, self.deliver, OrderLinkUp(self.translation.venue, down_ns))
        self.schedule.put(self.schedule.now_ns + DELTA_NS, self._flush)

    def _arrivals(self) -> tuple[int, int]:
        return self._down.arrival_ns(self.schedule.now_ns), self._feed.arrival_ns(self.schedule.now_ns)

    def act(self, action: SendOrder | CancelOrder | QueryOrder | FetchAccount | FetchBook) -> None:
        """Send an action on its way."""
        self.schedule.put(self._up.arrival_ns(self.schedule.now_ns), self._arrived, action)

    def _arrived(self, action: SendOrder | CancelOrder | QueryOrder | FetchAccount | FetchBook) -> None:
        now_ns, translation = self.schedule.now_ns, self.translation
        if type(action) is SendOrder:
            self._place(action)
        elif type(action) is CancelOrder:
            self._cancel(action)
        elif type(action) is QueryOrder:
            local_ns = self._down.arrival_ns(now_ns)
            self._answer(local_ns, translation.status(action.client_id, action.instrument, local_ns))
        elif type(action) is FetchAccount:
            local_ns = self._down.arrival_ns(now_ns)
            self._answer(local_ns, translation.account_snapshot(action.since_trade_ids, local_ns))
        elif type(action) is FetchBook:
            self._flush_one(translation.to_venue[action.instrument])
            local_ns = self._feed.arrival_ns(now_ns)
            self._answer(local_ns, translation.book(action.instrument, now_ns, local_ns))

    def _answer(self, local_ns: int, event: Event) -> None:
        self.schedule.put(local_ns, self.deliver, event)

    def _place(self, action: SendOrder) -> None:
        now_ns = self.schedule.now_ns
        said = refusal_of(self.host.take(self.translation.placed(now_ns, action.client_id, action.approved)))
        if said is not None:
            local_ns = self._down.arrival_ns(now_ns)
            self._answer(local_ns, refused(action.client_id, said.kind, local_ns))

    def _cancel(self, action: CancelOrder) -> None:
        now_ns, translation = self.schedule.now_ns, self.translation
        market = translation.to_venue[action.instrument]
        text = client_id_text(action.client_id)
        command = CancelPlaced(now_ns, translation.account, market, client_text=text)
        said = refusal_of(self.host.take(command))
        if said is not None:
            local_ns = self._down.arrival_ns(now_ns)
            self._answer(local_ns, CancelRefused(action.client_id, local_ns, refusal(said.kind).code))

    # What the venue tells.

    def on_execution(self, execution: Execution) -> None:
        """Hear about an own order."""
        local_ns = self._down.arrival_ns(self.schedule.now_ns)
        event = self.translation.order_event(execution, local_ns)
        if event is not None:
            self._answer(local_ns, event)

    def on_trade(self, trade: PublicTrade) -> None:
        """Hear that somebody traded."""
        local_ns = self._feed.arrival_ns(self.schedule.now_ns)
        self._answer(local_ns, self.translation.trade(trade, local_ns))

    def on_depth(self, change: DepthChange) -> None:
        """Hear that levels changed: the top goes out at once, the rest ten times a second."""
        pending = self._pending.get(change.instrument)
        if pending is None:
            pending = self._pending[change.instrument] = PendingDelta(change.update_id)
        pending.add(change)
        self._top_changed(change)

    def _top_changed(self, change: DepthChange) -> None:
        market = change.instrument
        bid, bid_lots, ask, ask_lots = self._top.get(market, (0, 0, 0, 0))
        touched = any(price >= bid for price, _ in change.bids)
        touched = touched or any(price <= ask or ask == 0 for price, _ in change.asks)
        if not touched:
            return
        _, bids, asks = self.host.exchange.depth(market, 1)
        top = (*(bids[0] if bids else (0, 0)), *(asks[0] if asks else (0, 0)))
        if top == (bid, bid_lots, ask, ask_lots):
            return
        self._top[market] = top
        local_ns = self._feed.arrival_ns(self.schedule.now_ns)
        node = self.translation.to_node[market]
        self._answer(local_ns, Tick(node, change.now_ns, local_ns, *top, change.update_id))

    def _flush(self, _: None) -> None:
        for market in list(self._pending):
            self._flush_one(market)
        self.schedule.put(self.schedule.now_ns + DELTA_NS, self._flush)

    def _flush_one(self, market: int) -> None:
        pending = self._pending.pop(market, None)
        if pending is None:
            return
        local_ns = self._feed.arrival_ns(self.schedule.now_ns)
        node = self.translation.to_node[market]
        bids, asks = tuple(pending.bids.items()), tuple(pending.asks.items())
        delta = BookDelta(node, pending.now_ns, local_ns, pending.first, pending.last, bids, asks)
        self._answer(local_ns, delta)
