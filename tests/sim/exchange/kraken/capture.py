"""Record a session at our Kraken, for the fuzzers: `python -m tests.sim.exchange.kraken.capture`.

Every kind of frame and answer is in it; doors are named as in the other captured sessions.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from bus.journal_memory import MemoryJournal
from domain.order import Side
from sim.exchange.messages import MarketStatus, SetMarket
from tests.sim.exchange.kraken.kraken_builders import Kraken, Socket, kraken, limit

CAPTURED = Path(__file__).resolve().parents[3] / "captured" / "kraken" / "session.jsonl"
MARKET, ORDERS = "stream", "orders"
PUBLIC = ("Time", "SystemStatus", "Assets", "AssetPairs", "Ticker", "Depth?pair=BTCUSDT&count=5",
          "Trades?pair=BTCUSDT", "OHLC?pair=BTCUSDT", "Ticker?pair=NOPE")  # fmt: skip
PRIVATE = ("GetWebSocketsToken", "GetApiKeyInfo", "Balance", "BalanceEx", "TradeVolume", "OpenOrders",
           "ClosedOrders", "TradesHistory")  # fmt: skip

Record = list[dict[str, str]]


class FrozenClock:
    """Give a time that moves by a millisecond a question, so that a session is recorded the same twice."""

    def __init__(self) -> None:
        self._now_ns = 1_700_000_000 * 10**9

    def now_ns(self) -> int:
        self._now_ns += 1_000_000
        return self._now_ns


async def drained(socket: Socket, door: str, found: Record) -> None:
    """Keep what waits."""
    with suppress(asyncio.TimeoutError, TimeoutError):
        while True:
            found.append({"door": door, "payload": await socket.raw.receive_str(timeout=0.05)})


async def record() -> Record:
    """Give frames by door, and REST answers by their path."""
    found: Record = []
    async with kraken(MemoryJournal("test"), FrozenClock()) as at:
        for step in range(14):
            await at.crowd(Side.BUY, f"{59_999 - step}", f"0.{step + 1:05d}")
            await at.crowd(Side.SELL, f"{60_001 + step}", "0.1")
        async with at.socket() as market, at.trading() as own:
            await _listen(market, own)
            await _trade(at, own)
            await drained(market, MARKET, found)
            await drained(own, ORDERS, found)
            await _stop(at, own)
            await drained(market, MARKET, found)
            await drained(own, ORDERS, found)
        for path in PUBLIC:
            async with at.session.get(f"{at.url}/0/public/{path}") as answer:
                found.append(_kept("/0/public/" + path.partition("?")[0], await answer.text()))
        for name in PRIVATE:
            answered: Any = await at.private(name)
            found.append(_kept(f"/0/private/{name}", json.dumps(answered, separators=(",", ":"))))
    return found


async def _listen(market: Socket, own: Socket) -> None:
    await market.say("ping", 1)
    await market.say("subscribe", 2, channel="instrument")
    for number, channel in enumerate(("book", "trade", "ticker", "ohlc"), 3):
        await market.say("subscribe", number, channel=channel, symbol=["BTC/USDT", "NO/NE"])
    await market.say("subscribe", 8, channel="book", symbol=["ETH/USDT"], depth=25)
    await own.say("subscribe", 1, channel="executions", snap_trades=True)
    await own.say("subscribe", 2, channel="balances")


async def _trade(at: Kraken, own: Socket) -> None:
    await own.say("add_order", 3, **limit("buy", 60_000.5, 0.02, cl_ord_id="m00300002000000ff"))
    await own.say("add_order", 4, **limit("sell", 60_500.0, 0.01, post_only=True))
    await own.say("add_order", 5, **limit("buy", 60_003.0, 0.25, time_in_force="ioc", order_userref=7))
    await own.say("add_order", 6, **limit("buy", 60_000.0, 100.0))
    # The exchange must have come so far before the crowd goes on.
    await at.venue.ask(lambda: None)
    await asyncio.sleep(0.1)
    await at.crowd(Side.SELL, "60000.50", "0.005")
    await own.say("amend_order", 8, cl_ord_id="m00300002000000ff", order_qty=0.03, limit_price=59_999.5)
    await own.say("cancel_order", 9, cl_ord_id=["m00300002000000ff", "unknown"])
    await own.say("add_order", 10, **limit("buy", 0, 0.01) | {"order_type": "market", "limit_price": None})
    await own.say("cancel_all_orders_after", 11, timeout=60)
    await own.raw.send_str("{")


async def _stop(at: Kraken, own: Socket) -> None:
    await own.say("cancel_all", 12)
    change = SetMarket(at.venue.now_ns(), 1, int(MarketStatus.BREAK), 5)
    await at.venue.ask(lambda: at.venue.apply(change))


def _kept(door: str, payload: str) -> dict[str, str]:
    return {"door": door, "payload": payload}


def main() -> None:
    """Write a session down."""
    lines = [json.dumps(one, separators=(",", ":")) for one in asyncio.run(record())]
    CAPTURED.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
