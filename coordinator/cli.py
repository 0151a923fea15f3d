"""`swarm coordinator`, and the operator's `status`, `halt` and `resume`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

LISTEN = "tcp://127.0.0.1:7070"


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the coordinator's commands."""
    run = commands.add_parser("coordinator", help="run the coordinator")
    _state(run)
    run.add_argument("--listen", default=LISTEN, help=f"address, port 0 for any free one (default {LISTEN})")
    run.add_argument("--config", type=Path, help="TOML file of the coordinator's limits")
    run.set_defaults(run=run_coordinator)

    status = add_operator(commands, "status", "show every node, positions and PnL")
    status.add_argument("--watch", action="store_true", help="repeat every second until Ctrl-C")
    status.set_defaults(run=run_status)

    halt = add_operator(commands, "halt", "stop trading and cancel open orders, and wait until that is so")
    halt.add_argument("--region", help="one region only (default: all)")
    halt.add_argument("--reason", default="operator", help="noted in every journal")
    halt.set_defaults(run=run_halt)

    resume = add_operator(commands, "resume", "trade again")
    resume.add_argument("--region", help="one region only (default: all)")
    resume.set_defaults(run=run_resume)


def _state(command: argparse.ArgumentParser) -> None:
    default = Path(os.environ.get("SWARM_STATE", ".swarm"))
    command.add_argument("--state", type=Path, default=default, help=f"state folder (default {default})")


def add_operator(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str
) -> argparse.ArgumentParser:
    """Add a command that talks to the coordinator, with what each of them takes."""
    command = commands.add_parser(name, help=summary)
    _state(command)
    command.add_argument("--coordinator", help="address (default: from run.json in the state folder)")
    command.add_argument("--timeout", type=_seconds, default=5.0, help="seconds to wait (default 5)")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    return command


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:  # neither is not-a-number
        raise argparse.ArgumentTypeError(f"must be a number above 0 and up to 3600, not {text[:40]!r}")
    return value


def run_coordinator(arguments: argparse.Namespace) -> int:
    """Run a coordinator until it is told to end."""
    import uvloop

    from coordinator.config import read_config
    from coordinator.shell import serve
    from domain.errors import ExitCode

    config = read_config(arguments.config)
    uvloop.run(
        serve(
            config,
            arguments.state,
            arguments.listen,
            lambda address: print(f"coordinator ready {address}", flush=True),
        )
    )
    return ExitCode.OK


def run_status(arguments: argparse.Namespace) -> int:
    """Print what the coordinator knows."""
    import asyncio

    from coordinator.operator import Operator
    from coordinator.words import status_json, status_text
    from domain.errors import ExitCode

    async def show() -> None:
        async with Operator(arguments.state, arguments.coordinator, arguments.timeout) as operator:
            while True:
                status = await operator.status()
                print(status_json(status) if arguments.json else status_text(status), flush=True)
                if not arguments.watch:
                    return
                await asyncio.sleep(1.0)

    asyncio.run(show())
    return ExitCode.OK


def run_halt(arguments: argparse.Namespace) -> int:
    """Halt, wait, and tell how long each region took."""
    import asyncio

    from coordinator.operator import Halted, Operator
    from coordinator.words import halted_json, halted_text
    from domain.errors import ExitCode, SwarmError

    async def halt() -> Halted:
        async with Operator(arguments.state, arguments.coordinator, arguments.timeout) as operator:
            return await operator.halt(arguments.region, arguments.reason)

    halted = asyncio.run(halt())
    print(halted_json(halted) if arguments.json else halted_text(halted), flush=True)
    if halted.unconfirmed:
        raise SwarmError(
            f"halt not confirmed within {arguments.timeout:g} s by {', '.join(halted.unconfirmed)}",
            where="coordinator",
            mend="the halt stands and reaches them when they return: see `swarm status`, and their venues",
            code=ExitCode.TIMED_OUT,
        )
    return ExitCode.OK


def run_resume(arguments: argparse.Namespace) -> int:
    """Lift a halt."""
    import asyncio

    from coordinator.operator import Operator
    from coordinator.words import status_json
    from domain.errors import ExitCode
    from domain.steering import SwarmStatus

    async def resume() -> SwarmStatus:
        async with Operator(arguments.state, arguments.coordinator, arguments.timeout) as operator:
            return await operator.resume(arguments.region)

    status = asyncio.run(resume())
    still = ", ".join(status.halted_regions)
    print(
        status_json(status)
        if arguments.json
        else f"resumed {arguments.region or 'all regions'}" + (f"; still halted: {still}" if still else "")
    )
    return ExitCode.OK
