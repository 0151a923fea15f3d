"""One process that the supervisor owns: started, watched, restarted with back-off, ended."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from domain.errors import ExitCode, SwarmError

LOG_BYTES_MAX = 16 * 1024 * 1024
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
STEADY_S = 20.0
READY_S = 60.0
FIRST_TRIES = 3
_PR_SET_PDEATHSIG = 1

# Ends that a restart cannot mend: trying again would only hide them.
FINAL_CODES = frozenset(
    {
        ExitCode.USAGE,
        ExitCode.CONFIG,
        ExitCode.WRONG_KEY,
        ExitCode.JOURNAL_BROKEN,
        ExitCode.PYTHON_TOO_OLD,
        ExitCode.REPLAY_MISMATCH,
    }
)


@dataclass
class Child:
    """Hold a process and what became of it."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    now_ns: Callable[[], int]
    vital: bool = True
    """Whether the swarm cannot be without it: one that learns may fail, and the others trade on."""
    restarts: int = 0
    state: str = "new"
    last_words: str = ""
    stopping: bool = False
    was_ready: bool = False
    _process: asyncio.subprocess.Process | None = field(default=None, repr=False)
    _ready: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def pid(self) -> int | None:
        """Give the process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def failed(self) -> bool:
        """Tell whether it ended in a way that a restart cannot mend."""
        return self.state.startswith("failed")

    @property
    def ready(self) -> bool:
        """Tell whether the running process has said that it is ready."""
        return self.pid is not None and self._ready.is_set()

    async def keep(self) -> None:
        """Run the process until told to stop; start it again with back-off when it dies."""
        failures = 0
        while not self.stopping:
            started_ns = self.now_ns()
            code = await self._run_once()
            if self.stopping:
                return
            failures = 0 if self.now_ns() - started_ns > STEADY_S * 1e9 else failures + 1
            if self.vital and not self.was_ready and (code in FINAL_CODES or failures >= FIRST_TRIES):
                raise self._never_started(code)
            if code in FINAL_CODES:
                self.state = f"failed: {self.last_words}"
                return
            self.restarts += 1
            await self._pause(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])

    async def wait_ready(self, timeout_s: float = READY_S) -> None:
        """Wait until the process says that it is ready."""
        try:
            await asyncio.wait_for(self._ready.wait(), timeout_s)
        except TimeoutError:
            raise SwarmError(
                f"{self.name} was not ready within {timeout_s:.0f} s",
                where=self.name,
                mend=f"see {self.log}",
                code=ExitCode.NOT_STARTED,
            ) from None

    async def stop(self, grace_s: float) -> None:
        """Ask the process to end, and end it after a grace."""
        self.stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _never_started(self, code: int) -> SwarmError:
        known = code in [int(each) for each in ExitCode]
        return SwarmError(
            self.last_words or f"ended with code {code} before it was ready",
            where=self.name,
            mend=f"its log is {self.log}",
            code=ExitCode(code) if known else ExitCode.NOT_STARTED,
        )

    async def _pause(self, seconds: float) -> None:
        self.state = f"restarting in {seconds:g} s"
        deadline_ns = self.now_ns() + int(seconds * 1e9)
        while not self.stopping and self.now_ns() < deadline_ns:
            await asyncio.sleep(0.05)

    async def _run_once(self) -> int:
        self._ready.clear()
        self.state = "starting"
        with _open_log(self.log) as log:
            log_start = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "deploy.cli",
                *self.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=dict(self.environment),
                start_new_session=True,
                preexec_fn=end_with_parent,
            )
        if self.stopping:  # told while it was being started, when there was nothing yet to tell
            self._process.kill()
        await self._listen(self._process)
        code = await self._process.wait()
        self._ready.clear()
        self.last_words = _last_words(self.log, log_start)
        self.state = f"ended ({code})"
        return code

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """Read what the process says until it closes its output."""
        assert process.stdout is not None
        async for line in process.stdout:
            if b" ready" in line:
                self.state = "running"
                self.was_ready = True
                self._ready.set()


def end_with_parent(by: int = signal.SIGTERM) -> None:
    """Let the kernel end this process, by a signal, when the one that started it dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, by)


def _open_log(path: Path) -> BinaryIO:
    """Open the log for appending; one that grew too large becomes `.old` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".old"))
    return path.open("ab")


def _last_words(log: Path, start: int) -> str:
    """Give the last one-line error that the process wrote."""
    try:
        with log.open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - 4096))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    told = [line for line in lines if line.startswith("swarm: ")]
    return told[-1].removeprefix("swarm: ") if told else ""
