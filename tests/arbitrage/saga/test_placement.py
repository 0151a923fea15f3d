"""Where a route is executed from."""

from __future__ import annotations

import itertools

from arbitrage.saga.placement import region

NEAR = {
    ("tokyo", "x"): 1,
    ("tokyo", "y"): 110,
    ("tokyo", "z"): 80,
    ("frankfurt", "x"): 110,
    ("frankfurt", "y"): 1,
    ("frankfurt", "z"): 40,
    ("nyc", "x"): 80,
    ("nyc", "y"): 40,
    ("nyc", "z"): 1,
}
REGIONS = ("tokyo", "frankfurt", "nyc")


def test_a_route_goes_where_its_slowest_leg_is_nearest() -> None:
    assert region(["x"], NEAR, REGIONS) == "tokyo"
    assert region(["y", "z"], NEAR, REGIONS) == "frankfurt"
    assert region(["x", "y"], NEAR, REGIONS) == "nyc"
    assert region(["x", "y", "z"], NEAR, REGIONS) == "nyc"


def test_the_first_by_name_has_it_where_two_are_equal_in_whatever_order_they_are_asked() -> None:
    for order in itertools.permutations(REGIONS):
        assert region(["y", "z"], NEAR, order) == "frankfurt"


def test_a_region_that_never_measured_a_venue_is_the_last_choice() -> None:
    assert region(["x"], {("nyc", "x"): 10**9}, REGIONS) == "nyc"
    assert region(["x"], {}, REGIONS) == "frankfurt"
