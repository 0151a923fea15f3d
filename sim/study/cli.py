"""`swarm sim arb-study`."""

from __future__ import annotations

import argparse
from pathlib import Path

LATENCIES_MS = [1.0, 5.0, 20.0, 50.0, 100.0, 200.0]
SEEDS = [1, 2, 3, 4, 5]
BOTS = ["naive", "ours"]


def add_study(sim: argparse.ArgumentParser, deploy: Path) -> None:
    """Add the study to `swarm sim`."""
    verbs = sim.add_subparsers(title="studies", metavar="STUDY")
    study = verbs.add_parser(
        "arb-study",
        help="what arbitrage earns as latency grows: a naive bot and ours, on the same seeds",
        description="Each bot has a run of its own on the same seeds, so that they do not compete.",
    )
    study.add_argument("--seeds", type=int, nargs="+", default=SEEDS, metavar="S")
    study.add_argument("--minutes", type=_minutes, default=10.0, help="of virtual time a run (default 10)")
    study.add_argument(
        "--latencies",
        type=_latency,
        nargs="+",
        default=LATENCIES_MS,
        metavar="MS",
        help="one way, to every venue",
    )
    study.add_argument(
        "--ours",
        nargs="+",
        default=[],
        metavar="LINE",
        help="of our group's table, such as shares.depth_frac_max=1.0 (default: as production has it)",
    )
    study.add_argument("--label", default="ours", metavar="NAME", help="what ours is called in the results")
    study.add_argument(
        "--add",
        type=Path,
        nargs="+",
        default=[],
        metavar="JSON",
        help="results of earlier studies, shown beside",
    )
    study.add_argument("--bots", nargs="+", default=BOTS, choices=BOTS)
    study.add_argument(
        "--taker-bps", type=_fee, default=2.3, metavar="BPS", help="the account's fee a leg (default 2.3)"
    )
    study.add_argument(
        "--processes", type=_processes, default=2, metavar="N", help="side by side (default 2)"
    )
    study.add_argument("--json", action="store_true", help="print everything as one JSON object")
    study.add_argument("--out", type=Path, metavar="DIR", help="write CSV, JSON, table and picture here")
    study.add_argument("--deploy", type=Path, default=deploy, metavar="DIR", help="where exchanges are")
    study.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the study."""
    from sim.study.command import run_study

    return run_study(arguments)


def _minutes(text: str) -> float:
    return _within(text, 0.1, 24 * 60)


def _latency(text: str) -> float:
    return _within(text, 0.1, 1_000)


def _fee(text: str) -> float:
    return _within(text, 0, 100)


def _processes(text: str) -> int:
    return round(_within(text, 1, 64))


def _within(text: str, least: float, most: float) -> float:
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"must be from {least:g} to {most:g}, not {text}")
    return value
