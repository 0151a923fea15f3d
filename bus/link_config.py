"""The bounds of a link, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class LinkConfig(BaseModel):
    """Bound a link.

    Both queues are bounded. Sending: while there is no connection, or when `send_queue_max` messages wait,
    the newest message is dropped, `send` returns False, and the receiver learns of the gap and gets a
    snapshot. Receiving: nothing is dropped; from `receive_queue_max` messages on the socket is not read, so
    the sender's queue fills.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    send_queue_max: int = Field(default=4096, ge=1)
    receive_queue_max: int = Field(default=16384, ge=1)
    batch_bytes: int = Field(default=32 * 1024, ge=1024)
    frames_max: int = Field(default=256, ge=1)
    message_bytes_max: int = Field(default=16 * 1024 * 1024, ge=1024)
    peers_max: int = Field(default=256, ge=1)
    heartbeat_s: float = Field(default=0.5, gt=0)
    heartbeat_timeout_s: float = Field(default=2.0, gt=0)
    handshake_timeout_s: float = Field(default=1.5, gt=0)
    handshake_failures_max: int = Field(default=3, ge=1)
    reconnect_s: float = Field(default=0.05, gt=0)
    reconnect_max_s: float = Field(default=1.0, gt=0)
    beacon_s: float = Field(default=0.25, gt=0)


@dataclass(slots=True)
class LinkCounts:
    """Count what went through a link, and what did not."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    malformed: int = 0
    duplicates: int = 0
    gaps: int = 0
    snapshots_sent: int = 0
    snapshots_received: int = 0
    connects: int = 0
    handshakes_failed: int = 0
