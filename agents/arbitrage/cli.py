"""`swarm arb watch`: what arbitrage finds, and why each was or was not taken."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from arbitrage.cli import arb_verbs


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `watch` to `swarm arb`."""
    command = arb_verbs(commands).add_parser(
        "watch",
        help="show opportunities live, each with the reason why it was or was not taken",
        description="Read what the nodes of a running swarm write down; nothing here touches an order's way.",
    )
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    command.add_argument("--state", type=Path, default=default, help=f"state folder (default {default})")
    command.add_argument("--region", help="one region only (default: all)")
    command.add_argument("--json", action="store_true", help="one object a line, as they come")
    command.add_argument("--once", action="store_true", help="show what there is, and end")
    command.set_defaults(run=run_watch)


def run_watch(arguments: argparse.Namespace) -> int:
    """Watch."""
    from agents.arbitrage.watch import watch

    return watch(arguments.state, arguments.region, as_json=arguments.json, once=arguments.once)
