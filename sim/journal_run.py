"""What `swarm journal` does, beside the running swarm or after it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import msgspec

from bus.journal_reader import open_reader, verify
from domain.errors import ExitCode, JournalBroken, SwarmError
from sim.exchange.config import load_exchanges
from sim.journal_tail import follow, last
from sim.replay import Replayed, replay, replaying_of


def journal_folders(state: Path, process: str | None) -> list[Path]:
    """List the journals of a state, in order of name; none is trouble."""
    root = state / "journal"
    found = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    if process is not None:
        known = ", ".join(path.name for path in found) or "none"
        found = [path for path in found if path.name == process]
        if not found:
            raise _nothing(f"there is no journal of {process}", root, f"there are: {known}")
    if not found:
        raise _nothing("there are no journals", root, "start the swarm first, or name its folder by --state")
    return found


def _nothing(what: str, where: Path, mend: str) -> SwarmError:
    return SwarmError(what, where=str(where), mend=mend, code=ExitCode.NOT_STARTED)


def verify_all(arguments: argparse.Namespace) -> int:
    """Check every journal; say what is wrong with each that is, and go on."""
    code = ExitCode.OK
    for folder in journal_folders(arguments.state, arguments.process):
        try:
            found = verify(folder)
        except JournalBroken as broken:
            code = ExitCode.JOURNAL_BROKEN
            sys.stderr.write(f"swarm: {broken}\n")
            _say(arguments, {"process": folder.name, "verified": False}, f"{folder.name}: BROKEN")
            continue
        cut = f", {found.cut_events} events cut: {found.reason}" if found.reason is not None else ""
        text = (
            f"{folder.name}: {found.events} events in {found.segments} segments hold, head {found.hash}{cut}"
        )
        _say(arguments, {"process": folder.name, "verified": True, **asdict(found)}, text)
    return code


def tail_all(arguments: argparse.Namespace) -> int:
    """Print the latest records."""
    readers = [open_reader(folder) for folder in journal_folders(arguments.state, arguments.process)]
    for line in (follow if arguments.follow else last)(readers, max(1, arguments.n)):
        sys.stdout.write((line.json() if arguments.json else line.text()) + "\n")
        if arguments.follow:
            sys.stdout.flush()
    return ExitCode.OK


def replay_all(arguments: argparse.Namespace) -> int:
    """Replay journals and say whether what is derived equals what was recorded."""
    code = ExitCode.OK
    for found in _replayed(arguments):
        _say(arguments, msgspec.to_builtins(found), _told(found))
        if not found.equal:
            code = ExitCode.REPLAY_MISMATCH
    return code


def _replayed(arguments: argparse.Namespace) -> Iterator[Replayed]:
    exchanges = {one.name: one for one in load_exchanges(arguments.exchanges)}
    for folder in journal_folders(arguments.state, arguments.process):
        yield replay(folder, replaying_of(folder, exchanges), arguments.from_snapshot)


def _told(found: Replayed) -> str:
    read = f"{found.process}: {found.records} records from {found.from_sequence}"
    if found.equal:
        return (
            f"{read}, {found.actions} actions and {found.snapshots} snapshots derived again, "
            f"hash equal {found.derived_hash[:16]}"
        )
    where = f"first difference at record {found.first_difference}"
    return (
        f"{read}: NOT EQUAL, {where}, recorded {found.recorded_hash[:16]} derived {found.derived_hash[:16]}"
    )


def _say(arguments: argparse.Namespace, fields: dict[str, object], text: str) -> None:
    sys.stdout.write((json.dumps(fields) if arguments.json else text) + "\n")
