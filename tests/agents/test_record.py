"""Records: what goes into the journal comes back, and a started core is a recovered one."""

from __future__ import annotations

import msgspec
import pytest

from agents.record import (
    SNAPSHOT_BYTES_PER_EVENT,
    Recorder,
    decode,
    encode_action,
    encode_event,
    encode_genesis,
    encode_mark,
    started,
)
from bus.codec import SCHEMA, RecordedApproval, RecordedSend
from domain.actions import CancelOrder
from domain.control_events import Clocked
from domain.errors import SwarmError
from domain.events import Event
from domain.market_events import BookDelta
from domain.order import OrderIntent, RefusedOrder
from tests.agents.test_replay import Shelf


class Canceller:
    """Cancels the order whose number is the time, times what its genesis says."""

    def __init__(self, body: bytes) -> None:
        self.factor = int(msgspec.msgpack.decode(body)["factor"])
        self.steps = 0

    def step(self, event: Event) -> list[CancelOrder]:
        assert isinstance(event, Clocked)
        self.steps += 1
        return [CancelOrder(event.local_ts_ns * self.factor, self.steps)]

    def state(self) -> bytes:
        return msgspec.msgpack.encode(self.steps)

    def restore(self, state: bytes) -> None:
        self.steps = msgspec.msgpack.decode(state)


def start(shelf: Shelf, factor: int = 1) -> Recorder:
    return started(shelf, Canceller, encode_genesis(factor=factor), "node-x")[0]


@pytest.mark.parametrize(
    "event", [Clocked(7), BookDelta(1, 2, 3, 4, 5, ((1, 2),), ((3, 0),))], ids=["clocked", "delta"]
)
def test_an_event_comes_back(event: Event) -> None:
    assert decode(encode_event(event)) == event


def test_actions_come_back_and_a_sent_order_comes_back_without_an_approval() -> None:
    intent = OrderIntent(1, 2, -1, 0, 100, 3)
    refused = RefusedOrder(intent, 4, 5, 6)
    assert decode(encode_action(refused)) == refused
    sent = msgspec.msgpack.encode((60, 9, (intent, 2, 77)))
    assert decode(b"A" + bytes([SCHEMA]) + sent) == RecordedSend(9, RecordedApproval(intent, 2, 77))


def test_what_has_no_place_in_a_journal_is_refused() -> None:
    with pytest.raises(AssertionError, match="object"):
        encode_action(object())  # type: ignore[arg-type]


def test_a_record_of_a_later_schema_is_refused_by_name() -> None:
    with pytest.raises(SwarmError, match="newer than this build"):
        decode(b"I" + bytes([SCHEMA + 1]) + b"x")


def test_a_record_of_no_kind_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="Q"):
        decode(b"Qabc")


def test_a_mark_comes_back() -> None:
    assert decode(encode_mark("build", version="1")) == {"kind": "build", "version": "1"}


def test_a_step_is_recorded_before_it_is_given() -> None:
    shelf = Shelf([])
    assert start(shelf).step(Clocked(5)) == [CancelOrder(5, 1)]
    assert [decode(record) for record in shelf.records[1:]] == [Clocked(5), CancelOrder(5, 1)]


def test_starting_again_is_recovering() -> None:
    shelf = Shelf([])
    start(shelf).step(Clocked(5))
    assert start(shelf).step(Clocked(6)) == [CancelOrder(6, 2)]
    assert len(shelf.records) == 5


def test_a_changed_config_is_marked_and_keeps_the_state() -> None:
    shelf = Shelf([])
    start(shelf).step(Clocked(5))
    assert start(shelf, factor=10).step(Clocked(6)) == [CancelOrder(60, 2)]
    assert start(shelf, factor=10).step(Clocked(7)) == [CancelOrder(70, 3)]
    assert sum(record[:1] == b"S" for record in shelf.records) == 2


def test_a_snapshot_is_kept_when_due_and_replay_begins_there() -> None:
    shelf = Shelf([])
    recorder = start(shelf)
    recorder.snapshot_every = 3
    for time in range(4):
        assert shelf.kept is None
        recorder.step(Clocked(time))
    recorder.commit()
    assert shelf.kept is not None and shelf.kept[0] == len(shelf.records)
    recorder.step(Clocked(9))
    recorder.commit()
    again, found = started(shelf, Canceller, encode_genesis(factor=1), "node-x")
    assert found.inputs == 1 and again.step(Clocked(1)) == [CancelOrder(1, 6)]


def test_a_snapshot_may_be_written_after_later_steps_which_are_then_replayed() -> None:
    shelf = Shelf([])
    recorder = start(shelf)
    recorder.step(Clocked(1))
    sequence, state = recorder.take_snapshot()
    recorder.step(Clocked(2))
    recorder.write_snapshot(sequence, state)
    assert shelf.kept is not None and shelf.kept[0] == 3
    again, found = started(shelf, Canceller, encode_genesis(factor=1), "node-x")
    assert found.inputs == 1 and again.step(Clocked(1)) == [CancelOrder(1, 3)]


def test_a_large_state_is_kept_less_often() -> None:
    recorder = start(Shelf([]))
    recorder.snapshot_every = 2
    recorder.core.state = lambda: bytes(5 * SNAPSHOT_BYTES_PER_EVENT)  # type: ignore[method-assign]
    due = []
    for time in range(9):
        recorder.step(Clocked(time))
        due.append(recorder.snapshot_due)
        recorder.keep_snapshot_if_due()
    assert due == [False, True, False, False, False, False, True, False, False]


def test_a_start_on_what_another_build_wrote_is_refused() -> None:
    shelf = Shelf([encode_genesis(factor=1), encode_event(Clocked(1)), encode_action(CancelOrder(2, 2))])
    with pytest.raises(SwarmError, match="record 3"):
        start(shelf)
