"""Every value survives its bytes; other bytes are refused in one line."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.codec import ACTIONS, EVENTS, SCHEMA, STEERING, Codec, RecordedApproval, RecordedSend
from domain import order as order_module
from domain.actions import Action, Alarm, CancelOrder, FetchAccount, Observed, SendOrder
from domain.control_events import ClockStepped, ModelSet, SignalUpdated
from domain.errors import SwarmError
from domain.events import Event
from domain.market_events import BookDelta, Tick
from domain.order import ApprovedOrder, OrderIntent, RefusedOrder
from domain.order_events import AccountSnapshot, Fill, OpenOrder
from domain.report import NodeReport
from domain.steering import Grant, Heartbeat, StatusRequest, Steering

FILL = Fill(1, 2, 3, 4, 5, -1, 7, 8, 9, "USDT", True, 12)
OPEN = OpenOrder(0, "x", 1, 2, -1, 0, 3, 4, 0)
INTENT = OrderIntent(1, 2, 1, 0, 100, 5)


def approved(epoch: int = 3, approved_ts_ns: int = 9) -> ApprovedOrder:
    """Make an approval as the gate would, without taking the gate's claim to the seal."""
    return ApprovedOrder(order_module._SEAL, INTENT, epoch, approved_ts_ns)


@pytest.mark.parametrize(
    "event",
    [
        Tick(1, 2, -(2**62), 2**62, 5, 6, 7, 8),
        BookDelta(1, 2, 3, 4, 5, ((1, 2), (3, 4)), ()),
        AccountSnapshot("tokyo-x", 1, {"BTC": (2**60, 0)}, (OPEN,), (FILL,)),
        SignalUpdated(1, 2, -0.5, 3),
        ClockStepped(1, -5),
        ModelSet(1, "canary", "00ff", "fused", bytes(range(256)), 250_000),
    ],
)
def test_an_event_survives_its_bytes(event: Event) -> None:
    assert EVENTS.decode(EVENTS.encode(event)) == event
    assert EVENTS.decode(EVENTS.encode(event, b"I"), 1) == event
    assert EVENTS.encode(event, b"I")[:2] == b"I" + bytes([SCHEMA])


def test_the_union_of_events_has_no_two_of_one_tag() -> None:
    for union, least in ((Event, 20), (Action, 9), (Steering, 8)):
        tags = [each.__struct_config__.tag for each in get_args(union)]
        assert len(set(tags)) == len(tags) >= least and None not in tags


def test_an_approval_is_read_back_as_a_record_that_no_gateway_takes() -> None:
    read = ACTIONS.decode(ACTIONS.encode(SendOrder(77, approved()), b"A"), 1)
    assert read == RecordedSend(77, RecordedApproval(INTENT, 3, 9))
    assert not isinstance(read.approved, ApprovedOrder)


@pytest.mark.parametrize(
    "action",
    [
        CancelOrder(1, 2),
        FetchAccount("x", ((1, 2),)),
        Alarm("drift", "9 ms"),
        Observed(7, 1, 9, "00ff", "fused", 2, bytes(64), bytes(12), -500_000, 201, 3),
        RefusedOrder(INTENT, 4, 5, 6),
    ],
)
def test_an_action_survives_its_bytes(action: Any) -> None:
    assert ACTIONS.decode(ACTIONS.encode(action)) == action


def test_steering_survives_its_bytes() -> None:
    balances, orders = {"x": {"BTC": 2**60}}, {"x": ("m1",)}
    numbers = {
        "ts_ns": 1,
        "epoch": 2,
        "halt_command_id": 0,
        "ticks": 5,
        "journal_events": 1,
        "stale_books": 0,
    }
    flags = {"halted": False, "stopping": False, "flat_of_orders": True}
    texts = {"node": "n", "region": "tokyo", "journal_hash": "ab"}
    report = msgspec.convert(
        {
            **numbers,
            **flags,
            **texts,
            "stale_books": 0,
            "agents": [],
            "balances": balances,
            "open_order_ids": orders,
            "tick_to_order_counts": {7: 9},
        },
        NodeReport,
    )
    for message in (Heartbeat(1, "c", "b", 2, report), Grant(1, 2, 3, 4, True, 5, "why"), StatusRequest()):
        assert STEERING.decode(STEERING.encode(message)) == message


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (bytes([SCHEMA + 1]) + b"\x91\x01", "newer than this build"),
        (b"\0\x91\x01", "never used"),
        (bytes([SCHEMA]), "truncated"),
        (bytes([SCHEMA]) + b"\x91\x63", "no event"),
        (bytes([SCHEMA]) + b"\xc1" * 9, "no event"),
        (EVENTS.encode(ClockStepped(1, 2)) + b"more", "no event"),
    ],
)
def test_other_bytes_are_refused_in_one_line(content: bytes, why: str) -> None:
    with pytest.raises(SwarmError, match=why) as refusal:
        EVENTS.decode(content)
    assert "\n" not in str(refusal.value) and "build" in refusal.value.mend


@given(st.binary(max_size=80))
def test_garbage_never_raises_anything_else(content: bytes) -> None:
    codecs: tuple[Codec[Any, Any], ...] = (EVENTS, ACTIONS, STEERING)
    for codec in codecs:
        try:
            value = codec.decode(bytes([SCHEMA]) + content)
        except SwarmError:
            continue
        assert isinstance(value, msgspec.Struct)


def test_only_values_of_ours_have_a_form_in_bytes() -> None:
    with pytest.raises(AssertionError, match="no form in bytes"):
        ACTIONS.encode(Alarm("kind", object()))  # type: ignore[arg-type]
