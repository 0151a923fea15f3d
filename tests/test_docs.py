"""The pages say what the code does: links lead somewhere, tables equal their sources, commands exist."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import discover
from deploy.cli import parser
from domain.errors import ExitCode

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?swarm ([a-z]+)(?: (verify|tail|replay))?", re.M)
TARGET = re.compile(r"`make ([a-z-]+)")
CODE_ROW = re.compile(r"^\| (\d+) \| ([A-Z_]+) \|", re.M)


def anchor(heading: str) -> str:
    """Write a heading as GitHub links to it."""
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


def anchors(page: Path) -> set[str]:
    lines = page.read_text("utf-8").splitlines()
    return {anchor(line.lstrip("#")) for line in lines if line.startswith("#")}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(page.read_text("utf-8")):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        place, _, part = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        if not target.exists():
            yield f"{link} leads nowhere"
        elif part and target.suffix == ".md" and part not in anchors(target):
            yield f"{link} names no heading"


def code(text: str) -> str:
    """Give what a page shows as code, a line for each piece of it."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", text, re.S)
    pieces = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S))
    return "\n".join([*blocks, *pieces])


def commands() -> dict[str, set[str]]:
    """Give every command of `swarm`, with its own commands."""
    return {name: set(_choices(sub)) for name, sub in _choices(parser()).items()}


def _choices(level: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in level._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def unknown_commands(text: str) -> list[str]:
    known = commands()
    found = []
    for name, verb in COMMAND.findall(text):
        if name not in known or (verb and verb not in known[name]):
            found.append(f"swarm {name} {verb}".strip())
    return found


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_that_is_shown_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    assert unknown_commands(code(text)) == []
    assert [name for name in TARGET.findall(text) if name not in targets()] == []


def test_the_table_of_exit_codes_is_the_code() -> None:
    rows = CODE_ROW.findall((ROOT / "docs" / "exit-codes.md").read_text("utf-8"))
    assert {name: int(code) for code, name in rows} == {code.name: int(code) for code in ExitCode}


def test_the_table_of_performance_has_every_case() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    missing = [case for case in discover(ROOT / "benchmarks") if f"| {case} |" not in text]
    assert missing == []


def test_the_pages_that_were_promised_are_there() -> None:
    promised = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
    promised |= {f"docs/{name}.md" for name in ("architecture", "operations", "exit-codes", "performance")}
    assert promised <= {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert list((ROOT / "docs" / "decisions").glob("*.md"))


def test_the_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 80


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One heading!\n[a](gone.md) [b](#one-heading) [c](#two) [d](https://x.y) [e](page.md)\n", "utf-8"
    )
    assert list(broken_links(page)) == ["gone.md leads nowhere", "#two names no heading"]


def test_a_command_that_is_gone_is_found() -> None:
    block = "```bash\n$ swarm journal tail\nswarm go\n```"
    text = f"`swarm fly` a swarm too `swarm journal verify` `swarm up replay`\n{block}"
    assert unknown_commands(code(text)) == ["swarm go", "swarm fly", "swarm up replay"]
