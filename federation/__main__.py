"""The federation's commands by themselves: `python -m federation start`, as `swarm federate start`."""

from __future__ import annotations

import argparse
import sys

from domain.errors import SwarmError
from federation.cli import add_commands


def main(argv: list[str]) -> int:
    """Run one command; trouble is one line and a number."""
    top = argparse.ArgumentParser(prog="federation")
    add_commands(top.add_subparsers(required=True))
    arguments = top.parse_args(["federate", *argv])
    try:
        code: int = arguments.run(arguments)
    except SwarmError as error:
        sys.stderr.write(f"swarm: {error}\n")
        return error.code
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
