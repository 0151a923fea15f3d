"""Files in Binance's public formats, small."""

from __future__ import annotations

import zipfile
from pathlib import Path

US0 = 1_735_689_600_000_000  # 2025-01-01 00:00 UTC

TRADES_HEAD = "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match"
AGG_HEAD = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match"
)
KLINES_HEAD = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)
TICKER_HEAD = "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time"
DEPTH_HEAD = "symbol,timestamp,first_update_id,last_update_id,side,update_type,price,qty,pu"


def trades(count: int = 5, unit: int = 1, first: int = 1) -> list[str]:
    """Give lines of trades, a second apart; `unit` 1 is µs, 1000 is ms."""
    return [
        f"{first + k},{93_576 + k}.05000000,0.0012{k % 10}000,112.50000000,{(US0 + k * 1_000_000) // unit},"
        f"{'True' if k % 2 else 'False'},True"
        for k in range(count)
    ]


def agg_trades(count: int = 3) -> list[str]:
    """Give lines of aggregate trades."""
    return [f"{k},0.20000000,50.00000000,{k},{k},{US0 + k},False,True" for k in range(count)]


def klines(count: int = 3, unit: int = 1) -> list[str]:
    """Give lines of minute bars."""
    minute = 60_000_000 // unit
    return [
        f"{US0 // unit + k * minute},4.1507,4.1587,4.1506,4.1554,539.23,{US0 // unit + (k + 1) * minute - 1},"
        f"2240.398609,{13 + k},401.82,1669.981213,0"
        for k in range(count)
    ]


def tickers(count: int = 3) -> list[str]:
    """Give lines of best levels."""
    ms = US0 // 1000
    return [f"{100 + k},93576.05,1.5,93576.06,2.25,{ms + k},{ms + k + 2}" for k in range(count)]


def depth() -> list[str]:
    """Give lines of a snapshot and two updates."""
    ms = US0 // 1000
    return [
        f"BTCUSDT,{ms},50,50,b,snap,99.5,1,49",
        f"BTCUSDT,{ms},50,50,b,snap,99.6,2,49",
        f"BTCUSDT,{ms},50,50,a,snap,99.8,3,49",
        f"BTCUSDT,{ms},50,50,a,snap,99.7,4,49",
        f"BTCUSDT,{ms + 1},51,52,a,set,99.7,0,50",
        f"BTCUSDT,{ms + 1},51,52,b,set,99.6,5,50",
        f"BTCUSDT,{ms + 2},53,53,b,set,99.4,6,52",
    ]


def written(path: Path, lines: list[str], *, header: str | None = None, zipped: bool = False) -> Path:
    """Write a dump."""
    text = "".join(f"{line}\n" for line in ([header] if header else []) + lines)
    if not zipped:
        path.write_text(text)
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path.with_suffix(".csv").name, text)
    return path
