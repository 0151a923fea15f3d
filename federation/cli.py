"""`swarm federate`: start, watch and stop the regions' training together."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm federate`."""
    command = commands.add_parser("federate", help="train the regions' model together, where their rows are")
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True)

    start = _part(parts, "start", "start SuperLink and SuperNodes, and keep them running")
    start.add_argument("--config", type=Path, help="TOML file: regions, loop, privacy")
    start.add_argument("--port", type=int, help="SuperLink's port; the nodes' own follow it")
    start.add_argument("--foreground", action="store_true", help="do not return until it is told to end")
    start.set_defaults(run=run_start)

    status = _part(parts, "status", "show processes, the newest version and who contributes")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.set_defaults(run=run_status)

    rounds = _part(parts, "rounds", "list versions: who counted, who was left out and why")
    rounds.add_argument("--last", type=int, default=20, help="how many (default 20)")
    rounds.add_argument("--json", action="store_true", help="print one JSON object a line")
    rounds.set_defaults(run=run_rounds)

    stop = _part(parts, "stop", "end the federation's processes")
    stop.add_argument("--timeout", type=float, default=20.0, help="seconds to wait (default 20)")
    stop.set_defaults(run=run_stop)


def _part(
    parts: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    part = parts.add_parser(name, help=summary)
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    part.add_argument("--state", type=Path, default=default, help=f"state folder (default {default})")
    return part


def run_start(arguments: argparse.Namespace) -> int:
    """Start the federation here, or in a process of its own."""
    from federation.run.deployment.commands import start, start_apart

    chosen = start if arguments.foreground else start_apart
    return chosen(arguments.state, arguments.config, arguments.port)


def run_status(arguments: argparse.Namespace) -> int:
    """Show what runs and what was made."""
    from federation.run.deployment.commands import status

    return status(arguments.state, as_json=arguments.json)


def run_rounds(arguments: argparse.Namespace) -> int:
    """List versions."""
    from federation.run.deployment.commands import rounds

    return rounds(arguments.state, arguments.last, as_json=arguments.json)


def run_stop(arguments: argparse.Namespace) -> int:
    """Stop what runs."""
    from federation.run.deployment.commands import stop

    return stop(arguments.state, arguments.timeout)
