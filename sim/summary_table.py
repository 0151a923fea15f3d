"""A summary as a person reads it."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.report import LatencySummary, OrderCounts, Summary

COLUMNS = (
    "region",
    "agents",
    "ticks",
    "intended",
    "approved",
    "refused",
    "sent",
    "filled",
    "unknown",
    "fills",
    "PnL",
    "restarts",
    "positions",
)


def summary_table(summary: Summary) -> RenderableType:
    """Lay a summary out: a row a region, a sum, and what else there is to say."""
    table = Table(
        title=f"{summary.seconds:.1f} s on paper", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True
    )
    for column in COLUMNS:
        words = column in ("region", "positions")
        table.add_column(column, justify="left" if words else "right", no_wrap=words)
    for name, region in summary.regions.items():
        table.add_row(
            name,
            str(region.agents),
            f"{region.ticks:,}",
            *_counts(region.orders),
            str(region.fills),
            f"{region.pnl_quote:+.2f}",
            str(region.restarts),
            _match(region.positions_match),
        )
    table.add_section()
    table.add_row(
        "all",
        str(summary.agents),
        f"{summary.ticks:,}",
        *_counts(summary.orders),
        str(summary.fills),
        f"{summary.pnl_quote:+.2f}",
        str(summary.restarts),
        _match(summary.positions_match),
        style="bold",
    )
    journal = summary.journal
    held = "verified" if journal.verified else "NOT VERIFIED"
    lines = [
        f"journal: {journal.events:,} events, {held}, hash {journal.hash}",
        _latency(summary.tick_to_order_us),
        *(f"mismatch: {line}" for line in summary.mismatches),
    ]
    return Group(table, *(Text(line) for line in lines if line))


def _counts(orders: OrderCounts) -> list[str]:
    return [f"{getattr(orders, name):,}" for name in orders.__struct_fields__]


def _match(match: bool) -> str:
    return "match" if match else "MISMATCH"


def _latency(latency: LatencySummary) -> str:
    if latency.p50 is None or latency.p99 is None:
        return ""
    return f"tick to order: p50 {latency.p50:.0f} µs, p99 {latency.p99:.0f} µs"
