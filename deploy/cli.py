"""The `swarm` command: joins every package's commands, and turns trouble into one line and a number."""

from __future__ import annotations

import sys

OLDEST = (3, 11)

if sys.version_info < OLDEST:  # before anything that an older Python could not even read
    found = ".".join(str(part) for part in sys.version_info[:3])
    sys.stderr.write(f"swarm: Python {found} is too old ({sys.executable}): run it with CPython 3.11\n")
    sys.exit(17)

import argparse
import errno
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from deploy.voice import open_missing, say, send_nowhere
from domain.errors import ExitCode, SwarmError

CRASH = "swarm-crash.log"
PARTS = (
    "deploy.up",
    "coordinator.cli",
    "agents.cli",
    "market.cli",
    "learning.cli",
    "learning.registry.cli",
    "arbitrage.cli",
    "federation.cli",
    "agents.arbitrage.cli",
    "coordinator.move_cli",
    "sim.cli",
    "deploy.learner",
    "deploy.kernels",
)


class OneLineParser(argparse.ArgumentParser):
    """Tell a wrong call in one line, like every other trouble; sub-commands get this kind of parser too."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to look."""
        say(sys.stderr, f"swarm: {message} ({self.prog}): see `{self.prog} --help`\n")
        sys.exit(ExitCode.USAGE)


def parser() -> argparse.ArgumentParser:
    """Join the commands of all packages."""
    top = OneLineParser(
        prog="swarm",
        description="A swarm of trading agents in three regions, on paper unless told otherwise, twice.",
        epilog="Exit codes are listed in docs/exit-codes.md.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for part in PARTS:
        importlib.import_module(part).add_commands(commands)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command and give its exit code."""
    open_missing()
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        send_nowhere(sys.stdout)
        return ExitCode.OK
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return _told(error, arguments)


def _told(error: BaseException, arguments: argparse.Namespace) -> int:
    state = Path(getattr(arguments, "state", None) or ".")
    for leaf in _leaves(error):
        if isinstance(leaf, SwarmError):
            say(sys.stderr, f"swarm: {leaf}\n")
            return leaf.code
        if isinstance(leaf, OSError) and leaf.errno in (errno.ENOSPC, errno.EDQUOT):
            where = leaf.filename or getattr(arguments, "root", None) or state
            say(sys.stderr, f"swarm: the disk is full ({where}): free some space\n")
            return ExitCode.DISK_FULL
        if isinstance(leaf, OSError) and leaf.filename is not None:
            what = (leaf.strerror or type(leaf).__name__).lower()
            say(sys.stderr, f"swarm: {what} ({leaf.filename}): mend that, or choose another --state folder\n")
            return ExitCode.CONFIG
    return _crashed(error, state)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _crashed(error: BaseException, state: Path) -> int:
    """Our own mistake: keep the traceback for the report, show one line."""
    import tempfile

    last = next(_leaves(error))
    kept = next((path for path in (state / "logs", Path(tempfile.gettempdir())) if _kept(error, path)), None)
    where = "no room for its traceback" if kept is None else f"traceback in {kept / CRASH}"
    say(sys.stderr, f"swarm: a mistake of ours: {type(last).__name__}: {last} ({where}): please report it\n")
    return ExitCode.BUG


def _kept(error: BaseException, folder: Path) -> bool:
    import traceback

    try:
        (folder / CRASH).write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
