"""Values as bytes: one schema byte, then msgpack of tagged structs. Nothing is ever executed by decoding."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from domain.actions import (
    Action,
    Alarm,
    CancelOrder,
    FetchAccount,
    FetchBook,
    LifecycleChanged,
    Observed,
    QueryOrder,
    ReserveIds,
)
from domain.dtypes import ROW_WIDTH
from domain.errors import ExitCode, SwarmError
from domain.events import Event
from domain.order import ApprovedOrder, OrderIntent, RefusedOrder
from domain.steering import Steering

SCHEMA = 1
_SCHEMA_BYTE = bytes([SCHEMA])

Sent = TypeVar("Sent")
Read = TypeVar("Read")


class RecordedApproval(msgspec.Struct, frozen=True, array_like=True):
    """What was approved, read back from bytes: a record, which no gateway takes for an approval."""

    intent: OrderIntent
    epoch: int
    approved_ts_ns: int


class RecordedSend(msgspec.Struct, frozen=True, array_like=True, tag=60):
    """A `SendOrder`, read back."""

    client_id: int
    approved: RecordedApproval


RecordedAction = (
    RecordedSend
    | CancelOrder
    | QueryOrder
    | FetchAccount
    | FetchBook
    | ReserveIds
    | Alarm
    | LifecycleChanged
    | Observed
    | RefusedOrder
)


def _encode_other(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        assert value.dtype == np.int64 and value.flags.c_contiguous
        return value.data.cast("B") if value.size else b""
    assert isinstance(value, ApprovedOrder), f"{type(value).__name__} has no form in bytes"
    return [value.intent, value.epoch, value.approved_ts_ns]


def _decode_other(_: type, value: Any) -> Any:
    if type(value) is not bytes or len(value) % (8 * ROW_WIDTH) != 0:
        raise ValueError("rows that are not whole")
    return np.frombuffer(value, np.int64).reshape(-1, ROW_WIDTH)


class Codec(Generic[Sent, Read]):
    """Write and read one family of values with reused encoders.

    >>> from domain.control_events import Clocked
    >>> EVENTS.decode(EVENTS.encode(Clocked(7)))
    Clocked(local_ts_ns=7)
    """

    __slots__ = ("_decoder", "_encode", "_family")

    def __init__(self, family: str, read: Any) -> None:
        self._family = family
        self._encode = msgspec.msgpack.Encoder(enc_hook=_encode_other).encode
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(read, dec_hook=_decode_other)

    def encode(self, value: Sent, kind: bytes = b"") -> bytes:
        """Write a value, after the bytes of its journal kind if it has one."""
        return kind + _SCHEMA_BYTE + self._encode(value)

    def decode(self, content: bytes, offset: int = 0) -> Read:
        """Read a value back from `offset` on."""
        if len(content) <= offset or content[offset] != SCHEMA:
            raise self._unknown_schema(content, offset)
        try:
            return self._decoder.decode(memoryview(content)[offset + 1 :])  # type: ignore[no-any-return]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._unreadable(str(error)) from None

    def _unknown_schema(self, content: bytes, offset: int) -> SwarmError:
        if len(content) <= offset:
            return self._unreadable("it is empty")
        if content[offset] > SCHEMA:
            return self._unreadable(f"its schema {content[offset]} is newer than this build's {SCHEMA}")
        return self._unreadable(f"schema {content[offset]} was never used")

    def _unreadable(self, why: str) -> SwarmError:
        return SwarmError(
            f"the bytes are no {self._family}: {why}",
            where="codec",
            mend="run the same build everywhere, one that is not older than what wrote this",
            code=ExitCode.CONFIG,
        )


EVENTS: Codec[Event, Event] = Codec("event", Event)
ACTIONS: Codec[Action, RecordedAction] = Codec("action", RecordedAction)
STEERING: Codec[Steering, Steering] = Codec("steering message", Steering)
