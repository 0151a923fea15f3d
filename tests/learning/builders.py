"""Rows with a structure that can be learnt, for tests."""

from __future__ import annotations

import numpy as np

from learning.rows.row import FEATURE_COUNT, ROW, Rows

STEP_NS, HORIZON_NS = 1_000_000_000, 10_000_000_000
BEGIN_NS = 1_700_000_000_000_000_000


def rows_with_signal(
    count: int = 2000, seed: int = 0, *, strength: float = 1.5, curved: bool = False, begin_ns: int = BEGIN_NS
) -> Rows:
    """Build rows a second apart whose move follows the first three features, by a line or by a curve.

    A row is up above +2 bps, down below -2 bps; column 4 is heavy-tailed and column 5 stands still.
    """
    draws = np.random.default_rng(seed)
    table = np.zeros(count, ROW)
    x = draws.normal(size=(count, FEATURE_COUNT)).astype(np.float32)
    x[:, 4] = draws.standard_t(3, count) * 100
    x[:, 5] = 7.0
    line = x[:, 0] - 0.5 * x[:, 1] + 0.25 * x[:, 2]
    pull = 2.0 * x[:, 0] * x[:, 7] if curved else line
    gross = 3.0 * (strength * pull + draws.normal(size=count))
    table["features"] = x
    table["at_ns"] = begin_ns + np.arange(count) * STEP_NS
    table["label_ns"] = table["at_ns"] + HORIZON_NS
    table["gross_bps"] = gross
    table["net_bps"] = np.sign(gross) * np.maximum(np.abs(gross) - 2.0, 0.0)
    table["label"] = np.where(gross > 2.0, 2, np.where(gross < -2.0, 0, 1))
    table["meta"] = -1
    table["mid"] = 100.0
    table["spread_bps"] = 1.0
    table["volatility_bps"] = 3.0
    table["realised_bps"] = np.nan
    return Rows.of("tokyo-x", "BTC/USDT", table)
