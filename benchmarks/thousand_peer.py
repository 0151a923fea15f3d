"""The peer of `thousand_symbols`: ccxt.pro's own reading of the same frames, and averages in Python."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

RING = 1_000
Take = Callable[[WSTransport, WSFrame], None]


class Consumer:
    """Take best prices as ccxt.pro hands them out, keep a ring of each market, follow two averages.

    To its advantage: no books are kept, nothing is written down or ordered, and picows reads the socket.
    """

    def __init__(self, symbols: list[str]) -> None:
        import ccxt.pro

        self.exchange: Any = ccxt.pro.binance()
        base = {"type": "spot", "spot": True, "quote": "USDT"}
        self.exchange.set_markets(
            [
                self.exchange.safe_market_structure(
                    base | {"id": name, "symbol": f"{name[:-4]}/USDT", "base": name[:-4]}
                )
                for name in symbols
            ]
        )
        self.client: Any = self.exchange.client(self.exchange.urls["api"]["ws"]["spot"] + "/0")
        self.rings = {f"{name[:-4]}/USDT": deque[tuple[float, float]](maxlen=RING) for name in symbols}
        self.averages = {name: [0.0, 0.0] for name in self.rings}
        self.asked = 0

    def frame(self, transport: WSTransport, told: WSFrame) -> None:
        """Take a frame; changes of depth are passed over."""
        text = told.get_payload_as_utf8_text()
        if "bookTicker" not in text:
            return
        self.client.handle_text_or_binary_message(text)
        symbol = f"{text[11:16].upper()}/USDT"
        ticker = self.exchange.bidsasks[symbol]
        mid = (ticker["bid"] + ticker["ask"]) / 2
        self.rings[symbol].append((ticker["bid"], ticker["ask"]))
        held = self.averages[symbol]
        held[0] += (mid - held[0]) * 0.05
        held[1] += (mid - held[1]) * 0.005
        self.asked += abs(held[0] - held[1]) > 2e-4 * mid


class Listener(WSListener):
    """Hand frames on."""

    def __init__(self, take: Take) -> None:
        self._take = take

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame."""
        if frame.msg_type == WSMsgType.TEXT:
            self._take(transport, frame)


async def connected(port: int, take: Take) -> WSTransport:
    """Connect to one of the venues' streams."""
    async with asyncio.timeout(10):
        transport, _ = await ws_connect(lambda: Listener(take), f"ws://127.0.0.1:{port}/stream?streams=all")
    return transport
