"""Rows of the three simulated regions, cut in time: older ones to learn from, later ones to be judged by."""

from __future__ import annotations

from dataclasses import dataclass

from learning.rows.row import Rows
from learning.train.validation import held_out
from sim.learning_data import REGIONS, region_rows

FIT_ROWS, TEST_ROWS = 3000, 3000


@dataclass(frozen=True)
class Region:
    """One region's rows; every outcome among `fit` was known before the first of `test` was decided."""

    fit: Rows
    test: Rows


def regions(seed: int, fit_rows: int = FIT_ROWS, test_rows: int = TEST_ROWS) -> dict[str, Region]:
    """Simulate every region's market and cut its rows."""
    count = fit_rows + test_rows
    return {market.region: cut(region_rows(market, seed, count), test_rows) for market in REGIONS}


def cut(rows: Rows, test_rows: int) -> Region:
    """Leave the last rows to be judged by, and out of the older ones those that were not known by then."""
    fold = held_out(rows, test_rows / len(rows))
    return Region(rows.pick(fold.fit), rows.pick(fold.held))
