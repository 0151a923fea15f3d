"""Requests meet their answers, late or not, and both tables stay within their bounds."""

from __future__ import annotations

import pytest

from market.venues.in_flight import InFlight, Request, RequestKind, SendQueue


def request(client: int, deadline_ns: int = 10, kind: RequestKind = RequestKind.PLACE) -> Request:
    return Request(kind, client, 0, deadline_ns)


def test_an_answer_meets_its_request_once() -> None:
    table = InFlight(4)
    number = table.add(request(7))
    assert len(table) == 1
    assert table.take(number) == request(7) and table.take(number) is None


@pytest.mark.parametrize("number", [None, "1", 99])
def test_an_answer_to_nothing_meets_nothing(number: int | str | None) -> None:
    table = InFlight(4)
    table.add(request(7))
    assert table.take(number) is None and len(table) == 1


def test_what_waited_too_long_is_given_up_in_order_but_can_still_be_answered() -> None:
    table = InFlight(4)
    numbers = [table.add(request(client, deadline_ns=client)) for client in (1, 2, 3)]
    assert [one.client_id for one in table.overdue(2)] == [1, 2]
    assert table.overdue(2) == [] and len(table) == 1
    assert table.take(numbers[0]) == request(1, 1)
    assert table.take(numbers[2]) == request(3, 3)


def test_only_so_many_late_ones_are_remembered() -> None:
    table = InFlight(10, late_max=2)
    numbers = [table.add(request(client)) for client in (1, 2, 3)]
    assert len(table.overdue(10)) == 3
    assert [table.take(number) is None for number in numbers] == [True, False, False]


def test_cancels_find_room_where_orders_do_not() -> None:
    table = InFlight(1)
    table.add(request(1))
    assert table.full(RequestKind.PLACE) and not table.full(RequestKind.CANCEL)
    table.add(request(2, kind=RequestKind.CANCEL))
    assert table.full(RequestKind.CANCEL)
    assert [one.client_id for one in table.clear()] == [1, 2] and len(table) == 0


def test_the_queue_gives_cancels_then_queries_then_orders() -> None:
    queue = SendQueue()
    for kind in (RequestKind.PLACE, RequestKind.QUERY, RequestKind.CANCEL, RequestKind.PLACE):
        queue.put(kind, kind.name.encode())
    assert len(queue) == 4
    assert [queue.pop() for _ in range(5)] == [b"CANCEL", b"QUERY", b"PLACE", b"PLACE", None]
    queue.put(RequestKind.PLACE, b"x")
    queue.clear()
    assert queue.pop() is None
