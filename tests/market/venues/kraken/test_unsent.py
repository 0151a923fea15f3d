"""Orders that a full socket still holds: they leave last, and are taken back where they must not leave."""

from __future__ import annotations

from domain.ids import client_id
from domain.order_events import FateUnknown, OrderLinkLost, OrderRefusedByVenue
from market.venues.order_line import NOT_SENT
from tests.market.venue_server import buy, in_loop, until
from tests.market.venues.kraken.scripted import scripted

ONE, TWO = client_id(1, 1, 1), client_id(1, 1, 2)
HANDSHAKE = 3


@in_loop
async def test_a_full_table_refuses_orders_but_leaves_room_for_cancels_which_leave_first() -> None:
    slow = {"in_flight_max": 2, "request_timeout_s": 5.0}
    async with scripted() as venue, venue.venue(**slow) as (adapter, heard):
        link = adapter.gateway.link
        link.paused = True
        for sequence in range(3):
            adapter.send(client_id(1, 1, sequence), buy(452_852, 120_000))
        adapter.cancel(ONE, 0)
        link.paused = False
        link.on_resume()
        await until(lambda: heard.of(OrderRefusedByVenue) and len(venue.requests) == HANDSHAKE + 3)
        assert [event.client_id for event in heard.of(OrderRefusedByVenue)] == [client_id(1, 1, 2)]
        assert [one["method"] for one in venue.requests[HANDSHAKE:]] == [
            "cancel_order",
            "add_order",
            "add_order",
        ]


@in_loop
async def test_what_is_purged_is_told_as_never_sent_and_never_leaves() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        link = adapter.gateway.link
        link.paused = True
        adapter.send(ONE, buy(452_852, 120_000))
        adapter.cancel(TWO, 0)
        assert adapter.purge() == [ONE] and adapter.purge() == []
        link.paused = False
        link.on_resume()
        await until(lambda: heard.of(OrderRefusedByVenue) and len(venue.requests) == HANDSHAKE + 1)
        (refused,) = heard.of(OrderRefusedByVenue)
        assert (refused.client_id, refused.code, refused.text) == (ONE, NOT_SENT, "not sent: purged")
        assert not venue.asked("add_order") and len(venue.asked("cancel_order")) == 1


@in_loop
async def test_an_order_whose_time_is_up_before_it_could_leave_is_not_sent() -> None:
    async with scripted() as venue, venue.venue(request_timeout_s=0.05) as (adapter, heard):
        link = adapter.gateway.link
        link.paused = True
        adapter.send(ONE, buy(452_852, 120_000))
        await until(lambda: heard.of(OrderRefusedByVenue))
        link.paused = False
        link.on_resume()
        assert heard.of(OrderRefusedByVenue)[0].text == "not sent: its time was up"
        assert not heard.of(FateUnknown) and not venue.asked("add_order")


@in_loop
async def test_an_order_that_waits_when_the_link_is_lost_is_not_sent() -> None:
    async with scripted() as venue, venue.venue() as (adapter, heard):
        adapter.gateway.link.paused = True
        adapter.send(ONE, buy(452_852, 120_000))
        await venue.order_sockets[-1].close()
        await until(lambda: heard.of(OrderLinkLost) and heard.of(OrderRefusedByVenue))
        assert heard.of(OrderRefusedByVenue)[0].client_id == ONE and not heard.of(FateUnknown)
