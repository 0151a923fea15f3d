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

from domain.errors import ExitCode, SwarmError

PARTS = ("deploy.up", "coordinator.cli", "agents.cli", "sim.cli", "deploy.kernels")


def parser() -> argparse.ArgumentParser:
    """Join the commands of all packages."""
    top = argparse.ArgumentParser(
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
    arguments = parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return ExitCode.OK
    except BaseException as error:
        if isinstance(error, SystemExit):
            raise
        return _told(error, Path(getattr(arguments, "state", None) or "."))


def _told(error: BaseException, state: Path) -> int:
    for leaf in _leaves(error):
        if isinstance(leaf, SwarmError):
            print(f"swarm: {leaf}", file=sys.stderr)
            return leaf.code
        if isinstance(leaf, OSError) and leaf.errno in (errno.ENOSPC, errno.EDQUOT):
            print(f"swarm: the disk is full ({leaf.filename or state}): free some space", file=sys.stderr)
            return ExitCode.DISK_FULL
        if isinstance(leaf, PermissionError):
            print(f"swarm: no permission ({leaf.filename}): choose another --state folder", file=sys.stderr)
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
    import traceback

    folder = state / "logs" if (state / "logs").is_dir() else Path(tempfile.gettempdir())
    path = folder / "swarm-crash.log"
    path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    last = next(_leaves(error))
    print(
        f"swarm: a mistake of ours: {type(last).__name__}: {last} (traceback in {path}): please report it",
        file=sys.stderr,
    )
    return ExitCode.BUG


if __name__ == "__main__":
    sys.exit(main())
