"""`swarm node`: one region by itself, here or beside its venue."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm node`."""
    command = commands.add_parser(
        "node",
        help="run one region's node against a coordinator",
        description="Run one region: its agents, its venue and its journal. SIGTERM ends it cleanly.",
    )
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--region", help="a region of deploy/regions")
    which.add_argument("--config", type=Path, help="a region file of your own")
    command.add_argument("--state", type=Path, default=Path(os.environ.get("SWARM_STATE", ".swarm")))
    command.add_argument(
        "--coordinator", metavar="ADDRESS", help="tcp://HOST:PORT instead of the region file's"
    )
    command.add_argument(
        "--venue",
        metavar="NAME=HOST:PORT",
        action="append",
        default=[],
        help="reach a simulated venue there instead of where the region file says",
    )
    command.add_argument(
        "--live",
        metavar="WORD",
        help="the second step to real money; live = true in the venue's table is the first",
    )
    command.add_argument("--pin", type=int, metavar="CORE", help="keep the node on one core")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the node until it is told to stop."""
    from agents.process import run_node

    return run_node(arguments)
