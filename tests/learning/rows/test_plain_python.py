"""Kernels off, the same rows come out."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np

from domain.market_events import MarketRows
from hw.kernel import kernels_on
from learning.rows.features import Features, FeaturesConfig
from learning.rows.gather import Gatherer
from learning.rows.labels import LabelConfig, label_path
from market.rows import rows_of
from tests.learning.rows.builders import S, Seen, feed, market, vector, walk, when


def everything() -> list[float]:
    """Run every kernel of rows, and give what they say as numbers."""
    features, events = Features(FeaturesConfig(warm_s=0)), walk(300, 6)
    feed(features, events)
    draws = np.random.default_rng(11)
    times = np.cumsum(draws.integers(1, S, 200))
    mids = 10_000 + np.cumsum(draws.integers(-2, 3, 200)).astype(np.float64)
    labels = label_path(times, mids, times[::3], mids[::3], np.full(67, 0.7), LabelConfig())
    gatherer = Gatherer([market()])
    told = [rows_of(event.tick if isinstance(event, Seen) else event) for event in events]
    gatherer.take(MarketRows(when(events[-1]), np.concatenate(told)))
    path_ns, path_mids = gatherer.path(0)
    parts = (vector(features, when(events[-1]) + S), labels.label, labels.label_ns, labels.gross_bps)
    return [float(one) for part in (*parts, path_ns, path_mids) for one in part]


def test_plain_python_gives_the_same() -> None:
    script = f"from {__name__} import *; print(kernels_on(), *everything())"
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "SWARM_KERNELS": "off"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert told[0] == "False" and kernels_on() == (os.environ.get("SWARM_KERNELS", "on") != "off")
    np.testing.assert_allclose([float(one) for one in told[1:]], everything(), rtol=1e-6)
