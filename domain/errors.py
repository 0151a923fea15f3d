"""Trouble from outside, as one line that names the thing and the mend, with a numbered exit code."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Number every way in which a command can end; `docs/exit-codes.md` is checked against this."""

    OK = 0
    BUG = 1
    USAGE = 2
    CONFIG = 10
    PORT_IN_USE = 11
    VENUE_DOWN = 12
    WRONG_KEY = 13
    DISK_FULL = 14
    CLOCK_STEPPED = 15
    JOURNAL_BROKEN = 16
    PYTHON_TOO_OLD = 17
    POSITIONS_MISMATCH = 18
    NOT_RUNNING = 19
    TIMED_OUT = 20
    REPLAY_MISMATCH = 21
    STATE_IN_USE = 22
    NOT_STARTED = 23
    BAD_DATA = 24
    NOT_PROMOTED = 25
    OUT_OF_MEMORY = 26
    INTERRUPTED = 130


class SwarmError(Exception):
    """Say what went wrong, where, and how to mend it.

    >>> print(SwarmError("port 7070 is taken", where="coordinator", mend="choose another with --port"))
    port 7070 is taken (coordinator): choose another with --port
    """

    def __init__(
        self,
        what: str,
        *,
        where: str,
        mend: str,
        code: ExitCode = ExitCode.BUG,
        retryable: bool = False,
    ) -> None:
        super().__init__(what)
        self.what, self.where, self.mend = what, where, mend
        self.code, self.retryable = code, retryable

    def __str__(self) -> str:
        return f"{self.what} ({self.where}): {self.mend}"


class ConfigError(SwarmError):
    """A config file that cannot be used."""

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        super().__init__(what, where=where, mend=mend, code=ExitCode.CONFIG)


class JournalBroken(SwarmError):
    """A journal whose chain does not hold: starting on it would be guessing."""

    def __init__(self, what: str, *, where: str, mend: str) -> None:
        super().__init__(what, where=where, mend=mend, code=ExitCode.JOURNAL_BROKEN)
