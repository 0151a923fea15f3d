"""How long opportunities last: how much of one is gone when the last of its orders is there."""

from __future__ import annotations

from math import exp, expm1, log

import msgspec

from arbitrage.legs import Legs

LOST_FRAC_MAX = 0.999  # of what is always gone nothing can be earned, yet the odds must stay a number


class Lost(msgspec.Struct, array_like=True):
    """One route: how many shadows it had, and what they lost in sum, both fading."""

    count: float = 0.0
    lost: float = 0.0


class Lifetimes:
    """Learn from shadows at what rate opportunities end, and how each route differs from that.

    All are taken to end at one constant rate, so that what was seen at one latency tells of another. Nobody
    sees when one ended, only whether it was over when its orders came: the time that one lived which was over
    is what that rate itself makes of it, again with every shadow (expectation-maximisation). The rate leans
    on the half-life that it begins with, and a route on the rate; either weighs as `samples` shadows. Of what
    was seen `1 / memory` fades with each shadow. At most `routes_max` are kept, the stalest goes first.
    """

    def __init__(self, half_life_ns: int, samples: int, memory: int, routes_max: int) -> None:
        assert half_life_ns > 0, f"a half-life of {half_life_ns} ns"
        self._samples, self._kept_frac, self._routes_max = samples, 1 - 1 / memory, routes_max
        self._prior_ns = samples * half_life_ns / log(2)
        self._ended, self._lived_ns = 0.0, 0.0
        # How many were taken: what was read off before is known to stand while it does.
        self.added = 0
        self._routes: dict[Legs, Lost] = {}

    @property
    def rate(self) -> float:
        """Give how many end in a nanosecond, of one."""
        return (self._samples + self._ended) / (self._prior_ns + self._lived_ns)

    @property
    def half_life_ns(self) -> float:
        """Give the time within which half of all end."""
        return log(2) / self.rate

    def add(self, route: Legs, waited_ns: int, lost_frac: float) -> None:
        """Take what was gone of an opportunity so long after it was found."""
        rate = self.rate
        self.added += 1
        if waited_ns > 0:
            passed = rate * waited_ns
            lived_ns = (
                waited_ns / 2 if passed < 1e-6 else 1 / rate - waited_ns * exp(-passed) / -expm1(-passed)
            )
            self._ended = self._ended * self._kept_frac + lost_frac
            self._lived_ns *= self._kept_frac
            self._lived_ns += lost_frac * lived_ns + (1 - lost_frac) * waited_ns
        known = self._routes.pop(route, None) or Lost()
        known.count = known.count * self._kept_frac + 1
        known.lost = known.lost * self._kept_frac + lost_frac
        self._routes[route] = known
        if len(self._routes) > self._routes_max:
            del self._routes[next(iter(self._routes))]

    def lost_frac(self, route: Legs, wait_ns: int) -> float:
        """Give how much of a route is taken to be gone after a wait."""
        lost = -expm1(-self.rate * wait_ns)
        known = self._routes.get(route)
        if known is not None:
            lost = (self._samples * lost + known.lost) / (self._samples + known.count)
        return min(lost, LOST_FRAC_MAX)

    def odds(self, route: Legs, wait_ns: int) -> float:
        """Give what is gone to what is left: a gain must pay for the loss so many times."""
        lost = self.lost_frac(route, wait_ns)
        return lost / (1 - lost)

    def state(self) -> bytes:
        """Give what was learnt as data, the stalest route first."""
        return msgspec.msgpack.encode((self._ended, self._lived_ns, list(self._routes.items())))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=tuple[float, float, list[tuple[Legs, Lost]]])
        self._ended, self._lived_ns, routes = kept
        self._routes = dict(routes)
