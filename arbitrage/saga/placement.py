"""Where a route is executed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# Further than any place: what was not measured is not near.
UNMEASURED_NS = 1 << 62


def region(
    route_venues: Iterable[str], latency_ns: Mapping[tuple[str, str], int], regions: Iterable[str]
) -> str:
    """Name the region from which the slowest leg is nearest; the first by name of those that are equal.

    `latency_ns` is by (region, venue).

    >>> measured = {("nyc", "x"): 70, ("nyc", "y"): 1, ("tokyo", "x"): 1, ("tokyo", "y"): 90}
    >>> region(["x", "y"], measured, ["tokyo", "nyc"])
    'nyc'
    """
    venues = list(route_venues)
    assert venues, "a route has venues"
    return min(
        (max(latency_ns.get((name, venue), UNMEASURED_NS) for venue in venues), name) for name in regions
    )[1]
