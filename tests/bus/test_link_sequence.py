from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bus.frame import HEADER_BYTES, FrameKind, read_frame, write_frame
from bus.link_sequence import Incoming, Outgoing, Snapshot


def outgoing(session: int = 1, queue_max: int = 4, batch_bytes: int = 64) -> Outgoing:
    return Outgoing(session, queue_max=queue_max, batch_bytes=batch_bytes)


def given_to(incoming: Incoming, frame: bytes) -> list[bytes]:
    read = read_frame(frame)
    assert read is not None
    return incoming.accept(read)


def data(session: int, sequence: int, *messages: bytes) -> bytes:
    return write_frame(FrameKind.DATA, session, sequence, messages)


class LossyLine(RuleBasedStateMachine):
    """A sender counts; a network drops, repeats and reorders; a receiver must know the count."""

    def __init__(self) -> None:
        super().__init__()
        self.session = 1
        self.sender = outgoing()
        self.receiver = Incoming()
        self.flying: list[bytes] = []
        self.count = 0
        self.known: int | None = None

    @rule()
    def count_up(self) -> None:
        self.count += 1
        full = len(self.sender.queue) >= 4
        assert self.sender.push(str(self.count).encode()) is not full

    @rule()
    def flush(self) -> None:
        self.flying.append(self.sender.take())

    @rule()
    def snapshot(self) -> None:
        self.flying.append(self.sender.take_snapshot(str(self.count).encode()))

    @rule()
    def restart_sender(self) -> None:
        # A connection keeps order, so a session that was never followed cannot turn up behind a later one.
        if self.receiver.session != self.session:
            own = [read_frame(frame) for frame in self.flying]
            self.flying = [
                bytes(raw)
                for raw, frame in zip(self.flying, own, strict=True)
                if frame and frame.session != self.session
            ]
        self.session += 1
        self.sender = outgoing(self.session)

    @precondition(lambda self: self.flying)
    @rule(draw=st.data(), fate=st.sampled_from(["deliver", "repeat", "drop"]))
    def fly(self, draw: st.DataObject, fate: str) -> None:
        index = draw.draw(st.integers(0, len(self.flying) - 1))
        frame = self.flying[index] if fate == "repeat" else self.flying.pop(index)
        if fate != "drop":
            self.deliver(frame)

    def deliver(self, frame: bytes) -> None:
        for message in given_to(self.receiver, frame):
            number = int(message)
            if isinstance(message, Snapshot):
                assert self.known is None or number >= self.known
            else:
                assert self.known is None or number == self.known + 1
            self.known = number

    @invariant()
    def knows_nothing_too_early(self) -> None:
        assert self.known is None or self.known <= self.count

    def teardown(self) -> None:
        """However bad it was: a beacon, one question and its answer, and the receiver knows all."""
        self.count_up()
        self.deliver(self.sender.take())
        while self.sender.queue:
            self.deliver(self.sender.take())
        self.deliver(self.sender.take())
        if self.receiver.waiting:
            self.deliver(self.sender.take_snapshot(str(self.count).encode()))
        assert self.known == self.count


LossyLine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLossyLine = LossyLine.TestCase


def test_a_full_queue_drops_the_newest_and_the_receiver_sees_the_gap() -> None:
    sender, receiver = outgoing(queue_max=2), Incoming()
    assert [sender.push(name) for name in (b"a", b"b", b"c")] == [True, True, False]
    assert sender.dropped == 1
    assert given_to(receiver, sender.take()) == []
    assert (receiver.waiting, receiver.gaps, receiver.lost) == (True, 1, 2)
    [state] = given_to(receiver, sender.take_snapshot(b"abc"))
    assert isinstance(state, Snapshot) and state == b"abc"
    assert sender.push(b"d") and given_to(receiver, sender.take()) == [b"d"]


def test_a_snapshot_covers_what_was_still_queued() -> None:
    sender, receiver = outgoing(), Incoming()
    sender.push(b"a")
    assert given_to(receiver, sender.take_snapshot(b"with a")) == [b"with a"]
    assert not sender.queue
    sender.push(b"b")
    assert given_to(receiver, sender.take()) == [b"b"]


def test_messages_queued_together_share_frames_of_bounded_size() -> None:
    sender = outgoing(queue_max=100, batch_bytes=HEADER_BYTES + 30)
    for _ in range(6):
        sender.push(b"x" * 11)
    sender.push(b"y" * 100)
    sizes = []
    while sender.queue:
        frame = read_frame(sender.take())
        assert frame is not None
        sizes.append(len(frame.messages))
    assert sizes == [2, 2, 2, 1]


def test_a_beacon_reveals_a_lost_tail() -> None:
    sender, receiver = outgoing(), Incoming()
    sender.push(b"a")
    assert given_to(receiver, sender.take()) == [b"a"]
    sender.push(b"lost")
    sender.take()
    assert given_to(receiver, sender.take()) == []
    assert receiver.waiting


def test_a_repeated_frame_delivers_only_what_is_new() -> None:
    receiver = Incoming()
    assert given_to(receiver, data(1, 1, b"a", b"b")) == [b"a", b"b"]
    assert given_to(receiver, data(1, 2, b"b", b"c")) == [b"c"]
    assert given_to(receiver, data(1, 1, b"a")) == []
    assert receiver.duplicates == 2


def test_a_session_left_behind_is_never_believed_again() -> None:
    receiver = Incoming()
    given_to(receiver, data(1, 1, b"old"))
    assert given_to(receiver, data(2, 1, b"new")) == []
    assert receiver.waiting
    assert given_to(receiver, write_frame(FrameKind.SNAPSHOT, 2, 1, [b"all"])) == [b"all"]
    assert given_to(receiver, data(1, 2, b"old again")) == []
    assert given_to(receiver, data(2, 2, b"next")) == [b"next"]


def test_an_old_snapshot_does_not_end_a_younger_gap() -> None:
    receiver = Incoming()
    given_to(receiver, data(1, 1, b"a"))
    given_to(receiver, data(1, 5, b"e"))
    assert given_to(receiver, write_frame(FrameKind.SNAPSHOT, 1, 3, [b"too old"])) == []
    assert receiver.waiting
    assert given_to(receiver, write_frame(FrameKind.SNAPSHOT, 1, 5, [b"abcde"])) == [b"abcde"]
