"""How long a route has looked profitable: what lasts for seconds at size is broken, not a gift."""

from __future__ import annotations

import msgspec

from arbitrage.legs import Legs


class Episode(msgspec.Struct, array_like=True, gc=False):
    """One route, from when it was first seen profitable without a pause."""

    first_ns: int
    last_ns: int


class Episodes:
    """Keep when routes were seen, up to `routes_max`: the one unseen for longest is forgotten first.

    An episode ends when the route was not seen for `gone_ns` although a market of it moved meanwhile: what
    nobody looked at because nothing moved is not gone.
    """

    def __init__(self, routes_max: int, gone_ns: int) -> None:
        self.routes_max, self.gone_ns = routes_max, gone_ns
        self._seen: dict[Legs, Episode] = {}

    def seen(self, route: Legs, moved_ns: int, now_ns: int) -> int:
        """Tell how long a route has been profitable; `moved_ns` is when one of its markets last moved."""
        episode = self._seen.pop(route, None)
        if episode is None or (now_ns - episode.last_ns > self.gone_ns and moved_ns > episode.last_ns):
            episode = Episode(now_ns, now_ns)
        episode.last_ns = now_ns
        self._seen[route] = episode
        if len(self._seen) > self.routes_max:
            del self._seen[next(iter(self._seen))]
        return now_ns - episode.first_ns

    def __len__(self) -> int:
        return len(self._seen)

    def state(self) -> bytes:
        """Give every episode as data, the one unseen for longest first."""
        return msgspec.msgpack.encode(list(self._seen.items()))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._seen = dict(msgspec.msgpack.decode(state, type=list[tuple[Legs, Episode]]))
