"""Bars that tell how far a long command is, on a terminal only."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any


class Bars:
    """Show progress on stderr where somebody looks at it; elsewhere say nothing."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}

    def bytes_of(self, path: Path, what: str, done: int, total: int) -> None:
        """Tell how many bytes of a file are done."""
        self._show(f"{path.name}: {what}", done, total)

    def steps_of(self, what: str, done: int, total: int | None) -> None:
        """Tell how many steps are done."""
        self._show(what, done, total)

    def _show(self, name: str, done: int, total: int | None) -> None:
        if self._progress is None:
            return
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total)
        self._progress.update(self._tasks[name], completed=done)

    def __enter__(self) -> Bars:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


def said_bytes(count: float) -> str:
    """Write a number of bytes for people.

    >>> said_bytes(1_500_000)
    '1.5 MB'
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
