"""`swarm up`: the whole swarm on this machine, on paper."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Number = TypeVar("Number", int, float)


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm up`."""
    command = commands.add_parser(
        "up",
        help="run venue, coordinator and the three regions on this machine",
        description="Start every process, restart what dies, show the swarm. Ctrl-C ends it cleanly.",
    )
    command.add_argument("--seconds", type=_seconds, help="end by itself after this long, with a summary")
    command.add_argument("--json", action="store_true", help="print the summary as one JSON object on stdout")
    command.add_argument("--state", type=Path, default=Path(os.environ.get("SWARM_STATE", ".swarm")))
    command.add_argument(
        "--port-base",
        type=_port,
        default=7070,
        help="coordinator's port; venues follow 31 above (default 7070)",
    )
    command.add_argument("--seed", type=int, default=1, help="seed of the simulated market (default 1)")
    command.add_argument("--regions", nargs="+", metavar="REGION", help="start only these (default: all)")
    command.add_argument(
        "--fresh", action="store_true", help="begin with an empty state: the old one is kept aside"
    )
    command.add_argument(
        "--learn",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="learn from the regions' rows, and let versions serve that pass (default: yes)",
    )
    command.add_argument(
        "--federate",
        action="store_true",
        help="train in Flower's deployment: a SuperLink and a SuperNode a region, from 61 above the base on",
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the supervisor until its end."""
    from deploy.supervisor import supervise

    return supervise(arguments)


def _seconds(text: str) -> float:
    return _number(text, float, 1, 31 * 86400)


def _port(text: str) -> int:
    return _number(text, int, 1024, 65000)


def _number(text: str, kind: Callable[[str], Number], least: int, most: int) -> Number:
    """Read a number within bounds; not-a-number is within none."""
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise argparse.ArgumentTypeError(f"must be a number from {least} to {most}, not {text[:40]!r}")
    return value
