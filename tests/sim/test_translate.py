"""What an exchange says arrives at a node as the venue adapter would tell it, late and in order."""

from __future__ import annotations

from domain.actions import Action, CancelOrder, FetchAccount, FetchBook, QueryOrder
from domain.events import Event
from domain.ids import client_id, client_id_text
from domain.market_events import BookDelta, BookSnapshot, FeedUp, Tick, Trade
from domain.order import OrderState, Side, TimeInForce
from domain.order_events import (
    AccountSnapshot,
    CancelRefused,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderLinkUp,
    OrderNotFound,
    OrderStatus,
)
from sim.exchange.messages import CancelPlaced, PlaceOrder
from sim.swarm import START_NS, SwarmModel
from sim.translate import refused
from sim.venue_link import VenueLink
from tests.sim.plans import plan

BTC, ETH = 0, 1
OURS = client_id(10, 1, 1)


class Ear:
    """A venue link with an ear at its end instead of a node, and a quiet market."""

    def __init__(self) -> None:
        self.model = SwarmModel(plan(1, "tokyo"))
        node = self.model.nodes[0]
        self.schedule = self.model.schedule
        # The crowd and the node have not begun: nothing that was put in is run.
        self.schedule._due.clear()
        self.link: VenueLink = node.links()[0]
        self.link.deliver = self._hear
        self.heard: list[Event] = []
        self.account = self.link.translation.account

    def _hear(self, event: Event) -> None:
        assert event.local_ts_ns == self.schedule.now_ns, "an event carries the time at which it arrives"
        self.heard.append(event)

    def after(self, seconds: float) -> list[Event]:
        """Give what is heard in so much time."""
        self.heard.clear()
        self.schedule.run(self.schedule.now_ns + round(seconds * 1e9))
        return list(self.heard)

    def act(self, action: Action) -> list[Event]:
        """Send an action, and give what is heard within two milliseconds."""
        self.link.act(action)  # type: ignore[arg-type]
        return self.after(0.002)

    def account_after(self, trade_id: int) -> AccountSnapshot:
        """Ask for the account, with its fills after a trade."""
        told = self.act(FetchAccount("tokyo-x", ((BTC, trade_id), (ETH, 0))))[-1]
        assert isinstance(told, AccountSnapshot)
        return told

    def place(
        self, side: Side, price_ticks: int, size_lots: int, *, account: int | None = None, text: str = ""
    ) -> None:
        """Place an order at the exchange itself."""
        who = self.account if account is None else account
        order = PlaceOrder(
            self.schedule.now_ns, who, BTC, side, TimeInForce.GTC, price_ticks, size_lots, text, 0
        )
        self.link.host.take(order)

    def crowd(self, side: Side, price_ticks: int, size_lots: int) -> None:
        """Place somebody else's order."""
        self.place(side, price_ticks, size_lots, account=self.account + 1)


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def test_connecting_is_told_on_both_lines() -> None:
    ear = Ear()
    ear.link.open()
    assert sorted(kind.__name__ for kind in kinds(ear.after(0.01))) == ["FeedUp", "OrderLinkUp"]
    assert {FeedUp, OrderLinkUp} == set(kinds(ear.heard))


def test_an_order_is_acked_filled_in_parts_and_closed() -> None:
    ear = Ear()
    ear.place(Side.BUY, 6_800_000, 100, text=client_id_text(OURS))
    ear.crowd(Side.SELL, 6_800_000, 40)
    ear.link.host.take(CancelPlaced(ear.schedule.now_ns, ear.account, BTC, client_text=client_id_text(OURS)))
    told = [event for event in ear.after(0.01) if isinstance(event, OrderAcked | Fill | OrderClosed)]
    acked, fill, closed = told
    assert isinstance(acked, OrderAcked) and acked.client_id == OURS and acked.local_ts_ns > START_NS
    assert isinstance(fill, Fill) and (fill.size_lots, fill.price_ticks, fill.maker) == (40, 6_800_000, True)
    assert fill.fee_asset == "BTC" and fill.fee_atoms > 0 and fill.venue_order_id == acked.venue_order_id
    assert isinstance(closed, OrderClosed) and (closed.state, closed.filled_lots) == (
        OrderState.CANCELLED,
        40,
    )


def test_an_order_that_expires_is_told_as_expired() -> None:
    ear = Ear()
    order = PlaceOrder(
        START_NS, ear.account, BTC, Side.BUY, TimeInForce.FOK, 6_800_000, 100, client_id_text(OURS)
    )
    ear.link.host.take(order)
    closed = ear.after(0.01)[-1]
    assert isinstance(closed, OrderClosed) and (closed.state, closed.filled_lots) == (OrderState.EXPIRED, 0)


def test_an_order_that_we_did_not_name_is_not_told() -> None:
    ear = Ear()
    ear.place(Side.BUY, 6_800_000, 100, text="by-hand")
    assert kinds(ear.after(0.01)) == [Tick]


def test_a_query_gives_the_fate_or_says_that_there_is_none() -> None:
    ear = Ear()
    (nothing,) = ear.act(QueryOrder(OURS, BTC))
    assert isinstance(nothing, OrderNotFound) and nothing.client_id == OURS
    ear.place(Side.BUY, 6_800_000, 100, text=client_id_text(OURS))
    ear.crowd(Side.SELL, 6_800_000, 30)
    status = ear.act(QueryOrder(OURS, BTC))[-1]
    assert isinstance(status, OrderStatus)
    assert (status.state, status.filled_lots) == (OrderState.PARTIALLY_FILLED, 30)


def test_a_cancel_of_nothing_is_refused_in_the_dialects_words() -> None:
    (answer,) = Ear().act(CancelOrder(OURS, BTC))
    assert isinstance(answer, CancelRefused) and answer.code == -2011


def test_a_refusal_has_the_dialects_code_and_text() -> None:
    answer = refused(OURS, 7, 5)
    assert (answer.client_id, answer.code) == (OURS, -2010) and "immediately match" in answer.text


def test_the_account_is_told_whole_and_its_fills_after_the_one_asked_from() -> None:
    ear = Ear()
    ear.place(Side.BUY, 6_800_000, 100, text=client_id_text(OURS))
    ear.crowd(Side.SELL, 6_800_000, 30)
    ear.crowd(Side.SELL, 6_800_000, 20)
    for after, sizes in ((0, [30, 20]), (1, [20]), (2, [])):
        told = ear.account_after(after)
        assert [fill.size_lots for fill in told.fills] == sizes
        assert all(fill.client_id == OURS and fill.instrument == BTC for fill in told.fills)
    told = ear.account_after(0)
    (listed,) = told.open_orders
    assert (listed.client_id, listed.client_text, listed.filled_lots) == (OURS, client_id_text(OURS), 50)
    assert told.balances["USDT"][1] == ear.link.host.exchange.instruments[BTC].notional_atoms(6_800_000, 50)


def test_a_snapshot_and_the_deltas_after_it_are_continuous() -> None:
    ear = Ear()
    ear.link.open()
    ear.crowd(Side.BUY, 6_800_000, 10)
    before = ear.act(FetchBook(BTC))
    snapshot = next(event for event in before if isinstance(event, BookSnapshot))
    assert snapshot.bids == ((6_800_000, 10),) and snapshot.asks == ()
    ear.crowd(Side.SELL, 6_800_100, 50)
    ear.crowd(Side.SELL, 6_800_100, 60)
    delta = next(event for event in ear.after(0.2) if isinstance(event, BookDelta))
    assert delta.first_sequence == snapshot.sequence + 1 and delta.last_sequence == snapshot.sequence + 2
    assert delta.asks == ((6_800_100, 110),) and delta.bids == ()


def test_only_a_change_of_the_top_is_a_tick() -> None:
    ear = Ear()
    ear.crowd(Side.BUY, 6_800_000, 10)
    ear.crowd(Side.BUY, 6_799_000, 10)
    ear.crowd(Side.SELL, 6_801_000, 70)
    ear.crowd(Side.SELL, 6_802_000, 70)
    ticks = [event for event in ear.after(0.01) if isinstance(event, Tick)]
    tops = [(tick.bid_ticks, tick.bid_lots, tick.ask_ticks, tick.ask_lots) for tick in ticks]
    assert tops == [(6_800_000, 10, 0, 0), (6_800_000, 10, 6_801_000, 70)]


def test_a_trade_is_told_with_its_aggressor() -> None:
    ear = Ear()
    ear.crowd(Side.BUY, 6_800_000, 10)
    ear.place(Side.SELL, 6_800_000, 9, account=ear.account + 2)
    (trade,) = [event for event in ear.after(0.01) if isinstance(event, Trade)]
    assert (trade.size_lots, trade.aggressor, trade.instrument) == (9, Side.SELL, BTC)
