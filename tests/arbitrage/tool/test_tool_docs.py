"""What the page shows of the tool runs as it is shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.arbitrage.tool_builders import Tool, tool

__all__ = ["tool"]

PAGE = (Path(__file__).parents[3] / "docs" / "arbitrage.md").read_text("utf-8").partition("## The tool")[2]


def test_the_page_shows_what_runs(tool: Tool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    books = re.findall(r"```json\n(.*?)```", PAGE, re.S)[0]
    tool.file(books)
    monkeypatch.chdir(tmp_path)
    shown = [line.partition("#")[0] for line in re.findall(r"```bash\n(.*?)```", PAGE, re.S)[0].splitlines()]
    calls = [shlex.split(line)[2:] for line in shown if "books.json" in line]
    assert len(calls) == 4
    for words in calls:
        code, out, errors = tool.run(*words)
        assert (code, errors) == (0, "") and ("profit" in out or "become" in out), words


def test_the_page_names_every_field_of_the_answers(tool: Tool) -> None:
    answer = tool.solve(re.findall(r"```json\n(.*?)```", PAGE, re.S)[0])
    cycle = answer["best"]
    named = set(re.findall(r"`([a-z_]+)`", PAGE))
    fields = {*answer, *cycle, *cycle["hops"][0], *cycle["ticket"], *cycle["ticket"]["legs"][0]}
    assert fields - named == set()
