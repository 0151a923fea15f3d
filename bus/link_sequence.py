"""The two ends of one sequenced stream, without I/O: gaps end in a snapshot (ZeroMQ's Clone pattern)."""

from __future__ import annotations

from collections import deque
from itertools import islice

from bus.frame import HEADER_BYTES, MESSAGES_MAX, Frame, FrameKind, write_frame

RETIRED_MAX = 64


class Snapshot(bytes):
    """A sender's whole state, delivered in place of messages that were lost before it."""

    __slots__ = ()


class Outgoing:
    """Number and queue what one peer is to receive.

    Full means that the newest message is dropped: `push` says so, and its sequence is used up, so that the
    receiver sees the gap and asks for a snapshot.
    """

    def __init__(self, session: int, *, queue_max: int, batch_bytes: int) -> None:
        self.session = session
        self.next_sequence = 1
        self.queue: deque[bytes] = deque()
        self.dropped = 0
        # How many messages the frame taken last carries.
        self.carried = 0
        self._skipped = 0
        self._queue_max, self._batch_bytes = queue_max, batch_bytes

    def push(self, message: bytes) -> bool:
        """Queue a message; False says that it was dropped."""
        if len(self.queue) >= self._queue_max:
            self.skip(1)
            return False
        self.queue.append(message)
        return True

    def skip(self, count: int) -> None:
        """Use up sequences whose messages will never be sent."""
        self.dropped += count
        self._skipped += count

    def take(self) -> bytes:
        """Give the next frame; an empty one (a beacon) says which sequence comes next."""
        self.next_sequence += self._skipped
        self._skipped = 0
        batch = self._batch()
        frame = write_frame(FrameKind.DATA, self.session, self.next_sequence, batch)
        self.next_sequence += len(batch)
        self.carried = len(batch)
        return frame

    def let_go(self) -> int:
        """Drop what is queued and the frame taken last, and count it."""
        queued, carried = len(self.queue), self.carried
        self.queue.clear()
        self.skip(queued)
        self.dropped += carried
        self.carried = 0
        return queued + carried

    def _batch(self) -> list[bytes]:
        queue, room = self.queue, self._batch_bytes - HEADER_BYTES
        count = 0
        for message in islice(queue, MESSAGES_MAX):
            room -= len(message) + 4
            if room < 0 and count > 0:
                break
            count += 1
        popleft = queue.popleft
        return [popleft() for _ in range(count)]

    def take_snapshot(self, state: bytes) -> bytes:
        """Give a frame with the state as of now: it covers what is still queued, so that is let go."""
        self.next_sequence += self._skipped + len(self.queue)
        self._skipped = self.carried = 0
        self.queue.clear()
        return write_frame(FrameKind.SNAPSHOT, self.session, self.next_sequence - 1, [state])


class Incoming:
    """Deliver one sender's stream without a gap, a duplicate or disorder.

    A sender that restarts has another session; frames of sessions left behind are never believed again.
    Connections keep order, so a session that was never followed cannot turn up behind a later one.
    """

    def __init__(self) -> None:
        self.session: int | None = None
        self.expected = 1
        self.waiting = False
        self.gaps = 0
        self.duplicates = 0
        self.lost = 0
        self._covers = 0
        self._retired: deque[int] = deque(maxlen=RETIRED_MAX)

    def accept(self, frame: Frame) -> list[bytes]:
        """Give what may be delivered now; `waiting` then says whether a snapshot must be asked for."""
        if not self._follow(frame):
            self.duplicates += len(frame.messages)
            return []
        if frame.kind == FrameKind.SNAPSHOT:
            return self._snapshot(frame)
        return self._data(frame)

    def _follow(self, frame: Frame) -> bool:
        if frame.session == self.session:
            return True
        if frame.session in self._retired:
            return False
        restarted = self.session is not None
        if self.session is not None:
            self._retired.append(self.session)
        self.session, self.expected, self.waiting = frame.session, 1, False
        if restarted:
            # The old session's tail may be lost, and the new one's start builds on a state unseen here.
            self._wait(frame)
        return True

    def _wait(self, frame: Frame) -> None:
        self.waiting, self.gaps = True, self.gaps + 1
        self._covers = frame.sequence - 1 if frame.kind == FrameKind.DATA else frame.sequence

    def _data(self, frame: Frame) -> list[bytes]:
        messages, behind = frame.messages, self.expected - frame.sequence
        if behind < 0 and not self.waiting:
            self._wait(frame)
        if self.waiting:
            self.lost += len(messages)
            return []
        if behind > 0:
            self.duplicates += min(behind, len(messages))
            messages = messages[behind:]
        self.expected += len(messages)
        return messages

    def _snapshot(self, frame: Frame) -> list[bytes]:
        if frame.sequence < (self._covers if self.waiting else self.expected):
            self.duplicates += 1
            return []
        self.waiting, self.expected = False, frame.sequence + 1
        return [Snapshot(frame.messages[0])]
