"""The study as files and as a table: CSV by run, JSON with both, a picture, and Markdown for the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from sim.study.picture import picture
from sim.study.result import Result, Row, error, rows
from sim.study.world import StudyConfig

NAIVE = "naive"
HEADS = (
    "ms",
    "bot",
    "detected",
    "sent",
    "all legs at once",
    "evened",
    "unwound",
    "missed",
    "left",
    "expected",
    "realised",
    "net of fees",
    "fees",
    "expected bps",
    "realised bps",
)


class Report(msgspec.Struct, frozen=True):
    """Everything that a study found."""

    config: dict[str, object]
    rows: list[Row]
    results: list[Result]


def report(results: Sequence[Result], config: StudyConfig) -> Report:
    """Sum a study up."""
    return Report(config.model_dump(mode="json"), rows(results), list(results))


def write(found: Report, folder: Path, title: str) -> list[Path]:
    """Write all files."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "arb-study.json": msgspec.json.format(msgspec.json.encode(found), indent=1).decode(),
        "arb-study.csv": _csv(found.results),
        "arb-study.svg": picture(found.rows, title),
        "arb-study.md": table(found.rows) + "\n" + against(found.results),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _csv(results: Sequence[Result]) -> str:
    names = [name for name in Result.__struct_fields__ if name != "untaken"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([getattr(one, name) for name in names] for one in results)
    return text.getvalue()


def table(found: Sequence[Row]) -> str:
    """Write the rows as Markdown: counts and USDT per hour, latencies in order, bots beside each other."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    for row in sorted(found, key=lambda row: (row.latency_ms, row.bot)):
        cells = [f"{row.latency_ms:g}", row.bot]
        cells += [
            f"{getattr(row, name):.1f}"
            for name in ("detected", "sent", "whole", "evened", "unwound", "missed", "left")
        ]
        cells += [f"{row.expected_usdt:.0f}", f"{row.realised_usdt:.0f}"]
        cells += [f"{row.net_usdt:.0f} ± {row.net_usdt_error:.0f}", f"{row.fees_usdt:.0f}"]
        cells += [f"{row.expected_bps:.2f}", f"{row.realised_bps:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def against(results: Sequence[Result]) -> str:
    """Hold every bot against the naive one seed by seed: net USDT an hour, ± one standard error."""
    hourly = {(one.latency_ms, one.bot, one.seed): one.net_usdt / one.minutes * 60 for one in results}
    bots = [bot for bot in dict.fromkeys(bot for _, bot, _ in hourly) if bot != NAIVE]
    lines = ["| ms | " + " | ".join(f"{bot} − {NAIVE}" for bot in bots) + " |", "|---|" + "---|" * len(bots)]
    for latency_ms in sorted({at for at, _, _ in hourly}):
        cells = [_difference(hourly, latency_ms, bot) for bot in bots]
        lines.append(f"| {latency_ms:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _difference(hourly: Mapping[tuple[float, str, int], float], latency_ms: float, bot: str) -> str:
    both = [
        value - hourly[latency_ms, NAIVE, seed]
        for (at, other, seed), value in hourly.items()
        if (at, other) == (latency_ms, bot) and (latency_ms, NAIVE, seed) in hourly
    ]
    return f"{sum(both) / len(both):.0f} ± {error(both):.0f}" if both else ""
