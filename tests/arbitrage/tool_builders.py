"""Inputs of the tool, and its answer to them, by way of the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main

OCTOBOT = {
    "BTC/USDT": "30000",
    "ETH/BTC": "0.3",
    "ETH/USDT": "2000",
    "ETH/USDC": "1900",
    "BTC/USDC": "35000",
    "USDC/USDT": "1.1",
    "USDC/TUSD": "0.95",
    "ETH/TUSD": "1950",
    "BTC/TUSD": "32500",
}


def book(
    pair: str,
    bids: list[tuple[str, str]] | None = None,
    asks: list[tuple[str, str]] | None = None,
    *,
    venue: str = "x",
    taker_bps: str = "0",
    **more: Any,
) -> dict[str, Any]:
    """Build one book of the tool's input."""
    base, quote = pair.split("/")
    sides = {"bids": [list(level) for level in bids or []], "asks": [list(level) for level in asks or []]}
    return {"venue": venue, "base": base, "quote": quote, **sides, "taker_bps": taker_bps, **more}


def last(pair: str, price: str, **more: Any) -> dict[str, Any]:
    """Build a book that bids and asks one price, as last prices are."""
    return book(pair, [(price, "1000000")], [(price, "1000000")], **more)


def rates(table: list[list[float]]) -> list[dict[str, Any]]:
    """Build plain rates from a table, its diagonal included."""
    return [
        {"from": str(row + 1), "to": str(column + 1), "rate": rate}
        for row, line in enumerate(table)
        for column, rate in enumerate(line)
    ]


class Tool:
    """Run `swarm arb`, and keep what it said."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def file(self, data: Any, name: str = "books.json") -> str:
        """Write data, as JSON where it is not text already."""
        path = self._folder / name
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return str(path)

    def run(self, *words: str) -> tuple[int, str, str]:
        """Give exit code, output and errors."""
        self._capsys.readouterr()
        try:
            code = main(["arb", *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, errors = self._capsys.readouterr()
        return code, out, errors

    def solve(self, data: Any, *words: str) -> dict[str, Any]:
        """Solve data and give the answer."""
        code, out, errors = self.run("solve", self.file(data), "--json", *words)
        assert code == 0, errors
        answer: dict[str, Any] = json.loads(out)
        return answer

    def route(self, data: Any, *words: str) -> dict[str, Any]:
        """Find a way over data and give the answer."""
        code, out, errors = self.run("route", *words, "--books", self.file(data), "--json")
        assert code == 0, errors
        answer: dict[str, Any] = json.loads(out)
        return answer


@pytest.fixture
def tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tool:
    """Give the tool with a folder of its own."""
    return Tool(tmp_path, capsys)
