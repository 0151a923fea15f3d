"""Labels against the slow obvious way, and against what could look ahead."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.rows.labels import LabelConfig, Labels, label_path, meta_of, uniqueness
from tests.learning.rows.builders import S

CONFIG = LabelConfig(horizon_s=10, cost_bps=2)
CALM = np.array([0.1])


def labelled(
    path: list[tuple[float, float]], config: LabelConfig = CONFIG, until_s: float | None = None
) -> Labels:
    """Label one decision at 100 s and a mid of 10,000 (a tick is a basis point), by a path in seconds."""
    times, mids = np.array([int(at * S) for at, _ in path], np.int64), np.array([mid for _, mid in path])
    until_ns = None if until_s is None else int(until_s * S)
    at_ns, mid = np.array([100 * S]), np.array([10_000.0])
    return label_path(times, mids, at_ns, mid, CALM, config, until_ns)


@pytest.mark.parametrize(
    ("path", "label", "label_s", "gross", "net"),
    [
        ([(100, 10_000), (103, 10_002.5), (104, 9_000), (120, 9_000)], 2, 103, 2.5, 0.5),
        ([(100, 10_000), (103, 10_005), (120, 9_000)], 2, 103, 5, 3),
        ([(100, 10_000), (103, 9_996), (104, 10_100), (120, 9_000)], 0, 103, -4, -2),
        ([(100, 10_000), (103, 10_001), (120, 9_000)], 1, 110, 1, 0),
        ([(100, 10_000), (110, 9_000), (120, 10_000)], 0, 110, -1000, -998),
        ([(100, 10_000), (110.001, 9_000), (120, 10_000)], 1, 110, 0, 0),
        ([(90, 10_100), (99, 10_000), (120, 9_000)], 1, 110, 0, 0),
        ([(100, 10_000), (105, 10_001)], -1, 0, 1, 0),
        ([(100, 10_000), (105, 10_001), (110, 10_001)], -1, 0, 1, 0),
        ([], -1, 0, 0, 0),
    ],
)
def test_the_first_barrier_counts(
    path: list[tuple[float, float]], label: int, label_s: int, gross: float, net: float
) -> None:
    found = labelled(path)
    assert (found.label[0], found.label_ns[0]) == (label, label_s * S)
    assert found.gross_bps[0] == pytest.approx(gross) and found.net_bps[0] == pytest.approx(net)


def test_a_silent_path_is_known_to_be_whole_only_by_word() -> None:
    assert labelled([(100, 10_000)]).label[0] == -1
    assert labelled([(100, 10_000)], until_s=110).label[0] == -1
    assert labelled([(100, 10_000)], until_s=110.001).label[0] == 1


def test_barriers_lie_as_far_as_volatility_and_cost_say() -> None:
    volatile = np.array([0.0, 1.0, 2.0, 0.001])
    config = LabelConfig(horizon_s=9, up_multiple=2, down_multiple=0.5, cost_bps=2)
    assert config.barrier_bps(2, volatile).tolist() == [2, 6, 12, 2]
    assert config.barrier_bps(0.5, volatile).tolist() == [2, 2, 3, 2]
    free = LabelConfig(horizon_s=4, cost_bps=0)
    assert (free.barrier_bps(1, volatile) > 0).all()


def test_a_meta_label_judges_the_side_that_was_taken() -> None:
    labels = Labels(
        np.array([2, 2, 2, 1, 0, -1], np.int8),
        np.zeros(6, np.int64),
        np.array([3, 3, 3, 1, -3, 3.0]),
        np.zeros(6),
    )
    side = np.array([1, -1, 0, 1, -1, 1], np.int32) * 400_000
    assert meta_of(side, labels, 2.0).tolist() == [1, 0, -1, 0, 1, -1]


def slow(
    times: list[int], mids: list[float], at_ns: int, mid: float, far: float, horizon_ns: int
) -> tuple[int, int]:
    for when, value in zip(times, mids, strict=True):
        if at_ns < when <= at_ns + horizon_ns and abs(value / mid - 1) * 1e4 >= far:
            return (2 if value > mid else 0), when
    return (1, at_ns + horizon_ns) if times[-1] > at_ns + horizon_ns else (-1, 0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 8), st.floats(0.1, 3))
def test_labels_are_what_the_slow_way_says(seed: int, cost_bps: float, multiple: float) -> None:
    draws = np.random.default_rng(seed)
    times = np.cumsum(draws.integers(0, S, 60)).astype(np.int64)
    mids = 10_000 + np.cumsum(draws.integers(-2, 3, 60)).astype(np.float64)
    at = np.arange(0, 60, 3)
    config = LabelConfig(horizon_s=5, up_multiple=multiple, down_multiple=multiple, cost_bps=cost_bps)
    volatility = draws.uniform(0.1, 2, len(at))
    found = label_path(times, mids, times[at], mids[at], volatility, config)
    for place, begin in enumerate(at):
        far = max(multiple * volatility[place] * math.sqrt(5), cost_bps)
        wanted = slow(times.tolist(), mids.tolist(), int(times[begin]), float(mids[begin]), far, 5 * S)
        assert (found.label[place], found.label_ns[place]) == wanted


def test_no_label_depends_on_what_came_after_it_was_known() -> None:
    draws = np.random.default_rng(3)
    times, mids = (
        np.cumsum(draws.integers(1, S, 400)),
        10_000 + np.cumsum(draws.integers(-2, 3, 400)).astype(float),
    )
    at, volatility = np.arange(0, 400, 5), np.full(80, 0.5)
    whole = label_path(times, mids, times[at], mids[at], volatility, CONFIG)
    assert (whole.label >= 0).sum() > 60
    for place in range(0, 80, 7):
        if whole.label[place] < 0:
            continue
        known_ns = int(whole.label_ns[place])
        upto = int(np.searchsorted(times, known_ns, side="right"))
        chosen = at[place : place + 1]
        short = label_path(
            times[:upto], mids[:upto], times[chosen], mids[chosen], volatility[:1], CONFIG, known_ns + 1
        )
        assert (short.label[0], short.label_ns[0]) == (whole.label[place], known_ns)
        assert short.gross_bps[0] == whole.gross_bps[place]


def test_rows_that_overlap_weigh_less() -> None:
    at_ns = np.array([0, 100, 101, 102]) * S
    weight = uniqueness(at_ns, at_ns + 10 * S)
    assert weight.mean() == pytest.approx(1) and weight[0] > 2 * weight[2]
    # Alone for ten seconds: 1. The middle one of three: a half, then eight thirds, then a half, of ten.
    assert weight[2] / weight[0] == pytest.approx((0.5 + 8 / 3 + 0.5) / 10)
    assert uniqueness(at_ns[:0], at_ns[:0]).shape == (0,)
    assert uniqueness(at_ns[:2], at_ns[:2] + 10 * S).tolist() == [1, 1]
