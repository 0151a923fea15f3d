"""Results as a person, a page or a program reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from rich.table import Table

from benchmarks.result import Result

HEADINGS = ("case", "figures", "peer", "ratio", "bar", "met")


def figure(value: float) -> str:
    """Write a figure with as many digits as say something.

    >>> figure(1234567.8), figure(3.14159), figure(0.00123)
    ('1,234,568', '3.14', '0.00123')
    """
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def figures(metrics: dict[str, float]) -> str:
    """Write named figures in their own order."""
    return ", ".join(f"{name} {figure(value)}" for name, value in metrics.items())


def cells(result: Result) -> tuple[str, ...]:
    """Give a result's row."""
    peer = f"{result.peer}: {figures(result.peer_metrics)}" if result.peer else result.note or "–"
    ratio = "–" if result.ratio is None else figure(result.ratio)
    return result.case, figures(result.metrics), peer, ratio, result.bar, "yes" if result.met else "no"


def json_line(result: Result) -> str:
    """Write a result as one JSON object."""
    return json.dumps(
        {
            "case": result.case,
            "metrics": result.metrics,
            "peer": result.peer,
            "peer_metrics": result.peer_metrics,
            "ratio": result.ratio,
            "bar": result.bar,
            "met": result.met,
        },
        ensure_ascii=False,
    )


def markdown(results: Iterable[Result]) -> str:
    """Write the table that `docs/performance.md` holds."""
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *(cells(result) for result in results)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def screen(results: Iterable[Result]) -> Table:
    """Lay the results out for a terminal."""
    table = Table(*HEADINGS)
    for result in results:
        table.add_row(*cells(result), style=None if result.met else "red")
    return table
