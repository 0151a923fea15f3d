"""Write down what arbitrage sees, off the loop: for watchers, and never read by the node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agents.arbitrage.depths import depth_of
from agents.arbitrage.opportunity import Found
from agents.arbitrage.telling import Line, told
from arbitrage.fee import FeeRule
from arbitrage.size.sizing import Depth
from arbitrage.tool.books import books_text
from arbitrage.tool.live import FOLDER
from domain.moves import MoveCounts, MoveReport

if TYPE_CHECKING:
    from agents.node import Node

PAUSE_S = 0.25
BOOKS_EVERY = 4
LINES_MAX = 128
BOOKS_MAX = 256
FILE_BYTES_MAX = 2 << 20


def news_file(state: Path, node: str) -> Path:
    """Give the file of a node's opportunities; what was before its last two million bytes is beside it."""
    return state / "arbitrage" / f"{node}.jsonl"


def books_file(state: Path, node: str) -> Path:
    """Give the file of a node's books as they last were."""
    return state / FOLDER / f"{node}.json"


def moves_file(state: Path, node: str) -> Path:
    """Give the file of what a node proposes and does to bring inventory back."""
    return state / "arbitrage" / f"{node}.moves.json"


class MovesTold(msgspec.Struct, frozen=True):
    """Every group's moves, and how often what became of them."""

    counts: list[MoveCounts]
    moves: list[MoveReport]


class Scribe:
    """Gather on the node's loop, a bounded little at a time, and write in a thread.

    A disk that fails stops the writing, not the node.
    """

    def __init__(self, node: Node, state: Path, log: Callable[[str], None]) -> None:
        self._node, self._log = node, log
        self._news, self._books = (
            news_file(state, node.config.node),
            books_file(state, node.config.node),
        )
        self._instruments = tuple(market.instrument for market in node.markets.values())
        self._moves = moves_file(state, node.config.node)
        self._fees: dict[int, FeeRule] = {}

    async def run(self) -> None:
        """Write for ever."""
        turn = 0
        try:
            for path in (self._news, self._books):
                path.parent.mkdir(parents=True, exist_ok=True)
            self._news.touch()
            while True:
                await asyncio.sleep(PAUSE_S)
                turn += 1
                lines = self.gather()
                depths = None
                if turn % BOOKS_EVERY == 0:
                    depths = self.depths()
                    self._fees = {
                        m: r for group in self._node.groups for m, r in group.valuation.fees.items()
                    }
                if lines or depths is not None:
                    await asyncio.to_thread(self.write, lines, depths)
                if depths is not None:
                    await asyncio.to_thread(self.write_moves, self.moves())
        except OSError as trouble:
            self._log(f"alarm arbitrage-file: {trouble.strerror}: nothing more is written for watchers")

    def moves(self) -> MovesTold:
        """Tell what brings inventory back, or could."""
        every = [group.rebalancer for group in self._node.groups]
        return MovesTold([one.counted() for one in every], [move for one in every for move in one.reports()])

    def write_moves(self, moves: MovesTold) -> None:
        """Put the moves in place of the last ones."""
        fresh = self._moves.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(moves))
        fresh.replace(self._moves)

    def gather(self) -> list[Line]:
        """Take what is new, as far as one turn's bound allows; what is older is told first."""
        lines: list[Line] = []
        config, known = self._node.config, self._instruments
        for group in self._node.groups:
            news, fresh = group.ring.news, dict[int, Found]()
            while news and len(fresh) + len(lines) < LINES_MAX:
                found = news.popleft()
                fresh[found.number] = found
            name = group.config.name
            lines += [told(each, config.node, config.region, name, known) for each in fresh.values()]
        return lines

    def depths(self) -> dict[int, Depth]:
        """Copy the best levels of every market that is believed."""
        pipeline = self._node.pipeline
        doubted = {
            index
            for group in self._node.groups
            for index in group.sight.markets
            if not group.sight.inside(index)
        }
        told = [index for index in self._node.markets if index not in doubted and pipeline.believed(index)]
        return {index: depth_of(pipeline, index) for index in told[:BOOKS_MAX]}

    def write(self, lines: list[Line], depths: dict[int, Depth] | None) -> None:
        """Append lines, and put the books in place of the last ones."""
        if lines:
            with self._news.open("ab") as file:
                file.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
                size = file.tell()
            if size > FILE_BYTES_MAX:
                self._news.replace(self._news.with_suffix(".old.jsonl"))
        if depths is not None:
            fresh = self._books.with_suffix(".new")
            fresh.write_text(books_text(self._instruments, depths, self._fees), encoding="utf-8")
            fresh.replace(self._books)
