"""What shadow fills made of every route: how often they filled, and what they paid."""

from __future__ import annotations

import msgspec

from arbitrage.legs import Legs


class Outcome(msgspec.Struct, array_like=True):
    """One route's figures, in bps. `filled` counts whole fills, `met` those of which anything filled.

    Means and variance are of what was met; the latest weigh 1 / `memory` at least, so that old times fade.
    """

    count: int = 0
    met: int = 0
    filled_frac: float = 0.0
    expected_mean_bps: float = 0.0
    shadow_mean_bps: float = 0.0
    shadow_variance: float = 0.0

    def add(self, expected_bps: float, shadow_bps: float, met: bool, filled: bool, memory: int) -> None:
        """Take one settled shadow."""
        self.count += 1
        weight = 1 / min(self.count, memory)
        self.filled_frac += weight * (filled - self.filled_frac)
        if met:
            self.met += 1
            weight = 1 / min(self.met, memory)
            self.expected_mean_bps += weight * (expected_bps - self.expected_mean_bps)
            off_bps = shadow_bps - self.shadow_mean_bps
            self.shadow_mean_bps += weight * off_bps
            self.shadow_variance += weight * (off_bps * off_bps * (1 - weight) - self.shadow_variance)


class Outcomes:
    """Keep up to `routes_max` routes; the stalest goes first.

    `pooled` is of all routes together: what a route that nobody knows yet is taken for.
    """

    def __init__(self, routes_max: int, memory: int) -> None:
        self.routes_max, self.memory = routes_max, memory
        self.pooled = Outcome()
        # How many were taken: what was read off before is known to stand while it does.
        self.added = 0
        self._routes: dict[Legs, Outcome] = {}

    def add(self, route: Legs, expected_bps: float, shadow_bps: float, *, met: bool, filled: bool) -> None:
        """Take one settled shadow of a route, named by `canonical`."""
        self.added += 1
        outcome = self._routes.pop(route, None) or Outcome()
        outcome.add(expected_bps, shadow_bps, met, filled, self.memory)
        self.pooled.add(expected_bps, shadow_bps, met, filled, self.memory)
        self._routes[route] = outcome
        if len(self._routes) > self.routes_max:
            del self._routes[next(iter(self._routes))]

    def of(self, route: Legs) -> Outcome:
        """Give a route's figures; those of an unknown one are empty."""
        return self._routes.get(route) or Outcome()

    def routes(self) -> tuple[Legs, ...]:
        """List the routes, the stalest first."""
        return tuple(self._routes)

    def state(self) -> bytes:
        """Give every route's figures as data."""
        return msgspec.msgpack.encode((self.pooled, list(self._routes.items())))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self.added += 1
        kind = tuple[Outcome, list[tuple[Legs, Outcome]]]
        self.pooled, kept = msgspec.msgpack.decode(state, type=kind)
        self._routes = dict(kept)
