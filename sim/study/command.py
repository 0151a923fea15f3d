"""What `swarm sim arb-study` does."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from domain.errors import ConfigError, ExitCode
from sim.study.report import Report, report, table, write
from sim.study.result import Result
from sim.study.study import jobs, study
from sim.study.world import StudyConfig

COLUMNS = (TextColumn("studying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def run_study(arguments: argparse.Namespace) -> int:
    """Run every job, write what was found, and print the table."""
    config = StudyConfig(
        minutes=arguments.minutes, taker_fee_ppm=round(arguments.taker_bps * 100), ours=_table(arguments.ours)
    )
    earlier = _added(arguments.add)
    wanted = jobs(arguments.bots, arguments.latencies, arguments.seeds)
    with Progress(
        *COLUMNS, console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True
    ) as bar:
        task = bar.add_task("", total=len(wanted))
        results = study(
            wanted,
            config,
            arguments.deploy / "exchanges.toml",
            arguments.processes,
            lambda done, _: bar.update(task, completed=done),
        )
    named = [one if one.bot == "naive" else replace(one, bot=arguments.label) for one in results]
    found = report([*earlier, *named], config)
    seeds = f"{len(arguments.seeds)} seeds of {arguments.minutes:g} virtual minutes"
    title = f"{seeds}, taker fee {arguments.taker_bps:g} bps a leg"
    if arguments.out is not None:
        for path in write(found, arguments.out, title):
            sys.stderr.write(f"wrote {path}\n")
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        sys.stdout.write(table(found.rows))
    return ExitCode.OK


def _added(files: list[Path]) -> list[Result]:
    """Read what earlier studies found."""
    results: list[Result] = []
    for file in files:
        try:
            results += msgspec.json.decode(file.read_bytes(), type=Report).results
        except (OSError, msgspec.MsgspecError) as trouble:
            raise ConfigError(
                f"not a study: {trouble}", where=str(file), mend="name the arb-study.json of one"
            ) from None
    return results


def _table(lines: list[str]) -> dict[str, Any]:
    """Read settings of our group as lines of a region file."""
    try:
        return tomllib.loads("\n".join(lines))
    except tomllib.TOMLDecodeError as trouble:
        raise ConfigError(
            f"not a line of TOML: {trouble}", where="--ours", mend="write it as a region file would"
        ) from None
