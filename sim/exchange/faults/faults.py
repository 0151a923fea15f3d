"""The faults themselves, as a value: what happens to each frame and request. No clock, no I/O."""

from __future__ import annotations

from random import Random

import msgspec

from domain.draws import stream
from sim.exchange.faults.config import Door, FaultKind, FaultSpec
from sim.exchange.faults.frames import Frame, plain, spoiled

MS_NS, S_NS = 1_000_000, 1_000_000_000
FAULTS_MAX = 64
_K = FaultKind


class Fate(msgspec.Struct, frozen=True):
    """What becomes of a frame: copies that leave when they are due, and what happens to its connection."""

    passages: tuple[tuple[bytes, int], ...]
    cut: bool = False
    freeze: bool = False


class Asked(msgspec.Struct, frozen=True):
    """One incoming request. One that `changes` something may be accepted and never answered."""

    door: Door
    symbol: str
    account: str
    changes: bool


class Verdict(msgspec.Struct, frozen=True):
    """What becomes of a request; `silent` is that its answer never leaves, `lost` that it never arrived."""

    kind: FaultKind
    wait_ns: int = 0
    status: int = 0
    retry_after_s: int = 0
    silent: bool = False
    lost: bool = False


class Fault:
    """One fault with its own draws and counters."""

    def __init__(self, number: int, spec: FaultSpec, now_ns: int) -> None:
        self.number, self.spec = number, spec
        self.symbol = None if spec.symbol is None else plain(spec.symbol)
        self.from_ns = now_ns + round(spec.after_s * S_NS)
        self.until_ns = None if spec.for_s is None else self.from_ns + round(spec.for_s * S_NS)
        self.seen, self.struck, self.began = 0, 0, False
        self._draws: Random = stream(spec.seed, "fault", spec.kind)
        self._due_ns = self.from_ns
        self._missing: dict[tuple[int, str], int] = {}

    def active(self, now_ns: int) -> bool:
        """Tell whether its window is open."""
        return self.from_ns <= now_ns and not self.over(now_ns)

    def over(self, now_ns: int) -> bool:
        """Tell whether its window has closed."""
        return self.until_ns is not None and now_ns >= self.until_ns

    def aims(self, door: Door, symbol: str, account: str) -> bool:
        """Tell whether this is its target."""
        spec = self.spec
        return (
            door in spec.doors
            and (self.symbol is None or self.symbol == symbol)
            and (spec.account is None or spec.account == account)
        )

    def strikes(self, now_ns: int) -> bool:
        """Draw, or look at the schedule: does it strike this time?"""
        self.seen += 1
        every_s = self.spec.every_s
        if every_s is None:
            hit = self.spec.frac >= 1.0 or self._draws.random() < self.spec.frac
        else:
            hit = now_ns >= self._due_ns
            while now_ns >= self._due_ns:
                self._due_ns += round(every_s * S_NS)
        self.struck += hit
        return hit

    def misses(self, frame: Frame, now_ns: int) -> bool:
        """Tell whether a book update falls into a gap, which goes on until enough are missing."""
        key = (frame.link, frame.symbol)
        left = self._missing.get(key, 0)
        if left == 0:
            if not self.strikes(now_ns):
                return False
            left = self.spec.size
        self._missing[key] = left - 1
        return True

    def forget(self, link: int) -> None:
        """Drop what is known of a connection."""
        for key in [key for key in self._missing if key[0] == link]:
            del self._missing[key]

    def told(self, now_ns: int) -> dict[str, object]:
        """Describe it for the admin endpoint."""
        left_s = None if self.until_ns is None else max(0.0, (self.until_ns - now_ns) / S_NS)
        told = self.spec.model_dump(mode="json", exclude_none=True)
        state = {"id": self.number, "active": self.active(now_ns), "left_s": left_s}
        return {**state, **told, "seen": self.seen, "struck": self.struck}


class Faults:
    """All faults of one exchange. Equal specs, frames and times give equal fates."""

    def __init__(self) -> None:
        self._faults: dict[int, Fault] = {}
        self._next = 1
        self._last_ns: dict[int, int] = {}

    @property
    def any(self) -> bool:
        """Tell whether frames must be looked at; frames that still wait must not be overtaken."""
        return bool(self._faults) or bool(self._last_ns)

    def add(self, spec: FaultSpec, now_ns: int) -> int:
        """Take a fault; give its number, or 0 when there are too many."""
        if len(self._faults) >= FAULTS_MAX:
            return 0
        number, self._next = self._next, self._next + 1
        self._faults[number] = Fault(number, spec, now_ns)
        return number

    def remove(self, number: int) -> Fault | None:
        """End a fault before its time."""
        return self._faults.pop(number, None)

    def all(self) -> list[Fault]:
        """List the faults that are not over."""
        return list(self._faults.values())

    def turn(self, now_ns: int) -> tuple[list[Fault], list[Fault]]:
        """Give the faults that begin and those that end by now."""
        ended = [fault for fault in self._faults.values() if fault.over(now_ns)]
        for fault in ended:
            del self._faults[fault.number]
        begun = [one for one in self._faults.values() if not one.began and one.active(now_ns)]
        for fault in begun:
            fault.began = True
        return begun, ended

    def next_ns(self) -> int | None:
        """Tell when the next fault begins or ends."""
        edges = [fault.from_ns for fault in self._faults.values() if not fault.began]
        edges += [fault.until_ns for fault in self._faults.values() if fault.until_ns is not None]
        return min(edges, default=None)

    def shift_ns(self, now_ns: int) -> int:
        """Tell by how much the exchange's clock is off."""
        sizes = (one.spec.size for one in self._active(now_ns, _K.CLOCK_STEP))
        return sum(size * MS_NS for size in sizes)

    def frame(self, frame: Frame, now_ns: int) -> Fate:
        """Decide what becomes of an outgoing frame: first whether it leaves, then how often and when."""
        copies, payload, held_ns, delay_ns = 1, frame.payload, 0, 0
        for fault in self._active(now_ns):
            kind, size = fault.spec.kind, fault.spec.size
            if not fault.aims(frame.door, frame.symbol, frame.account) or kind in _REQUEST_ONLY:
                continue
            if kind in _BOOK_ONLY and not frame.book:
                continue
            if kind == _K.GAP:
                if fault.misses(frame, now_ns):
                    return Fate(())
            elif fault.strikes(now_ns):
                if kind == _K.DROP:
                    return Fate(())
                if kind in (_K.DISCONNECT, _K.HALF_OPEN):
                    return Fate((), cut=kind == _K.DISCONNECT, freeze=kind == _K.HALF_OPEN)
                copies += size if kind == _K.DUPLICATE else 0
                held_ns += size * MS_NS if kind == _K.REORDER else 0
                delay_ns += size * MS_NS if kind == _K.DELAY else 0
                payload = spoiled(payload) if kind == _K.WRONG_CHECKSUM else payload
        due_ns = self._due_ns(frame.link, now_ns, delay_ns) + held_ns
        return Fate(((payload, due_ns),) * copies)

    def _due_ns(self, link: int, now_ns: int, delay_ns: int) -> int:
        """Delayed frames keep their order: nobody overtakes the last that waits."""
        due_ns = max(now_ns + delay_ns, self._last_ns.get(link, 0))
        if due_ns > now_ns:
            self._last_ns[link] = due_ns
        else:
            self._last_ns.pop(link, None)
        return due_ns

    def forget(self, link: int) -> None:
        """Drop what is known of a connection that ended."""
        self._last_ns.pop(link, None)
        for fault in self._faults.values():
            fault.forget(link)

    def request(self, asked: Asked, now_ns: int) -> Verdict | None:
        """Decide what becomes of a request; `None` lets it pass."""
        for fault in self._active(now_ns):
            kind = fault.spec.kind
            if kind == _K.MAINTENANCE:
                fault.seen, fault.struck = fault.seen + 1, fault.struck + 1
                return Verdict(kind, status=503)
            if not fault.aims(asked.door, asked.symbol, asked.account):
                continue
            if kind == _K.TIMEOUT_AFTER_ACCEPTANCE and not asked.changes:
                continue
            here = kind in _OF_REQUESTS or (asked.door == Door.REST and kind in (_K.DROP, _K.DELAY))
            if here and fault.strikes(now_ns):
                return _verdict(fault, now_ns)
        return None

    def closed(self, now_ns: int) -> bool:
        """Tell whether the exchange is in maintenance, so that nobody may connect."""
        return bool(self._active(now_ns, _K.MAINTENANCE))

    def _active(self, now_ns: int, kind: FaultKind | None = None) -> list[Fault]:
        every = self._faults.values()
        return [one for one in every if one.active(now_ns) and kind in (None, one.spec.kind)]


_BOOK_ONLY = (_K.GAP, _K.WRONG_CHECKSUM)
_OF_REQUESTS = (_K.HTTP_5XX, _K.TIMEOUT_AFTER_ACCEPTANCE, _K.BAN)
_REQUEST_ONLY = (*_OF_REQUESTS, _K.CLOCK_STEP, _K.MAINTENANCE, _K.DELISTING, _K.TICK_SIZE_CHANGE)


def _verdict(fault: Fault, now_ns: int) -> Verdict:
    spec = fault.spec
    if spec.kind == _K.HTTP_5XX:
        return Verdict(spec.kind, status=spec.size)
    if spec.kind == _K.BAN:
        left_s = 60 if fault.until_ns is None else -(-(fault.until_ns - now_ns) // S_NS)
        return Verdict(spec.kind, status=418, retry_after_s=spec.size if spec.size > 0 else left_s)
    if spec.kind == _K.DELAY:
        return Verdict(spec.kind, wait_ns=spec.size * MS_NS)
    return Verdict(spec.kind, silent=True, lost=spec.kind == _K.DROP)
