"""Run only the coordinator's commands, as `swarm` does."""

from __future__ import annotations

import argparse
import signal
import sys

import arbitrage.cli
import coordinator.cli
import coordinator.move_cli
from domain.errors import SwarmError


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="swarm")
    commands = parser.add_subparsers(required=True)
    for part in (coordinator.cli, arbitrage.cli, coordinator.move_cli):
        part.add_commands(commands)
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except SwarmError as error:
        sys.stderr.write(f"swarm: {error}\n")
        return error.code
    return code


if __name__ == "__main__":
    # Whoever runs the tests in the background has them ignore Ctrl-C, which some are about.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
