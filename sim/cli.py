"""`swarm sim`, `swarm journal` and `swarm venue`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sim import venue_cli
from sim.study.cli import add_study

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the simulator's commands."""
    venue_cli.add_commands(commands)
    _add_sim(commands)
    _add_journal(commands)


def _add_sim(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sim = commands.add_parser(
        "sim",
        help="run the whole swarm in one process, in virtual time",
        description="The same nodes, coordinator and exchanges, without sockets. One seed, one journal hash.",
    )
    sim.add_argument("--seed", type=int, default=1, help="of market, crowd and latencies (default 1)")
    sim.add_argument("--minutes", type=_minutes, default=10.0, help="of virtual time (default 10)")
    sim.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    sim.add_argument(
        "--state", type=Path, metavar="DIR", help="keep the journals in this folder, new or empty"
    )
    sim.add_argument("--plot", type=Path, metavar="FILE", help="draw PnL over time into an SVG file")
    sim.add_argument("--regions", nargs="+", metavar="REGION", help="simulate only these (default: all)")
    sim.add_argument(
        "--deploy", type=Path, default=DEPLOY, metavar="DIR", help="where regions and exchanges are"
    )
    sim.set_defaults(run=run_sim)
    add_study(sim, DEPLOY)


def _add_journal(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    journal = commands.add_parser("journal", help="verify, read or replay what happened")
    verbs = journal.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = verbs.add_parser("verify", help="check every journal's chain from its first record to its last")
    verify.set_defaults(run=run_verify)
    tail = verbs.add_parser("tail", help="print the latest records")
    tail.add_argument(
        "-n", type=_count, default=10, metavar="N", help="how many of each journal (default 10)"
    )
    tail.add_argument("--follow", action="store_true", help="go on with what is added, until Ctrl-C")
    tail.set_defaults(run=run_tail)
    replay = verbs.add_parser(
        "replay", help="derive every action again and compare it with what was recorded"
    )
    replay.add_argument("--from-snapshot", action="store_true", help="begin at the newest snapshot")
    replay.add_argument("--exchanges", type=Path, default=DEPLOY / "exchanges.toml", metavar="FILE")
    replay.set_defaults(run=run_replay)
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    for verb in (verify, tail, replay):
        verb.add_argument("--state", type=Path, default=default, metavar="DIR", help=f"default {default}")
        verb.add_argument("--process", metavar="P", help="one process's journal only")
        verb.add_argument("--json", action="store_true", help="one object a line")


def run_sim(arguments: argparse.Namespace) -> int:
    """Simulate."""
    from sim.sim_run import simulate

    return simulate(arguments)


def run_verify(arguments: argparse.Namespace) -> int:
    """Verify journals."""
    from sim.journal_run import verify_all

    return verify_all(arguments)


def run_tail(arguments: argparse.Namespace) -> int:
    """Print the latest records."""
    from sim.journal_run import tail_all

    return tail_all(arguments)


def run_replay(arguments: argparse.Namespace) -> int:
    """Replay journals."""
    from sim.journal_run import replay_all

    return replay_all(arguments)


def _minutes(text: str) -> float:
    value = float(text)
    if not 0 < value <= 7 * 24 * 60:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most {7 * 24 * 60}, not {text}")
    return value


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must be from 1 to 1000000, not {text}")
    return count
