"""Start the federation, keep it alive, and see to it that there is always one run."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.protocols import Clock
from federation.run.deployment.child import Child
from federation.run.deployment.plan import SUPERLINK, Deployment
from federation.run.store import write_durably

if TYPE_CHECKING:
    from federation.run.deployment.control import Control

TICK_S, GRACE_S, READY_S = 0.2, 1.5, 90.0
RUN_STARTS_S = 45.0  # from asking for a run to its ServerApp holding the store
RUN_FILE = "run.json"


class RunFile(msgspec.Struct, frozen=True):
    """What `status` and `stop` read."""

    supervisor: int
    port: int
    ready: bool
    pids: dict[str, int | None]
    restarts: dict[str, int]
    runs: int


class FederationSupervisor:
    """Own the processes of a deployed federation."""

    def __init__(self, deployment: Deployment, clock: Clock) -> None:
        self.deployment, self._clock = deployment, clock
        self.children = [Child(each, deployment.config, self._answers) for each in deployment.processes()]
        self.stop = threading.Event()
        joined = deployment.config.superlink != ""
        self._link = None if joined else self.children[0]
        self._nodes = self.children if joined else self.children[1:]
        self.runs, self._asked_ns, self._known_restarts = 0, 0, -1
        self._introduced: set[str] = set()
        self._seen = False
        self._told: RunFile | None = None
        self._tls: ssl.SSLContext | None = None

    def run(self, ready: Callable[[], None]) -> None:
        """Keep everything running until told to stop; `ready` is called once all are up."""
        began_ns, said = self._clock.now_ns(), False
        try:
            while not self.stop.is_set():
                self.tick()
                if not said and self.ready:
                    said = True
                    ready()
                if not said and self._clock.now_ns() - began_ns > READY_S * 1e9:
                    raise self._never_ready()
                self.stop.wait(TICK_S)
        finally:
            for child in self.children:  # all at once: whoever waits for this has a grace of its own
                child.tell_end()
            ends_ns = self._clock.now_ns() + int(GRACE_S * 1e9)
            for child in self.children:
                child.stop(max(0.0, (ends_ns - self._clock.now_ns()) / 1e9))
            end_server_app(self.deployment.root)
            (self.deployment.root / RUN_FILE).unlink(missing_ok=True)

    @property
    def ready(self) -> bool:
        """Tell whether all processes are up, and a run has been asked for where the SuperLink is ours."""
        return (self._link is None or self.runs > 0) and all(child.ready for child in self.children)

    def tick(self) -> None:
        """Look after every process once; nodes wait for their SuperLink to know them."""
        now_ns = self._clock.now_ns()
        if self._link is None or self._tend_link(self._link, now_ns):
            for node in self._nodes:
                node.tend(now_ns)
        away = len(self._introduced) > len(self._nodes)
        if self._link is not None and self._link.ready and (away or any(node.ready for node in self._nodes)):
            self._keep_run(now_ns)
        self._tell()

    def _tend_link(self, link: Child, now_ns: int) -> bool:
        """Keep the SuperLink running and tell it who its nodes are; give whether it ever knew."""
        if link.pid is None:  # the ServerApp has a session of its own, and would hold the store
            end_server_app(self.deployment.root)
        link.tend(now_ns)
        if link.ready:
            if link.restarts != self._known_restarts:
                self._introduced.clear()
                self._known_restarts, self._asked_ns = link.restarts, 0
            self._introduce()
        return self._known_restarts >= 0

    def _introduce(self) -> None:
        """Let in every region whose key is here; one from another machine may be brought at any time."""
        keys = {name: self.deployment.keys / f"{name}.pub" for name in self.deployment.config.regions}
        new = [name for name, key in keys.items() if name not in self._introduced and key.exists()]
        if new:
            with self._control() as control:
                for region in new:
                    control.register(region, keys[region])
                    self._introduced.add(region)

    def _keep_run(self, now_ns: int) -> None:
        """Ask for a run where no ServerApp holds the store; what it made so far is on disk."""
        if server_app(self.deployment.root) is not None:
            self._seen = True
            return
        if not self._seen and now_ns - self._asked_ns < RUN_STARTS_S * 1e9:
            return
        if self._asked_ns and self._finished():
            return
        with self._control() as control:
            for run in control.active_runs():
                control.stop_run(run)
            control.start_run(self.deployment.app)
        self._asked_ns, self._seen, self.runs = now_ns, False, self.runs + 1

    def _finished(self) -> bool:
        """Tell whether the loop has made all the versions that it was to make."""
        wanted = self.deployment.config.federation.versions_max
        return wanted > 0 and (self.deployment.root / "versions" / f"{wanted:08d}.version").exists()

    def _control(self) -> Control:
        from federation.run.deployment.control import Control

        deployment = self.deployment
        return Control(deployment.home, deployment.superlink, deployment.trusted)

    def _answers(self, url: str) -> bool:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=str(self.deployment.keys / "ca.crt"))
        try:
            with urllib.request.urlopen(url, timeout=1, context=self._tls) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _tell(self) -> None:
        told = RunFile(
            os.getpid(),
            self.deployment.config.port,
            self.ready,
            {child.planned.name: child.pid for child in self.children}
            | {"serverapp": server_app(self.deployment.root)},
            {child.planned.name: max(child.restarts, 0) for child in self.children},
            self.runs,
        )
        if told != self._told:
            write_durably(self.deployment.root / RUN_FILE, msgspec.json.encode(told))
            self._told = told

    def _never_ready(self) -> SwarmError:
        waited_for = [child for child in self.children if not child.ready]
        missing = [child.planned for child in waited_for]
        why = waited_for[0].trouble() if waited_for else ""
        return SwarmError(
            f"{missing[0].name if missing else 'the run'} was not ready within {READY_S:.0f} s{why}",
            where="federation",
            mend=f"see {missing[0].log if missing else self.deployment.state / 'logs'}",
            code=ExitCode.NOT_STARTED,
        )


def server_app(root: Path) -> int | None:
    """Give the process that makes versions: the one whose number is in the store's lock, while it lives."""
    try:
        pid = int((root / "lock").read_text() or 0)
    except (OSError, ValueError):
        return None
    return pid if pid > 0 and lives(pid) else None


def end_server_app(root: Path) -> None:
    """End the process that holds the store: all that it made is on disk."""
    pid = server_app(root)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def read_run(root: Path) -> RunFile | None:
    """Read what the supervisor tells, where one lives."""
    try:
        told = msgspec.json.decode((root / RUN_FILE).read_bytes(), type=RunFile)
    except (OSError, msgspec.DecodeError):
        return None
    return told if lives(told.supervisor) else None


def lives(pid: int) -> bool:
    """Tell whether a process runs: one that nobody has buried yet does not."""
    return Path(f"/proc/{pid}").exists() and not _zombie(pid)


__all__ = ["SUPERLINK", "FederationSupervisor", "read_run", "server_app"]
