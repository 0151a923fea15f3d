"""A summary as a person reads it: a column a region, so that it fits the narrowest terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.report import LatencySummary, Learning, OrderCounts, RegionLearning, RegionSummary, Summary

Part = RegionSummary | Summary

ROWS: dict[str, Callable[[Part], str]] = {
    "agents": lambda part: f"{part.agents:,}",
    "ticks": lambda part: f"{part.ticks:,}",
    **{
        f"orders {name}": lambda part, name=name: f"{getattr(part.orders, name):,}"  # type: ignore[misc]
        for name in OrderCounts.__struct_fields__
    },
    "fills": lambda part: f"{part.fills:,}",
    "PnL": lambda part: f"{part.pnl_quote:+,.2f}",
    "restarts": lambda part: f"{part.restarts:,}",
    "positions": lambda part: "match" if part.positions_match else "MISMATCH",
}

LEARNT: dict[str, Callable[[RegionLearning], int]] = {
    "rows": lambda region: region.rows,
    "versions judged": lambda region: region.judged,
    "versions let in": lambda region: region.promoted,
}


def summary_table(summary: Summary) -> RenderableType:
    """Lay a summary out, with what else there is to say below."""
    table = Table(
        title=f"{summary.seconds:.1f} s on paper", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("")
    for region in summary.regions:
        table.add_column(region, justify="right", no_wrap=True)
    table.add_column("all", justify="right", no_wrap=True, style="bold")
    for name, cell in ROWS.items():
        table.add_row(name, *(cell(region) for region in summary.regions.values()), cell(summary))
    if summary.learning is not None:
        _add_learning(table, list(summary.regions), summary.learning)
    journal = summary.journal
    held = "verified" if journal.verified else "NOT VERIFIED"
    lines = [
        f"journal: {journal.events:,} events, {held}",
        f"hash: {journal.hash}",
        _latency(summary.tick_to_order_us),
        _learning(summary.learning),
        *(f"mismatch: {line}" for line in summary.mismatches),
    ]
    return Group(table, *(Text(line) for line in lines if line))


def _add_learning(table: Table, regions: list[str], learning: Learning) -> None:
    """Say of each region what it learnt in this run."""
    found = [learning.regions.get(region, RegionLearning()) for region in regions]
    for name, figure in LEARNT.items():
        figures = [figure(each) for each in found]
        table.add_row(name, *(f"{each:,}" for each in figures), f"{sum(figures):,}")
    table.add_row("champion", *(each.champion[:6] or "–" for each in found), "")


def _learning(learning: Learning | None) -> str:
    if learning is None:
        return ""
    return f"learning: version {learning.version}, {learning.made} made in this run"


def _latency(latency: LatencySummary) -> str:
    if latency.p50 is None or latency.p99 is None:
        return ""
    return f"tick to order: p50 {latency.p50:.0f} µs, p99 {latency.p99:.0f} µs"
