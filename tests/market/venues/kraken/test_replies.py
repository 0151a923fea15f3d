"""Answers and reports become events; what cannot be told for sure is unknown, what cannot be read is bad."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ids import client_id, client_id_text
from domain.order import OrderState
from domain.order_events import (
    CancelRefused,
    FateUnknown,
    Fill,
    OrderAcked,
    OrderClosed,
    OrderEvent,
    OrderRefusedByVenue,
)
from market.venues.in_flight import Request, RequestKind
from market.venues.kraken.faults import Refusal
from market.venues.kraken.names import order_number
from market.venues.kraken.replies import OrderReader
from market.venues.steps import BadFrame
from tests.market.venues.kraken.frames import BTC, ETH, TIME, TIME_NS
from tests.market.venues.kraken.scripted import report

ONE = client_id(3, 2, 1)
ORDER = "OK4GJX-KSTLS-7DZZO5"
NUMBER = order_number(ORDER)


def new(**changes: Any) -> dict[str, Any]:
    return {"exec_type": "new", "order_id": ORDER, "cl_ord_id": client_id_text(ONE), "symbol": "BTC/USDT",
            "side": "buy", "order_qty": 0.5, "order_status": "new", "timestamp": TIME, **changes}  # fmt: skip


def trade(**changes: Any) -> dict[str, Any]:
    return {"exec_type": "trade", "order_id": ORDER, "exec_id": "TGBB7L-HT5LX-J3BZ4A", "trade_id": 62887576,
            "symbol": "BTC/USDT", "side": "sell", "last_qty": 0.005, "last_price": 26599.9,
            "liquidity_ind": "t",
            "cost": 132.9995, "order_status": "partially_filled", "cum_qty": 0.005, "timestamp": TIME,
            "fees": [{"asset": "USDT", "qty": 0.3458}], **changes}  # fmt: skip


def ended(**changes: Any) -> dict[str, Any]:
    """Report an end as Kraken does: without symbol or client id."""
    return {"exec_type": "canceled", "order_id": ORDER, "order_status": "canceled", "cum_qty": 0.005,
            "reason": "User requested", "timestamp": TIME, **changes}  # fmt: skip


def heard(reader: OrderReader, *reports: dict[str, Any], flow: str = "update") -> list[OrderEvent]:
    frame = reader.frame(json.dumps(report(1, *reports, flow=flow)).encode())
    return reader.executions(frame, 9)


def reader() -> OrderReader:
    return OrderReader((BTC, ETH))


def test_an_order_lives_through_reports_that_name_it_only_once() -> None:
    one = reader()
    assert heard(one, new(exec_type="pending_new")) == []
    told = heard(one, {"exec_type": "new", "order_id": ORDER}, trade(), ended())
    assert told == [
        OrderAcked(ONE, 9, NUMBER),
        Fill(ONE, 9, 0, 62887576, NUMBER, -1, 265_999, 500_000, 3_458_000_000, "USDT", False, TIME_NS),
        OrderClosed(ONE, 9, OrderState.CANCELLED, 500_000),
    ]
    assert (
        heard(one, {"exec_type": "filled", "order_id": ORDER}, {"exec_type": "restated", "order_id": ORDER})
        == []
    )


def test_makers_rebates_and_other_assets_are_told_as_they_are() -> None:
    (fill,) = heard(
        reader(),
        trade(liquidity_ind="m", fees=[{"asset": "BTC", "qty": -1e-10}], cl_ord_id=client_id_text(ONE)),
    )
    assert isinstance(fill, Fill)
    assert (fill.maker, fill.fee_asset, fill.fee_atoms, fill.client_id) == (True, "BTC", -1, ONE)
    (free,) = heard(reader(), trade(fees=[]))
    assert isinstance(free, Fill) and (free.fee_asset, free.fee_atoms, free.client_id) == ("", 0, 0)


def test_strangers_fills_are_told_and_their_orders_are_not() -> None:
    one = reader()
    (fill,) = heard(one, new(cl_ord_id="theirs"), trade(), ended())
    assert isinstance(fill, Fill) and fill.client_id == 0 and one.foreign == 2
    assert heard(one, trade(order_id="O2", symbol="XRP/USD"), ended(order_id="O3")) == [] and one.foreign == 4


def test_a_snapshot_says_whose_orders_are_open_and_nothing_else() -> None:
    one = reader()
    assert heard(one, new(), flow="snapshot") == []
    assert heard(one, ended(exec_type="expired")) == [OrderClosed(ONE, 9, OrderState.EXPIRED, 500_000)]


def test_a_post_only_order_that_would_have_taken_was_refused_unless_it_had_stood() -> None:
    one = reader()
    heard(one, new(exec_type="pending_new"))
    refused = ended(cum_qty=0, reason="Post only order")
    assert heard(one, refused) == [OrderRefusedByVenue(ONE, 9, int(Refusal.POST_ONLY), "Post only order")]
    heard(one, new())
    assert heard(one, refused) == [OrderClosed(ONE, 9, OrderState.CANCELLED, 0)]


@pytest.mark.parametrize(
    "wrong",
    [trade(trade_id=None), trade(last_qty=None), trade(last_price="x"), trade(side=""),
     trade(timestamp="noon"),
     trade(fees=[{"asset": "A", "qty": 1}, {"asset": "B", "qty": 1}]),
     trade(fees=[{"asset": "A", "qty": "x"}]),
     {"exec_type": "trade"}, trade(last_qty=[]), new(side="both")],
)  # fmt: skip
def test_unreadable_reports_are_bad(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadFrame):
        heard(reader(), wrong)


def answered(kind: RequestKind, one: OrderReader | None = None, **answer: Any) -> OrderEvent | None:
    at = one or reader()
    frame = at.frame(json.dumps({"method": "m", "req_id": 1, **answer}).encode())
    return at.answered(Request(kind, ONE, 0, 0), frame, 9)


def test_answers_to_new_orders() -> None:
    one, place = reader(), RequestKind.PLACE
    told = answered(place, one, success=True, result={"order_id": ORDER, "cl_ord_id": client_id_text(ONE)})
    assert told == OrderAcked(ONE, 9, NUMBER) and one.order_ids[ONE] == ORDER
    assert answered(place, success=False, error="EOrder:Insufficient funds") == OrderRefusedByVenue(
        ONE, 9, int(Refusal.FUNDS), "EOrder:Insufficient funds"
    )
    assert answered(place, success=False, error="EOrder:Post only order") == OrderRefusedByVenue(
        ONE, 9, int(Refusal.POST_ONLY), "EOrder:Post only order"
    )
    there = answered(place, success=False, error="EGeneral:Invalid arguments:cl_ord_id not unique")
    assert there == OrderAcked(ONE, 9, 0)
    for error in ("EService:Unavailable", "EOrder:Rate limit exceeded", None, "ESession:Invalid session"):
        assert isinstance(answered(place, success=False, error=error), FateUnknown)
    assert isinstance(answered(place), FateUnknown)
    with pytest.raises(BadFrame):
        answered(place, success=True, result={})


def test_answers_to_cancels_leave_the_end_to_its_report() -> None:
    cancel = RequestKind.CANCEL
    assert answered(cancel, success=True, result={"order_id": ORDER}) is None
    assert answered(cancel, success=False, error="EOrder:Unknown order") == CancelRefused(
        ONE, 9, int(Refusal.UNKNOWN_ORDER)
    )
    assert isinstance(answered(cancel, success=False, error="EService:Busy"), FateUnknown)


def test_the_tables_of_owners_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("market.venues.order_line.REMEMBERED_MAX", 4)
    one = reader()
    for number in range(20):
        one.own(f"O{number}", client_id(1, 1, number + 1), 0)
    assert list(one.owners) == ["O16", "O17", "O18", "O19"] and len(one.order_ids) == 4


CORPUS = [json.dumps(report(4, *reports)).encode() for reports in ((new(), trade(), ended()), (trade(),), ())]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(CORPUS), st.lists(st.tuples(st.integers(0, 999), st.integers(0, 255)), max_size=4))
def test_no_mutation_of_a_report_raises_anything_but_a_bad_frame(
    payload: bytes, changes: list[tuple[int, int]]
) -> None:
    torn, one = bytearray(payload), reader()
    for at, byte in changes:
        torn[at % len(torn)] = byte
    try:
        frame = one.frame(bytes(torn))
        told = one.executions(frame, 9)
    except BadFrame:
        return
    assert len(told) <= 3
