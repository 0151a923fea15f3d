"""What a region has spent of its privacy: a file that only grows, written before anything leaves."""

from __future__ import annotations

import hashlib
import math
import os
from pathlib import Path

import msgspec
import numpy as np

from domain.errors import ExitCode, SwarmError
from federation.privacy.accountant import ORDERS, epsilon_of, rdp_of_release
from federation.run.store import write_durably


class Spent(msgspec.Struct, frozen=True):
    """One release, and the epsilon of all so far."""

    base: str
    attempt: int
    noise: float
    clip: float
    delta: float
    epsilon: float
    before: str


class Last(msgspec.Struct, frozen=True):
    """How many lines there were at least, and the hash of the last of them."""

    releases: int
    head: str


class PrivacyLedger:
    """Count a region's releases against a hard budget; each line is chained to the one before.

    A chain does not show that its end was cut off: a file beside it says how far it went.
    """

    def __init__(self, path: Path, epsilon_max: float, delta: float) -> None:
        self.path, self.epsilon_max, self.delta = path, epsilon_max, delta
        self._rdp, self._head, self.releases = np.zeros(len(ORDERS)), "", 0
        self._beside = path.with_name(f"{path.name}.last")
        heads = [""]
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            self._take(line)
            heads.append(self._head)
        self._is_whole(heads)

    @property
    def epsilon(self) -> float:
        """Give what was spent so far."""
        return epsilon_of(self._rdp, self.delta)

    def spend(self, base: str, attempt: int, noise: float, clip: float) -> float:
        """Write a release down, durably, and give the new epsilon; refuse one that is over the budget."""
        rdp = self._rdp + rdp_of_release(noise)
        epsilon = epsilon_of(rdp, self.delta)
        if epsilon > self.epsilon_max:
            raise SwarmError(
                f"the privacy budget is spent: {self.epsilon:.3f} of {self.epsilon_max:g}",
                where=str(self.path),
                mend="this region takes no further part; a larger budget is the owner's decision",
                code=ExitCode.CONFIG,
            )
        line = msgspec.json.encode(Spent(base, attempt, noise, clip, self.delta, epsilon, self._head)) + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._rdp, self._head, self.releases = rdp, _hash(line), self.releases + 1
        write_durably(self._beside, msgspec.json.encode(Last(self.releases, self._head)))
        return epsilon

    def _is_whole(self, heads: list[str]) -> None:
        """Hold the chain against how far it went: it may be a line longer, where power was lost."""
        if not self._beside.exists():
            return
        try:
            last = msgspec.json.decode(self._beside.read_bytes(), type=Last)
        except msgspec.DecodeError:
            raise self._broken(f"{self._beside.name} cannot be read") from None
        if not 0 <= last.releases < len(heads) or heads[last.releases] != last.head:
            raise self._broken(f"it does not go on to line {last.releases} as it was written")

    def _take(self, line: bytes) -> None:
        """Count a line that was written earlier; a torn last one was never followed by a message."""
        if not line.endswith(b"\n"):
            self._cut(len(line))
            return
        try:
            spent = msgspec.json.decode(line, type=Spent)
        except msgspec.DecodeError:
            raise self._broken() from None
        if spent.before != self._head or not 0 < spent.noise < math.inf:
            raise self._broken()
        self._rdp = self._rdp + rdp_of_release(spent.noise)
        self._head, self.releases = _hash(line), self.releases + 1

    def _cut(self, count: int) -> None:
        with self.path.open("r+b") as file:
            file.truncate(self.path.stat().st_size - count)

    def _broken(self, what: str = "") -> SwarmError:
        return SwarmError(
            what or f"line {self.releases + 1} does not follow from the one before",
            where=str(self.path),
            mend="what this region has told is not known: put the whole file back",
            code=ExitCode.BAD_DATA,
        )


def _hash(line: bytes) -> str:
    return hashlib.blake2b(line, digest_size=16).hexdigest()
