"""One WebSocket that is always being kept up: connect, work, notice the loss, wait, connect again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from picows import WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from domain.draws import stream
from domain.errors import SwarmError
from market.venues.backoff import Backoff
from market.venues.config import VenueConfig

FRAME_BYTES_MAX = 8 << 20
# Finding a member in its class takes longer than all else about a frame.
_TEXT, _CLOSE = WSMsgType.TEXT, WSMsgType.CLOSE
Opened = Callable[[], Awaitable[None]]


class LinkBroken(Exception):
    """This connection cannot be used further, though we could go on reading it."""


class _Listener(WSListener):
    def __init__(self, link: VenueLink) -> None:
        self._link = link

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self._link.frame(transport, frame)

    def pause_writing(self) -> None:
        self._link.paused = True

    def resume_writing(self) -> None:
        self._link.paused = False
        self._link.on_resume()


class VenueLink:
    """Keep one connection. A peer that is silent for `ping_idle_s` and answers no ping within
    `ping_reply_s` counts as lost.

    `on_open` sets `up` when the connection is of use. `on_frame` may raise `LinkBroken` to have the
    connection made anew; anything else it raises is our own mistake and ends `run`. The waits between
    connections grow until one has lasted as long as the longest of them.
    """

    def __init__(
        self,
        purpose: str,
        url: str,
        config: VenueConfig,
        *,
        on_open: Opened,
        on_frame: Callable[[bytes], None],
        on_lost: Callable[[str], None],
        on_resume: Callable[[], None] = lambda: None,
    ) -> None:
        self._url, self._config = url, config
        self._on_open, self._on_frame, self._on_lost = on_open, on_frame, on_lost
        self.on_resume = on_resume
        draws = stream(0, "link", config.name, config.account, purpose)
        self._backoff = Backoff(config.backoff_min_s, config.backoff_max_s, draws)
        self._transport: WSTransport | None = None
        self._mistake: Exception | None = None
        self._broken = ""
        self.epoch, self.paused, self.last_reason = 0, False, "not connected yet"
        self.up = asyncio.Event()
        self.refused: SwarmError | None = None

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                transport = await self._connect()
                await self._on_open()
                self.refused = None
                clock = asyncio.get_running_loop().time
                opened_s = clock()
                await transport.wait_disconnected()
                # Venues ban who connects all the time: only one that did well is made anew at once.
                if self._broken == "" and clock() - opened_s >= self._config.backoff_max_s:
                    self._backoff.reset()
                self.last_reason = "the connection was closed"
            except SwarmError as error:
                self.refused, self.last_reason = error, str(error)
            except (WSError, LinkBroken, OSError, TimeoutError) as error:
                self.last_reason = f"{type(error).__name__} {error}".strip()[:160]
            finally:
                self.last_reason = self._broken or self.last_reason
                self._close()
            if self._mistake is not None:
                raise self._mistake
            await asyncio.sleep(self._backoff.next_s())

    async def _connect(self) -> WSTransport:
        config = self._config
        async with asyncio.timeout(config.connect_timeout_s):
            transport, _ = await ws_connect(
                lambda: _Listener(self),
                self._url,
                websocket_handshake_timeout=config.connect_timeout_s,
                enable_auto_ping=True,
                auto_ping_idle_timeout=config.ping_idle_s,
                auto_ping_reply_timeout=config.ping_reply_s,
                max_frame_size=FRAME_BYTES_MAX,
                logger_name="murmuration",
            )
        self.epoch += 1
        self._transport = transport
        return transport

    def frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take one frame."""
        if frame.msg_type is _CLOSE:
            transport.disconnect(False)
            return
        if self._broken != "":
            return
        try:
            # Binance never splits a message; half of one is a bad frame, and an empty one counts as such.
            self._on_frame(frame.get_payload_as_bytes() if frame.fin else b"")
        except LinkBroken as error:
            self._broken = str(error)
            transport.disconnect(False)
        except Exception as error:
            self._mistake = error
            transport.disconnect(False)

    def send(self, payload: bytes) -> None:
        """Write one frame now."""
        assert self._transport is not None
        self._transport.send(_TEXT, payload)

    def drop(self) -> None:
        """End this connection; `run` makes the next one."""
        if self._transport is not None:
            self._transport.disconnect(False)

    def _close(self) -> None:
        self.drop()
        self._transport, self.paused, self._broken = None, False, ""
        if self.up.is_set():
            self.up.clear()
            self._on_lost(self.last_reason)
