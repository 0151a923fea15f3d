"""What one run found, and all seeds of a latency together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from sim.study.attempt import End, Judged


class Result(msgspec.Struct, frozen=True):
    """One run of one bot at one latency on one seed. Money is in USDT, values at mids of the moment.

    `net_usdt` is what the account has more at the end, at the mids of the end: all fees and all that was left
    over are in it. `realised_usdt` is the same by attempts, each valued when it began: what lies between the
    two is how the market moved what was left over. `untaken` says why opportunities were not taken.
    """

    bot: str
    latency_ms: float
    seed: int
    minutes: float
    detected: int
    sent: int
    whole: int
    evened: int
    unwound: int
    missed: int
    left: int
    put_in_usdt: float
    expected_usdt: float
    realised_usdt: float
    net_usdt: float
    fees_usdt: float
    short_bps_p10: float | None
    short_bps_p50: float | None
    short_bps_p90: float | None
    untaken: dict[str, int]


def result(
    bot: str,
    latency_ms: float,
    seed: int,
    minutes: float,
    detected: int,
    attempts: Sequence[Judged],
    net_usdt: float,
    untaken: dict[str, int],
) -> Result:
    """Sum a run up."""
    ends = {end: sum(one.attempt.end == end for one in attempts) for end in End}
    short = sorted(one.short_bps for one in attempts)
    return Result(
        bot,
        latency_ms,
        seed,
        minutes,
        detected,
        len(attempts),
        ends[End.WHOLE],
        ends[End.EVENED],
        ends[End.UNWOUND],
        ends[End.MISSED],
        ends[End.LEFT],
        sum(one.attempt.in_usdt for one in attempts),
        sum(one.attempt.expected_usdt for one in attempts),
        sum(one.realised_usdt for one in attempts),
        net_usdt,
        sum(one.fees_usdt for one in attempts),
        quantile(short, 0.1),
        quantile(short, 0.5),
        quantile(short, 0.9),
        untaken,
    )


def quantile(ranked: Sequence[float], frac: float) -> float | None:
    """Give a quantile of ranked figures, `None` where there are none."""
    if not ranked:
        return None
    return ranked[min(len(ranked) - 1, math.floor(len(ranked) * frac))]


class Row(msgspec.Struct, frozen=True):
    """All seeds of a bot at a latency: counts and money per hour, and the standard error over seeds."""

    bot: str
    latency_ms: float
    seeds: int
    hours: float
    detected: float
    sent: float
    whole: float
    evened: float
    unwound: float
    missed: float
    left: float
    expected_usdt: float
    realised_usdt: float
    net_usdt: float
    net_usdt_error: float
    fees_usdt: float
    expected_bps: float
    realised_bps: float
    realised_bps_error: float = 0.0


COUNTS = ("detected", "sent", "whole", "evened", "unwound", "missed", "left")
MONEY = ("expected_usdt", "realised_usdt", "net_usdt", "fees_usdt")


def rows(results: Iterable[Result]) -> list[Row]:
    """Sum results up by bot and latency."""
    groups: dict[tuple[str, float], list[Result]] = {}
    for one in results:
        groups.setdefault((one.bot, one.latency_ms), []).append(one)
    return [_row(*key, group) for key, group in sorted(groups.items())]


def _row(bot: str, latency_ms: float, group: Sequence[Result]) -> Row:
    hours = sum(one.minutes for one in group) / 60
    total = {name: sum(getattr(one, name) for one in group) for name in (*COUNTS, *MONEY, "put_in_usdt")}
    put_in = total.pop("put_in_usdt")
    bps = {
        name: (total[f"{name}_usdt"] / put_in * 1e4 if put_in > 0 else 0.0)
        for name in ("expected", "realised")
    }
    return Row(
        bot=bot,
        latency_ms=latency_ms,
        seeds=len(group),
        hours=hours,
        net_usdt_error=error([one.net_usdt / one.minutes * 60 for one in group]),
        realised_bps_error=_ratio_error(group, bps["realised"]),
        expected_bps=bps["expected"],
        realised_bps=bps["realised"],
        **{name: value / hours for name, value in total.items()},
    )


def _ratio_error(group: Sequence[Result], bps: float) -> float:
    """Give the standard error of what all put in earned together, seeds weighing by what they put in."""
    put_in = sum(one.put_in_usdt for one in group)
    if put_in <= 0:
        return 0.0
    each = put_in / len(group)
    return error([(one.realised_usdt * 1e4 - bps * one.put_in_usdt) / each for one in group])


def error(values: Sequence[float]) -> float:
    """Give the standard error of a mean; one value has none, and 0 is said."""
    if len(values) < 2:
        return 0.0
    mean = sum(values) / len(values)
    return math.sqrt(sum((one - mean) ** 2 for one in values) / (len(values) - 1) / len(values))
