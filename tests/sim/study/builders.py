"""Builders of small markets, ticks, attempts and results."""

from __future__ import annotations

from typing import Any

from domain.instrument import Instrument
from domain.market_events import Tick
from sim.study.attempt import Attempt, End, Judged
from sim.study.naive import Naive, NaiveConfig
from sim.study.result import Result

BTC_A, BTC_B, ETH_A, CROSS_A = range(4)


def instruments(fee_ppm: int = 100) -> list[Instrument]:
    """Build a triangle at venue a, and one market of it at venue b too."""
    steps = {"tick": "0.01", "lot": "0.0001", "taker_fee_ppm": fee_ppm, "notional_atoms_min": 5 * 10**10}
    cross = {**steps, "tick": "0.00001", "notional_atoms_min": 10**6}
    return [
        Instrument.of(BTC_A, "a", "BTC", "USDT", **steps),  # type: ignore[arg-type]
        Instrument.of(BTC_B, "b", "BTC", "USDT", **steps),  # type: ignore[arg-type]
        Instrument.of(ETH_A, "a", "ETH", "USDT", **steps),  # type: ignore[arg-type]
        Instrument.of(CROSS_A, "a", "ETH", "BTC", **cross),  # type: ignore[arg-type]
    ]


def naive(**changes: Any) -> Naive:
    """Build a bot that has seen every market once, at prices that agree."""
    bot = Naive(instruments(), NaiveConfig(**changes), {"USDT": 1.0, "BTC": 50_000.0, "ETH": 2_500.0})
    for tick in (
        btc(BTC_A, 49_990, 50_010),
        btc(BTC_B, 49_990, 50_010),
        tick_of(ETH_A, 249_950, 250_050, 200_000),
        tick_of(CROSS_A, 4_999, 5_001, 200_000),
    ):
        assert bot.seen(tick) == []
    return bot


def btc(market: int, bid: int, ask: int, lots: int = 1_000, now_ns: int = 1) -> Tick:
    """Build a top of book in whole dollars."""
    return tick_of(market, bid * 100, ask * 100, lots, now_ns)


def tick_of(market: int, bid_ticks: int, ask_ticks: int, lots: int, now_ns: int = 1) -> Tick:
    """Build a top of book."""
    return Tick(market, now_ns, now_ns, bid_ticks, lots, ask_ticks, lots, 1)


def judged(realised: float, end: End = End.WHOLE, expected: float = 2.0, put_in: float = 1_000.0) -> Judged:
    """Build an attempt that was held against the truth."""
    return Judged(Attempt(1, 2, put_in, expected, (), end), realised, 0.5)


def found(bot: str = "naive", latency_ms: float = 1.0, seed: int = 1, **changes: Any) -> Result:
    """Build what a run found."""
    fields: dict[str, Any] = {
        "detected": 10,
        "sent": 5,
        "whole": 3,
        "evened": 1,
        "unwound": 0,
        "missed": 1,
        "left": 0,
        "put_in_usdt": 10_000.0,
        "expected_usdt": 10.0,
        "realised_usdt": 5.0,
        "net_usdt": 5.0,
        "fees_usdt": 2.0,
        "short_bps_p10": 0.0,
        "short_bps_p50": 1.0,
        "short_bps_p90": 2.0,
        "untaken": {"below": 3},
    } | changes
    return Result(bot=bot, latency_ms=latency_ms, seed=seed, minutes=30.0, **fields)
