"""Run benchmark cases, each in a fresh process: `python -m benchmarks [CASE…] [--json] [--quick]`."""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.result import Result
from benchmarks.table import json_line, markdown, screen

FOLDER = Path(__file__).parent
CASE_SECONDS_MAX = 900
USAGE, CRASHED = 2, 1


def discover(folder: Path) -> dict[str, str]:
    """Find cases by reading the files: name → module. Nothing is imported."""
    found = {}
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CASE":
                found[ast.literal_eval(node.value)] = f"{folder.name}.{path.stem}"
    return found


def run_apart(case: str, module: str, quick: bool) -> Result | None:
    """Run one case in its own process; `None` says that it crashed."""
    command = [sys.executable, "-m", "benchmarks", "--child", module, *(["--quick"] if quick else [])]
    try:
        child = subprocess.run(command, stdout=subprocess.PIPE, timeout=CASE_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        say(f"{case}: still running after {CASE_SECONDS_MAX} s, given up")
        return None
    if child.returncode != 0:
        say(f"{case}: crashed with exit code {child.returncode}")
        return None
    return msgspec.json.decode(child.stdout.splitlines()[-1], type=Result)


def run_here(module: str, quick: bool) -> int:
    """Be the fresh process: run the case with its chatter on stderr, then give the result."""
    with contextlib.redirect_stdout(sys.stderr):
        result: Result = importlib.import_module(module).run(quick)
    print(msgspec.json.encode(result).decode(), flush=True)
    return 0


def say(line: str) -> None:
    """Tell how it goes, apart from the results."""
    print(line, file=sys.stderr, flush=True)


def results(chosen: dict[str, str], quick: bool) -> Iterator[Result | None]:
    """Run the cases one after the other."""
    for number, (case, module) in enumerate(chosen.items(), 1):
        say(f"[{number}/{len(chosen)}] {case} …")
        result = run_apart(case, module, quick)
        if result is not None and result.note:
            say(f"{case}: {result.note}")
        yield result


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure, each case with a peer."
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help="what to measure; all where none is named")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--markdown", action="store_true", help="the table of docs/performance.md")
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it runs, not how fast")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--child", metavar="MODULE", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what was asked for; a bar that is not met is a result, a crash is a failure."""
    asked = arguments(argv)
    if asked.child:
        return run_here(asked.child, asked.quick)
    known = discover(FOLDER)
    unknown = [case for case in asked.cases if case not in known]
    if unknown:
        say(f"unknown case {unknown[0]!r}; there are: {', '.join(known)}")
        return USAGE
    if asked.list:
        print("\n".join(known))
        return 0
    chosen = {case: known[case] for case in asked.cases or known}
    return report(results(chosen, asked.quick), asked)


def report(outcomes: Iterator[Result | None], asked: argparse.Namespace) -> int:
    """Print results: JSON as they come, tables at the end."""
    kept, crashed = [], False
    for result in outcomes:
        if result is None:
            crashed = True
            continue
        kept.append(result)
        if asked.json:
            print(json_line(result), flush=True)
    if asked.markdown:
        print(markdown(kept))
    elif not asked.json:
        Console().print(screen(kept))
    return CRASHED if crashed else 0


if __name__ == "__main__":
    sys.exit(main())
