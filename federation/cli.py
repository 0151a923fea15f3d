"""`swarm federate`: start, watch and stop the regions' training together."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

SECONDS_MAX = 3_600
PORT_MAX = 65_000  # the nodes' own ports follow it


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `swarm federate`."""
    command = commands.add_parser("federate", help="train the regions' model together, where their rows are")
    parts = command.add_subparsers(title="commands", metavar="COMMAND", required=True)

    start = _part(parts, "start", "start SuperLink and SuperNodes, and keep them running")
    start.add_argument("--config", type=Path, help="TOML file: regions, loop, privacy")
    start.add_argument("--port", type=_port, help="SuperLink's port; the nodes' own follow it")
    start.add_argument("--foreground", action="store_true", help="do not return until it is told to end")
    start.add_argument(
        "--regions", nargs="+", metavar="REGION", help="only these (default: all of the config)"
    )
    _paced(start)
    start.set_defaults(run=run_start)

    join = _part(parts, "join", "run one region's node here, for a SuperLink on another machine")
    join.add_argument("--region", required=True)
    join.add_argument("--superlink", required=True, metavar="HOST:PORT", type=_address)
    join.add_argument("--ca", type=Path, metavar="FILE", help="that machine's ca.crt; kept from then on")
    join.add_argument("--config", type=Path, help="TOML file of the deployment")
    join.add_argument("--port", type=_port, help="the node's own port")
    _paced(join)
    join.set_defaults(run=run_join)

    simulate = _part(parts, "simulate", "make versions in Flower's simulation, each region an actor of Ray's")
    simulate.add_argument("--config", type=Path, help="TOML file: regions, loop, privacy")
    simulate.add_argument("--regions", nargs="+", metavar="REGION", help="only these")
    simulate.add_argument("--versions", type=_count, default=3, help="how many more (default 3)")
    simulate.set_defaults(run=run_simulate)

    status = _part(parts, "status", "show processes, the newest version and who contributes")
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.set_defaults(run=run_status)

    rounds = _part(parts, "rounds", "list versions: who counted, who was left out and why")
    rounds.add_argument("--last", type=_count, default=20, help="how many (default 20)")
    rounds.add_argument("--json", action="store_true", help="print one JSON object a line")
    rounds.set_defaults(run=run_rounds)

    stop = _part(parts, "stop", "end the federation's processes")
    stop.add_argument("--timeout", type=_seconds, default=20.0, help="seconds to wait (default 20)")
    stop.set_defaults(run=run_stop)


def _part(
    parts: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    part = parts.add_parser(name, help=summary)
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    part.add_argument("--state", type=Path, default=default, help=f"state folder (default {default})")
    return part


def _paced(part: argparse.ArgumentParser) -> None:
    part.add_argument(
        "--paced",
        action="store_true",
        help="learn when `swarm learner --federated` says so (default: always)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"must be a count from 1 on, not {text[:20]!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= SECONDS_MAX:  # neither is not-a-number
        raise argparse.ArgumentTypeError(f"must be seconds from 0 to {SECONDS_MAX}, not {text[:20]!r}")
    return seconds


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:6]) <= PORT_MAX:
        raise argparse.ArgumentTypeError(f"must be a port from 1 to {PORT_MAX}, not {text[:20]!r}")
    return int(text)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, not {text[:40]!r}")
    return text


def run_start(arguments: argparse.Namespace) -> int:
    """Start the federation here, or in a process of its own."""
    from federation.run.deployment.commands import Wanted, start, start_apart

    chosen = start if arguments.foreground else start_apart
    wanted = Wanted(arguments.config, arguments.port, arguments.regions, arguments.paced)
    return chosen(arguments.state, wanted)


def run_join(arguments: argparse.Namespace) -> int:
    """Run one region's node."""
    from federation.run.deployment.commands import Wanted, join

    wanted = Wanted(arguments.config, arguments.port, None, arguments.paced)
    return join(arguments.state, arguments.region, arguments.superlink, arguments.ca, wanted)


def run_simulate(arguments: argparse.Namespace) -> int:
    """Run a federation in Flower's simulation."""
    from federation.run.deployment.commands import Wanted, simulate

    wanted = Wanted(arguments.config, None, arguments.regions)
    return simulate(arguments.state, wanted, arguments.versions)


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
