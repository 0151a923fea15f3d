"""Everything that can be known to be wrong is found before the first process starts."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import ExitCode, SwarmError

FREE_BYTES_MIN = 64 * 1024 * 1024


def check_disk(state: Path) -> None:
    """Refuse to start where the journal would soon have no room."""
    state.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(state).free
    if free < FREE_BYTES_MIN:
        raise SwarmError(
            f"only {free // 1024 // 1024} MB free",
            where=str(state),
            mend=f"free at least {FREE_BYTES_MIN // 1024 // 1024} MB, or choose another --state folder",
            code=ExitCode.DISK_FULL,
        )


def check_ports(ports: Iterable[tuple[str, int]]) -> None:
    """Refuse to start when a port that a part needs is taken."""
    for part, port in ports:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise SwarmError(
                    f"port {port} is in use",
                    where=part,
                    mend="stop what listens there, or choose others with --port-base",
                    code=ExitCode.PORT_IN_USE,
                ) from None


@contextmanager
def owned(state: Path) -> Iterator[None]:
    """Own the state folder: two supervisors on one folder would be two swarms on one account."""
    state.mkdir(parents=True, exist_ok=True)
    path = state / "up.lock"
    with path.open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SwarmError(
                f"another swarm (pid {lock.read().strip() or 'unknown'}) runs on this state",
                where=str(state),
                mend="stop it, or choose another --state folder",
                code=ExitCode.STATE_IN_USE,
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def put_aside(state: Path) -> Path | None:
    """Give way to an empty state: the old folder gets a number, and nothing of it is lost."""
    if not state.exists():
        return None
    with owned(state):
        number = 1
        while (aside := state.with_name(f"{state.name}.{number}")).exists():
            number += 1
        state.rename(aside)
    return aside
