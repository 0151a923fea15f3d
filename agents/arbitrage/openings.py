"""Which routes gain now and were followed already: what is learnt from depends on it, so it is state."""

from __future__ import annotations

from arbitrage.legs import Legs

OPEN_MAX = 256

State = list[tuple[Legs, int, bool, bool]]


class Openings:
    """Remember the routes seen last: when, whether they were taken then, and whether they are followed.

    A route goes on as long as it gains without a pause; one that was taken begins anew.
    """

    def __init__(self, gone_ns: int) -> None:
        self._gone_ns = gone_ns
        self._open: dict[Legs, tuple[int, bool, bool]] = {}

    def seen(self, route: Legs, now_ns: int, taken: bool) -> bool:
        """Note that a route gains; tell whether it is followed already."""
        last_ns, was_taken, followed = self._open.pop(route, (0, True, False))
        followed = followed and not was_taken and now_ns - last_ns <= self._gone_ns
        self._open[route] = now_ns, taken, followed
        if len(self._open) > OPEN_MAX:
            del self._open[next(iter(self._open))]
        return followed

    def follow(self, route: Legs) -> None:
        """Note that a route that was just seen is followed from now on."""
        last_ns, taken, _ = self._open[route]
        self._open[route] = last_ns, taken, True

    def state(self) -> State:
        """Give everything that a restart needs, the oldest first."""
        return [(route, *facts) for route, facts in self._open.items()]

    def restore(self, state: State) -> None:
        """Take back what `state` gave."""
        self._open = {route: (last_ns, taken, followed) for route, last_ns, taken, followed in state}
