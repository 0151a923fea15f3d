"""`swarm arb watch`: opportunities as they are found, read from the files that nodes write."""

from __future__ import annotations

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from agents.arbitrage.scribe import MovesTold
from agents.arbitrage.telling import Line
from arbitrage.tool.books import books_of
from arbitrage.tool.entries import entries
from arbitrage.tool.live import AGE_MAX_S, FOLDER
from arbitrage.tool.nearest import nearest
from domain.errors import ExitCode, SwarmError
from domain.moves import MoveReport
from hw.clock import SystemClock

PAUSE_S = 0.25
SHOWN_MAX = 200
ROWS_LEAST = 6
LINES_EACH = 3
TAIL_BYTES = 256 << 10
STYLES = {"taken": "bold green", "elsewhere": "dim", "filtered": "yellow", "below": "cyan", "unready": "red"}
MOVE_STYLES = {"taken": "cyan", "flying": "cyan", "overdue": "bold red", "trading": "bold", "traded": "green"}


class Tail:
    """Follow one file that is added to, and put aside when it is long."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode = self._at = 0
        self._rest = b""

    def lines(self) -> list[Line]:
        """Give what was added since the last time; the first time, the end of what there is."""
        try:
            with self._path.open("rb") as file:
                inode = self._path.stat().st_ino
                size = file.seek(0, 2)
                if inode != self._inode or size < self._at:
                    begun = self._inode != 0
                    self._inode, self._at = inode, 0 if begun else max(0, size - TAIL_BYTES)
                    self._rest = b""
                file.seek(self._at)
                added = self._rest + file.read()
                self._at = file.tell()
        except OSError:
            return []
        *whole, self._rest = added.split(b"\n")
        return [line for each in whole if (line := _read(each)) is not None]


def _moves(path: Path) -> MovesTold:
    """Read moves; a file that is just being made has none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=MovesTold)
    except (OSError, msgspec.DecodeError):
        return MovesTold([], [])


def _read(text: bytes) -> Line | None:
    """Read a line; the first of a tail may be half of one."""
    try:
        return msgspec.json.decode(text, type=Line)
    except msgspec.DecodeError:
        return None


def _nearest(path: Path) -> str:
    books = books_of(entries(path.read_bytes(), str(path)), str(path))
    found = nearest(books)
    if found is None:
        return ""
    ways = [f"{'buy' if hop.side > 0 else 'sell'} {books.instruments[hop.market].key}" for hop in found.hops]
    return f"{found.bps:+.1f} bps after fees: {', '.join(ways)}"


class Watch:
    """Keep the newest opportunities of all nodes, or of one region's."""

    def __init__(self, state: Path, region: str | None) -> None:
        self._state, self._folder, self._region = state, state / "arbitrage", region
        self._nearest: dict[str, tuple[int, str]] = {}
        self._tails: dict[Path, Tail] = {}
        self.latest: OrderedDict[tuple[str, str, int], Line] = OrderedDict()

    def moves(self) -> MovesTold:
        """Give what nodes propose and do now, what became of the latest, and how often."""
        every = [_moves(path) for path in sorted(self._folder.glob("*.moves.json"))]
        counts = [one for told in every for one in told.counts if self._region in (None, one.region)]
        moves = [one for told in every for one in told.moves if self._region in (None, one.region)]
        return MovesTold(counts, moves)

    def nearest(self, told: MovesTold) -> list[str]:
        """Say of every node which cycle is nearest to a gain, by the books that it last wrote."""
        said = []
        for node in dict.fromkeys(one.node for one in told.counts):
            path = self._state / FOLDER / f"{node}.json"
            try:
                written_ns = path.stat().st_mtime_ns
                if self._nearest.get(node, (0, ""))[0] != written_ns:
                    self._nearest[node] = written_ns, _nearest(path)
            except (OSError, SwarmError):  # just being replaced
                continue
            if SystemClock().now_ns() - written_ns <= AGE_MAX_S * 1e9 and self._nearest[node][1]:
                said.append(f"{node}, nearest to a gain at the touch: {self._nearest[node][1]}")
        return said

    def step(self) -> list[Line]:
        """Take what is new, oldest first."""
        for path in sorted(self._folder.glob("*.jsonl")):
            if path not in self._tails and not path.name.endswith(".old.jsonl"):
                self._tails[path] = Tail(path)
        if not self._tails:
            raise SwarmError(
                "no node writes what arbitrage finds",
                where=str(self._folder),
                mend="start a swarm whose regions have an [[arbitrage]] table, or give its --state",
                code=ExitCode.NOT_RUNNING,
            )
        fresh = [line for tail in self._tails.values() for line in tail.lines()]
        fresh = [line for line in fresh if self._region in (None, line.region)]
        fresh.sort(key=lambda line: line.ts_ns)
        for line in fresh:
            key = (line.node, line.group, line.number)
            self.latest.pop(key, None)
            self.latest[key] = line
            if len(self.latest) > SHOWN_MAX:
                self.latest.popitem(last=False)
        return fresh


def drawn(watching: Watch, rows: int) -> Group:
    """Draw everything that is known now."""
    parts: list[Table | Text] = [table(watching.latest.values(), rows)]
    if not watching.latest:
        parts.append(Text("nothing yet: a line comes when a cycle gains at the touch", style="dim"))
    told = watching.moves()
    parts += [Text(one, style="dim") for one in watching.nearest(told)]
    if told.moves:
        parts.append(moves_table(told.moves))
    for one in told.counts:
        if one.counts:
            counted = ", ".join(f"{what} {count}" for what, count in one.counts.items())
            parts.append(Text(f"{one.group} moves: {counted}", style="dim"))
    return Group(*parts)


def moves_table(moves: Iterable[MoveReport]) -> Table:
    """Draw what brings inventory back: proposed, under way, and how the latest ended, each with why."""
    drawn = Table(expand=True, box=None, pad_edge=False, title="rebalancing")
    for name in ("move", "what", "cost", "takes", "state", "why"):
        drawn.add_column(name, overflow="fold")
    for each in moves:
        drawn.add_row(
            each.move,
            f"{each.kind} {_short(each.amount)} {each.asset} {each.from_venue} → {each.to_venue}",
            f"{_short(each.cost)} {each.asset}",
            f"{each.delay_s:.0f} s",
            each.state,
            each.note or each.reason,
            style=MOVE_STYLES.get(each.state, ""),
        )
    return drawn


def _short(amount: str) -> str:
    return f"{float(amount):.6g}"


def table(lines: Iterable[Line], rows: int) -> Table:
    """Draw the newest opportunities, newest first; all figures of a route are in bps."""
    drawn = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    drawn.add_column("region", no_wrap=True)
    drawn.add_column("route", no_wrap=True)
    for name in ("touch", "expect", "thresh", "shadow"):
        drawn.add_column(name, justify="right", no_wrap=True)
    drawn.add_column("outcome", overflow="fold", ratio=1)
    for line in list(lines)[: -rows - 1 : -1]:
        drawn.add_row(*_row(line), style=STYLES.get(line.outcome, ""))
    return drawn


def _row(line: Line) -> tuple[str, ...]:
    legs = [f"{side:4} {venue}:{symbol} {lots}".rstrip() for side, venue, symbol, lots in line.legs]
    return (
        line.region,
        "\n".join(legs),
        _bps(line.touch_bps),
        _bps(line.expected_bps),
        _bps(line.threshold.get("total_bps")),
        _bps(line.shadow_bps),
        _outcome(line),
    )


def _bps(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def _outcome(line: Line) -> str:
    parts = [line.outcome, line.reason.replace("_", " ")]
    if line.limit != 0 or line.figure != 0:
        parts.append(f"{line.figure:,.6g} against {line.limit:,.6g}")
    if line.market:
        parts.append(f"at {line.market}")
    if line.size:
        parts.append(f"{line.size.rstrip('0').rstrip('.')} {line.asset}")
    if line.ended:
        amount, _, asset = line.profit.partition(" ")
        parts.append(f"→ {line.ended} {float(amount):+.4f} {asset}")
    asked = [
        f"{name.removesuffix('_bps')} {bps:.1f}"
        for name, bps in line.threshold.items()
        if name != "total_bps" and bps != 0
    ]
    after = f"{line.lived_ms:,.0f} ms" + (f"; {', '.join(asked)}" if asked else "")
    return " ".join(part for part in parts if part) + f"\n{after}"


def watch(state: Path, region: str | None, *, as_json: bool, once: bool) -> int:
    """Show opportunities until told to stop."""
    watching = Watch(state, region)
    if as_json:
        asyncio.run(_print(watching, once))
    else:
        asyncio.run(_show(watching, once))
    return ExitCode.OK


async def _print(watching: Watch, once: bool) -> None:
    while True:
        for line in watching.step():
            sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
        sys.stdout.flush()
        if once:
            return
        await asyncio.sleep(PAUSE_S)


async def _show(watching: Watch, once: bool) -> None:
    console = Console()
    watching.step()
    if once or not console.is_terminal:
        console.print(drawn(watching, SHOWN_MAX))
        if once:
            return
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            watching.step()
            rows = max(ROWS_LEAST, console.height // LINES_EACH)
            live.update(drawn(watching, rows), refresh=True)
            await asyncio.sleep(PAUSE_S)
