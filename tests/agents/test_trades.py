"""Counted trades: exact with a bounded memory."""

from __future__ import annotations

from agents.trades import TradeLog


def test_completing_forgets_only_what_lies_below() -> None:
    log = TradeLog(0, {3, 7, 9})
    log.complete(7)
    assert (log.watermark, log.above) == (7, {9})


def test_an_older_snapshot_does_not_move_the_watermark_back() -> None:
    log = TradeLog(10, {12})
    log.complete(5)
    assert (log.watermark, log.above) == (10, {12})
