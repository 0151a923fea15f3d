"""A summary as a person reads it: a column a region, so that it fits the narrowest terminal."""

from __future__ import annotations

from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.report import LatencySummary, OrderCounts, RegionSummary, Summary

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
    journal = summary.journal
    held = "verified" if journal.verified else "NOT VERIFIED"
    lines = [
        f"journal: {journal.events:,} events, {held}",
        f"hash: {journal.hash}",
        _latency(summary.tick_to_order_us),
        *(f"mismatch: {line}" for line in summary.mismatches),
    ]
    return Group(table, *(Text(line) for line in lines if line))


def _latency(latency: LatencySummary) -> str:
    if latency.p50 is None or latency.p99 is None:
        return ""
    return f"tick to order: p50 {latency.p50:.0f} µs, p99 {latency.p99:.0f} µs"
