"""Importing one file, and looking at what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from market.history.file_job import FileJob
from market.history.history import History
from market.history.importer import Imported, Importer
from market.rows import RowEvent, events_of
from tests.market.history.dumps import TRADES_HEAD, trades

NAME = "BTCUSDT-trades-2025-01-01"


def imported(root: Path, path: Path, *, dry_run: bool = False, **job: Any) -> Imported:
    """Import one file."""
    (found,) = Importer(root / "history").run([FileJob(path, "binance", **job)], dry_run=dry_run)
    return found


def held(root: Path, symbol: str = "BTCUSDT") -> list[RowEvent]:
    """Give all rows of a market as events."""
    found = list(History(root / "history").rows("binance", (symbol,)))
    return events_of(np.concatenate(found)) if found else []


def files(root: Path) -> list[str]:
    """Give every file under the history but the locks."""
    folder = root / "history"
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != "lock")


def line(number: int, **changes: str) -> str:
    """Give one line of trades with some columns changed."""
    names = TRADES_HEAD.split(",")
    return ",".join(
        changes.get(name, told) for name, told in zip(names, trades(9)[number].split(","), strict=True)
    )
