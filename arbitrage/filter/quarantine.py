"""Markets kept out until they have been sound for a while: enter late, leave later."""

from __future__ import annotations

import msgspec


class Terms(msgspec.Struct, frozen=True, gc=False):
    """State how long trouble lasts before a market is kept out, and what it takes to come back."""

    confirm_ns: int
    calm_ns: int
    held_ns_min: int


class Case(msgspec.Struct, array_like=True, gc=False):
    """One market in trouble for one reason.

    `held_ns` is -1 before it is kept out, `calm_ns` -1 while it is not calm.
    """

    market: int
    reason: int
    since_ns: int
    held_ns: int = -1
    calm_ns: int = -1


class Quarantine:
    """Keep markets out, each for every reason that holds it.

    It holds at most one case for each market and reason. A case opens with trouble and is dropped when calm
    comes before it was confirmed. A market is held from when trouble has lasted `confirm_ns`; it leaves when
    it was held for `held_ns_min` and has been calm for `calm_ns`. What is neither trouble nor calm keeps what
    is: that band is the hysteresis.
    """

    def __init__(self, markets: int, terms: dict[int, Terms]) -> None:
        self.terms = terms
        self.held = [0] * markets
        self.changes = 0
        self._cases: dict[tuple[int, int], Case] = {}
        self._timed: dict[tuple[int, int], None] = {}

    def trouble(self, market: int, reason: int, now_ns: int) -> bool:
        """Tell that a market is off; true where that puts it out now."""
        case = self._cases.get((market, reason))
        if case is None:
            case = self._cases[market, reason] = Case(market, reason, now_ns)
        case.calm_ns = -1
        if case.held_ns >= 0 or now_ns - case.since_ns < self.terms[reason].confirm_ns:
            return False
        case.held_ns = now_ns
        self.held[market] += 1
        self.changes += 1
        return self.held[market] == 1

    def between(self, market: int, reason: int) -> None:
        """Tell that a market is neither off nor well: nothing is confirmed by it, and calm begins anew."""
        case = self._cases.get((market, reason))
        if case is None:
            return
        case.calm_ns = -1
        if case.held_ns < 0:
            del self._cases[market, reason]

    def calm(self, market: int, reason: int, now_ns: int) -> bool:
        """Tell that a market is well; true where it comes back with that."""
        case = self._cases.get((market, reason))
        if case is None:
            return False
        if case.held_ns < 0:
            del self._cases[market, reason]
            return False
        if case.calm_ns < 0:
            case.calm_ns = now_ns
        if not self._served(case, now_ns):
            return False
        del self._cases[market, reason]
        self.held[market] -= 1
        self.changes += 1
        return self.held[market] == 0

    def hold(self, market: int, reason: int, now_ns: int, *, calm: bool) -> None:
        """Keep a market out at once; where it is `calm`, time alone lets it back (`release`)."""
        case = self._cases.get((market, reason))
        if case is None or case.held_ns < 0:
            self.held[market] += 1
            self.changes += 1
        self._cases[market, reason] = Case(market, reason, now_ns, now_ns, now_ns if calm else -1)
        self._timed[market, reason] = None

    def release(self, now_ns: int) -> None:
        """Let go those put out by `hold` that are calm and have served their time, without another look."""
        for key in list(self._timed):
            case = self._cases.get(key)
            if case is not None and case.calm_ns >= 0:
                self.calm(*key, now_ns)
            if key not in self._cases:
                del self._timed[key]

    def why(self, market: int) -> int:
        """Give the reason that has held a market for longest, -1 where none does."""
        cases = [self._cases.get((market, reason)) for reason in self.terms]
        held = [case for case in cases if case is not None and case.held_ns >= 0]
        return min(held, key=lambda case: (case.held_ns, case.reason)).reason if held else -1

    def markets(self) -> tuple[int, ...]:
        """List the markets that are kept out."""
        return tuple(market for market, count in enumerate(self.held) if count > 0)

    def __len__(self) -> int:
        return len(self._cases)

    def state(self) -> bytes:
        """Give every case as data."""
        return msgspec.msgpack.encode((list(self._cases.values()), list(self._timed)))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=tuple[list[Case], list[tuple[int, int]]])
        cases, self._timed = kept[0], dict.fromkeys(kept[1])
        self._cases = {(case.market, case.reason): case for case in cases}
        self.held = [0] * len(self.held)
        self.changes += 1
        for case in cases:
            self.held[case.market] += case.held_ns >= 0

    def _served(self, case: Case, now_ns: int) -> bool:
        terms = self.terms[case.reason]
        return now_ns - case.held_ns >= terms.held_ns_min and now_ns - case.calm_ns >= terms.calm_ns
