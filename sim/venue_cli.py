"""`swarm venue`: the three simulated exchanges as one process."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `venue`."""
    venue = commands.add_parser("venue", help="run the simulated exchanges, with sockets")
    venue.add_argument("--state", default=os.environ.get("SWARM_STATE", ".swarm"), metavar="DIR")
    venue.add_argument("--config", metavar="FILE", help="exchanges (default: deploy/exchanges.toml)")
    venue.add_argument("--port-base", type=int, metavar="N", help="first port, one more per exchange")
    venue.add_argument("--seed", type=int, default=1, metavar="S", help="of prices and order flow")
    venue.add_argument("--speed", type=_speed, default=1.0, metavar="X", help="how fast the market moves")
    venue.add_argument(
        "--admin",
        nargs="?",
        const="SWARM_ADMIN_TOKEN",
        metavar="VARIABLE",
        help="open /admin/faults to the token in this environment variable (default SWARM_ADMIN_TOKEN)",
    )
    venue.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the exchanges until SIGTERM or Ctrl-C."""
    from sim.exchange.server_process import VenueSettings, run_venue

    default = Path(__file__).resolve().parent.parent / "deploy" / "exchanges.toml"
    return run_venue(
        VenueSettings(
            state=Path(arguments.state),
            config=default if arguments.config is None else Path(arguments.config),
            port_base=arguments.port_base,
            seed=arguments.seed,
            speed=arguments.speed,
            admin_token_env=arguments.admin,
        )
    )


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= 100:
        raise argparse.ArgumentTypeError("a speed is above 0 and at most 100")
    return speed
