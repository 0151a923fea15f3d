"""What shadow fills made of every route: how often they filled, and what they paid."""

from __future__ import annotations

import msgspec

from arbitrage.legs import Legs
from arbitrage.worth.quantile import Window


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
    """Keep up to `routes_max` routes, each with its latest `window` returns; the stalest goes first.

    `pooled` is of all routes together: what a route that nobody knows yet is taken for.
    """

    def __init__(self, routes_max: int, window: int, memory: int) -> None:
        self.routes_max, self.window, self.memory = routes_max, window, memory
        self.pooled = Outcome()
        # How many were taken: what was read off before is known to stand while it does.
        self.added = 0
        self._routes: dict[Legs, tuple[Outcome, Window]] = {}

    def add(self, route: Legs, expected_bps: float, shadow_bps: float, *, met: bool, filled: bool) -> None:
        """Take one settled shadow of a route, named by `canonical`."""
        self.added += 1
        known = self._routes.pop(route, (Outcome(), Window(self.window)))
        outcome, window = known
        outcome.add(expected_bps, shadow_bps, met, filled, self.memory)
        self.pooled.add(expected_bps, shadow_bps, met, filled, self.memory)
        if met:
            window.add(shadow_bps)
        self._routes[route] = known
        if len(self._routes) > self.routes_max:
            del self._routes[next(iter(self._routes))]

    def of(self, route: Legs) -> Outcome:
        """Give a route's figures; those of an unknown one are empty."""
        found = self._routes.get(route)
        return found[0] if found is not None else Outcome()

    def quantile_bps(self, route: Legs, frac: float) -> float | None:
        """Give a quantile of a route's latest shadow returns, `None` where there are none."""
        found = self._routes.get(route)
        return found[1].quantile(frac) if found is not None and len(found[1]) > 0 else None

    def routes(self) -> tuple[Legs, ...]:
        """List the routes, the stalest first."""
        return tuple(self._routes)

    def state(self) -> bytes:
        """Give every route's figures as data."""
        kept = [(route, outcome, window.oldest_first()) for route, (outcome, window) in self._routes.items()]
        return msgspec.msgpack.encode((self.pooled, kept))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self.added += 1
        kind = tuple[Outcome, list[tuple[Legs, Outcome, list[float]]]]
        self.pooled, kept = msgspec.msgpack.decode(state, type=kind)
        self._routes = {route: (outcome, Window(self.window, values)) for route, outcome, values in kept}
