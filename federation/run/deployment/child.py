"""One process of the federation: started low in rank, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import BinaryIO

from federation.run.deployment import lowered
from federation.run.deployment.config import DeploymentConfig
from federation.run.deployment.plan import Planned

BACKOFF_S = (0.2, 1.0, 2.0, 4.0, 8.0)
STEADY_S = 60.0
LOG_BYTES_MAX, TAIL_BYTES = 16 << 20, 1 << 16
TROUBLES = {
    b"CERTIFICATE_VERIFY_FAILED": ": the SuperLink is not the one whose certificate it was given",
    b"Failed to activate SuperNode": ": the SuperLink does not know its key",
    b"address already in use": ": its port is taken",
}


class Child:
    """Hold a planned process and what became of it."""

    def __init__(self, planned: Planned, config: DeploymentConfig, answers: Callable[[str], bool]) -> None:
        self.planned, self._config, self._answers = planned, config, answers
        self.restarts, self.ready = -1, False
        self._process: subprocess.Popen[bytes] | None = None
        self._started_ns = self._again_ns = 0
        self._failures = self._log_start = 0

    @property
    def pid(self) -> int | None:
        """Give the process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def tend(self, now_ns: int) -> None:
        """Start the process where it does not run, after a rest that grows; see whether it is ready."""
        if self.pid is None:
            self._end_group(signal.SIGKILL)
            if self._process is not None:
                self._mourn(now_ns)
            if now_ns >= self._again_ns:
                self._start(now_ns)
        elif not self.ready:
            self.ready = self._is_ready()

    def tell_end(self) -> None:
        """Ask the process and its own to end."""
        self._end_group(signal.SIGTERM)

    def stop(self, grace_s: float) -> None:
        """Ask the process and its own to end, and end them after a grace."""
        if self._process is not None:
            self._end_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace_s)
            self._end_group(signal.SIGKILL)
            self._process.wait()

    def _mourn(self, now_ns: int) -> None:
        lived_s = (now_ns - self._started_ns) / 1e9
        self._failures = 0 if lived_s > STEADY_S else self._failures + 1
        self._again_ns = now_ns + int(BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)] * 1e9)
        self._process, self.ready = None, False

    def _start(self, now_ns: int) -> None:
        self._started_ns, self.restarts, self.ready = now_ns, self.restarts + 1, False
        with _open_log(self.planned) as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [*self._lowered(), *self.planned.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.planned.environment),
                start_new_session=True,
            )

    def _lowered(self) -> list[str]:
        config = self._config
        return [sys.executable, "-I", lowered.__file__, str(config.nice), str(config.memory_mb)]

    def _is_ready(self) -> bool:
        if self.planned.ready_url:
            return self._answers(self.planned.ready_url)
        with self.planned.log.open("rb") as log:
            log.seek(self._log_start)
            return self.planned.ready_word.encode() in log.read(1 << 20)

    def trouble(self) -> str:
        """Say in our words what the process's log last says of its SuperLink; nothing where it says none."""
        with contextlib.suppress(OSError), self.planned.log.open("rb") as log:
            log.seek(max(0, self.planned.log.stat().st_size - TAIL_BYTES))
            said = log.read()
            return next((told for word, told in TROUBLES.items() if word in said), "")
        return ""

    def _end_group(self, by: signal.Signals) -> None:
        """Tell the whole session: what a killed process leaves behind would go on talking."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, by)


def _open_log(planned: Planned) -> BinaryIO:
    """Open the log for appending; one that grew too large becomes `.old` first."""
    planned.log.parent.mkdir(parents=True, exist_ok=True)
    if planned.log.exists() and planned.log.stat().st_size > LOG_BYTES_MAX:
        planned.log.replace(planned.log.with_suffix(".old"))
    return planned.log.open("ab")
