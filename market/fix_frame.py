"""FIX 4.4 framing: bytes to messages whose length and checksum hold, whatever comes between them."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

SOH = b"\x01"
_BEGIN = b"8=FIX"
_HEAD = b"8=FIX.4.4\x019="
_TRAILER_BYTES = 7  # 10=ddd and SOH
_LENGTH_DIGITS_MAX = 7
BODY_BYTES_MAX = 1 << 20

Fields = list[tuple[int, str]]


class FixCounts(msgspec.Struct):
    """What became of the bytes."""

    messages: int = 0
    bad_length: int = 0
    bad_checksum: int = 0
    bad_fields: int = 0
    garbage_bytes: int = 0


class FixFrames:
    """Cut a stream of bytes into messages. Nothing raises: what is none is counted and skipped.

    After a message that does not hold, reading goes on at the next `8=FIX`, also one inside of it. A length
    that is wrong but possible makes the reader wait for as many bytes (at most `BODY_BYTES_MAX`).
    """

    def __init__(self) -> None:
        self.counts = FixCounts()
        self._held = bytearray()

    @property
    def held_bytes(self) -> int:
        """Tell how many bytes wait for more."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Fields]:
        """Take bytes and give the messages that are whole, as (tag, value) pairs of their bodies."""
        self._held += data
        yield from self._messages(ended=False)

    def finish(self) -> Iterator[Fields]:
        """Say that nothing follows: what waited is no message, but may hide some."""
        yield from self._messages(ended=True)

    def _messages(self, ended: bool) -> Iterator[Fields]:
        at = 0
        while True:
            begin = self._begin(at, ended)
            self.counts.garbage_bytes += begin - at
            at = begin
            end = self._end(at) if at < len(self._held) else None
            if end is None and not ended:
                break
            if end is None and at >= len(self._held):
                break
            if end is None or end < 0:
                self.counts.bad_length += 1
                self.counts.garbage_bytes += 1
                at += 1
                continue
            fields = self._checked(at, end)
            if fields is None:
                self.counts.garbage_bytes += 1
                at += 1
                continue
            self.counts.messages += 1
            yield fields
            at = end
        del self._held[:at]

    def _begin(self, at: int, ended: bool) -> int:
        found = self._held.find(_BEGIN, at)
        if found >= 0:
            return found
        if ended:
            return len(self._held)
        # The last bytes may be the beginning of one.
        for length in range(len(_BEGIN) - 1, 0, -1):
            if len(self._held) - length >= at and self._held.endswith(_BEGIN[:length]):
                return len(self._held) - length
        return len(self._held)

    def _end(self, at: int) -> int | None:
        """Give where the message ends; `None` waits for more, -1 says that it is none."""
        head = bytes(self._held[at : at + len(_HEAD)])
        if head != _HEAD[: len(head)]:
            return -1
        digits_at = at + len(_HEAD)
        stop = self._held.find(SOH, digits_at, digits_at + _LENGTH_DIGITS_MAX + 1)
        digits = bytes(self._held[digits_at : stop if stop >= 0 else digits_at + _LENGTH_DIGITS_MAX + 1])
        if (digits and not digits.isdigit()) or (stop < 0 and len(digits) > _LENGTH_DIGITS_MAX):
            return -1
        if stop < 0:
            return None
        if not digits or int(digits) > BODY_BYTES_MAX:
            return -1
        end = stop + 1 + int(digits) + _TRAILER_BYTES
        return end if end <= len(self._held) else None

    def _checked(self, at: int, end: int) -> Fields | None:
        message = bytes(self._held[at:end])
        body, trailer = message[:-_TRAILER_BYTES], message[-_TRAILER_BYTES:]
        told = trailer[3:6]
        if not body.endswith(SOH) or trailer[:3] != b"10=" or trailer[6:] != SOH or not told.isdigit():
            self.counts.bad_length += 1
            return None
        if sum(body) % 256 != int(told):
            self.counts.bad_checksum += 1
            return None
        fields = _fields(body)
        if fields is None:
            self.counts.bad_fields += 1
        return fields


def _fields(message: bytes) -> Fields | None:
    try:
        pairs = [field.partition("=") for field in message.decode("latin-1").split("\x01")[2:-1]]
        if any(
            not (tag.isascii() and tag.isdigit()) or len(tag) > 6 or value == "" for tag, _, value in pairs
        ):
            return None
        return [(int(tag), value) for tag, _, value in pairs]
    except ValueError:
        return None


def framed(fields: Fields) -> bytes:
    """Write a message, for tests and tools.

    >>> framed([(35, "0"), (34, "7")])
    b'8=FIX.4.4\\x019=10\\x0135=0\\x0134=7\\x0110=195\\x01'
    """
    body = b"".join(f"{tag}={value}\x01".encode("latin-1") for tag, value in fields)
    message = _HEAD + str(len(body)).encode() + SOH + body
    return message + f"10={sum(message) % 256:03d}\x01".encode()
