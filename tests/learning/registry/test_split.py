"""The share of agents that a canary serves is near what was asked, never redrawn, and grows in place."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from learning.registry.split import serves

MODELS = st.text("0123456789abcdef", min_size=32, max_size=32)
SHARES = st.integers(0, 1_000_000)


@given(MODELS, SHARES)
def test_the_share_is_near_what_was_asked(model: str, share_ppm: int) -> None:
    served = sum(serves(model, shard, share_ppm) for shard in range(1_000))
    assert abs(served / 1_000 - share_ppm / 1e6) < 0.09  # over five deviations


@given(MODELS, st.integers(0, 1 << 40), SHARES, SHARES)
def test_who_is_served_stays_so_while_the_share_grows(model: str, shard: int, one: int, two: int) -> None:
    low, high = sorted((one, two))
    assert serves(model, shard, high) or not serves(model, shard, low)
    assert not serves(model, shard, 0) and serves(model, shard, 1_000_000)


def test_two_models_are_not_tried_on_the_same_agents() -> None:
    both = sum(serves("a", shard, 500_000) and serves("b", shard, 500_000) for shard in range(4_000))
    assert 900 < both < 1_100


def test_the_draw_never_changes() -> None:
    assert [shard for shard in range(40) if serves("f00d", shard, 100_000)] == [11, 18, 25, 33]
