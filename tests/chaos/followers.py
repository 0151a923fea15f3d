"""What stands where a node would: books that are checked at every change, and orders that are followed up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.events import Event
from domain.ids import client_id, client_id_text
from domain.market_events import BookDelta, BookSnapshot, FeedLost, FeedUp, MarketRows
from domain.order import ApprovedOrder, OrderIntent, OrderState, Side, TimeInForce
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderLinkUp,
    OrderNotFound,
    OrderRefusedByVenue,
    OrderStatus,
)
from market.book import Book
from market.rows import events_of
from market.venues.venue import Venue
from sim.exchange.exchange import Exchange
from sim.exchange.messages import DepthChange, Output

Sides = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]
LEVELS, LOTS = 1_000, 100
OVER = (OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.EXPIRED)


class Truth:
    """Every book that the exchange ever had, by update id, and the other way round."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._books: list[dict[int, int]] = [{0: hash(((), ()))} for _ in exchange.markets]
        self._ids: list[dict[int, int]] = [{hash(((), ())): 0} for _ in exchange.markets]
        self._since_ns: list[dict[int, int]] = [{} for _ in exchange.markets]

    def heard(self, outputs: list[Output], now_ns: int) -> None:
        """Note the books that a command changed, and when."""
        for one in outputs:
            if isinstance(one, DepthChange):
                update_id, bids, asks = self._exchange.depth(one.instrument, LEVELS)
                book = hash((tuple(bids), tuple(asks)))
                self._books[one.instrument][update_id] = book
                self._ids[one.instrument][book] = update_id
                self._since_ns[one.instrument][update_id] = now_ns

    def was(self, place: int, update_id: int, shown: Sides) -> bool:
        """Tell whether the exchange's book was this one then."""
        return self._books[place].get(update_id) == hash(shown)

    def update_id(self, place: int, shown: Sides) -> int | None:
        """Tell when the exchange's book was this one, for dialects that do not say so."""
        return self._ids[place].get(hash(shown))

    def late_ns(self, place: int, update_id: int, now_ns: int) -> int:
        """Tell for how long the exchange's book has been another one than that."""
        return now_ns - self._since_ns[place].get(update_id + 1, now_ns)


class Watcher:
    """Follow books as a node does, and compare each that passes for fresh with what it should be."""

    def __init__(
        self, truth: Truth, markets: int, venue: Callable[[], Venue | None], *, numbered: bool
    ) -> None:
        self._truth, self._venue, self._numbered = truth, venue, numbered
        self.books = [Book(place) for place in range(markets)]
        self.compared, self.wrong, self.lost = 0, [], 0  # type: int, list[str], int
        self.late_ns_max = 0
        self.stale_times, self.scales = [0] * markets, [1] * markets
        self._was_stale = [True] * markets

    def event(self, event: Event, now_ns: int) -> None:
        """Take an event."""
        if isinstance(event, MarketRows):
            for one in events_of(event.rows):
                self._market(one)
        elif isinstance(event, FeedUp):
            for book in self.books:
                book.feed_up(now_ns)
        elif isinstance(event, FeedLost):
            self.lost += 1
            for book in self.books:
                book.feed_lost()
        else:
            self._market(event)
        self.clocked(now_ns)

    def clocked(self, now_ns: int) -> None:
        """Let time pass: books age, and stale ones are asked for."""
        venue = self._venue()
        for place, book in enumerate(self.books):
            book.watch(now_ns)
            if not book.stale:
                update_id = self._update_id(place)
                assert update_id is not None or self.wrong
                self.late_ns_max = max(self.late_ns_max, self._truth.late_ns(place, update_id or 0, now_ns))
            self.stale_times[place] += book.stale and not self._was_stale[place]
            self._was_stale[place] = book.stale
            if venue is not None and book.wants_snapshot(now_ns):
                venue.fetch_book(place)

    def _update_id(self, place: int) -> int | None:
        """Give the exchange's number of the book that is shown, `None` if it never had such a book."""
        if not self._numbered:
            return self._truth.update_id(place, self.shown(place))
        number = self.books[place].sequence
        return number if self._truth.was(place, number, self.shown(place)) else None

    def shown(self, place: int) -> Sides:
        """Give what the book shows, in the exchange's own ticks, which may be finer than those it tells."""
        book, scale = self.books[place], self.scales[place]
        bids, asks = (
            tuple((price * scale, lots) for price, lots in levels.tolist())
            for levels in (book.bids, book.asks)
        )
        return bids, asks

    def _market(self, event: object) -> None:
        if not isinstance(event, BookDelta | BookSnapshot):
            return
        place = event.instrument
        book = self.books[place]
        book.apply(event)
        if not book.stale:
            self.compared += 1
            if self._update_id(place) is None:
                self.wrong.append(f"market {place} at {book.sequence}")


class Trader:
    """Send small orders for ever, and never guess what became of one: what is unknown is asked for."""

    def __init__(self, exchange: Exchange, venue: Callable[[], Venue | None]) -> None:
        self._exchange, self._venue = exchange, venue
        self.open: dict[int, bool] = {}
        self.states: dict[int, str] = {}
        self.fills: dict[int, dict[int, int]] = {}
        self.unknown, self.scale = 0, 1
        self._sequence = 0
        self._unsure: dict[int, None] = {}

    def act(self) -> None:
        """Send one order: now one that takes, now one that rests; cancel what rests."""
        venue = self._venue()
        bid, ask = self._exchange.best(0)
        if venue is None or bid == 0 or ask == 0:
            return
        self._sequence += 1
        resting = self._sequence % 2 == 0
        number = client_id(1, 1, self._sequence)
        price, tif = (bid * 98 // 100, TimeInForce.GTC) if resting else (ask + 1_000, TimeInForce.IOC)
        for other, rests in list(self.open.items()):
            if rests and self.states[other] == "open":
                venue.cancel(other, 0)
        self.open[number], self.states[number] = resting, "sent"
        venue.send(
            number,
            approved(OrderIntent(0, 0, int(Side.BUY), int(tif), price // 100 * 100 // self.scale, LOTS)),
        )

    def event(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, OrderLinkUp):
            self.ask_all()
        elif isinstance(event, Fill):
            fills = self.fills.setdefault(event.client_id, {})
            fills[event.trade_id] = event.size_lots
            if sum(fills.values()) >= LOTS:
                self._over(event.client_id, "over")
        elif isinstance(event, FateUnknown):
            self.unknown += 1
            self._unsure[event.client_id] = None
        elif isinstance(event, CancelRefused):
            self._unsure[event.client_id] = None
        elif isinstance(event, OrderAcked):
            if self.states.get(event.client_id) == "sent":
                self.states[event.client_id] = "open"
        elif isinstance(event, OrderClosed):
            self._over(event.client_id, "over")
        elif isinstance(event, OrderRefusedByVenue):
            self._over(event.client_id, "refused")
        elif isinstance(event, OrderNotFound):
            self._over(event.client_id, "not found")
        elif isinstance(event, OrderStatus):
            if OrderState(event.state) in OVER:
                self._over(event.client_id, "over")
            elif event.client_id in self.open:
                self.states[event.client_id] = "open"
                self._unsure.pop(event.client_id, None)

    def clocked(self) -> None:
        """Ask again, at a pace, for what nobody could tell."""
        for number in list(self._unsure):
            self._ask(number)

    def ask_all(self) -> None:
        """Ask for everything that is not known to be over."""
        for number in list(self.open):
            self._ask(number)

    def _ask(self, number: int) -> None:
        venue = self._venue()
        if venue is not None:
            venue.query(number, 0)

    def _over(self, number: int, how: str) -> None:
        self._unsure.pop(number, None)
        if number in self.open:
            del self.open[number]
            self.states[number] = how

    def differences(self, account: int, *, named: bool = True) -> list[str]:
        """Compare what is believed of every order with what the exchange knows.

        Where the dialect keeps names to itself, only the number of open orders can be compared.
        """
        told = []
        if not named:
            known_open = len(self._exchange.open_orders(account))
            return [] if known_open == len(self.open) else [f"{len(self.open)} open, are {known_open}"]
        for number, state in self.states.items():
            known = self._exchange.order(account, 0, 0, client_id_text(number))
            if known is None:
                believed = "not found" if state in ("refused", "not found") else state
                actual = "not found"
            else:
                believed, actual = state, "open" if known.status < 2 else "over"
            if believed != actual:
                told.append(f"{client_id_text(number)}: believed {believed}, is {actual}")
        return told


def approved(intent: OrderIntent) -> ApprovedOrder:
    """Make an approval without the gate, whose seal these tests must not take."""
    order: Any = ApprovedOrder.__new__(ApprovedOrder)
    order.intent, order.epoch, order.approved_ts_ns = intent, 1, 1
    return order  # type: ignore[no-any-return]
