"""Rows from the simulated market: the same every time, different by region, and worth learning from."""

from __future__ import annotations

import numpy as np
import pytest

from learning.rows.labels import LabelConfig
from learning.rows.row import Rows
from sim.learning_data import REGIONS, DataConfig, region_rows

ROWS = 250


@pytest.fixture(scope="module")
def regions() -> dict[str, Rows]:
    return {market.region: region_rows(market, 1, ROWS) for market in REGIONS}


def test_every_region_gives_whole_rows_in_order(regions: dict[str, Rows]) -> None:
    assert list(regions) == ["tokyo", "frankfurt", "nyc"]
    for name, rows in regions.items():
        assert len(rows) == ROWS and rows.markets == ((f"{name}-x", "BTCUSDT"),)
        assert np.isfinite(rows.x).all() and (np.diff(rows.table["at_ns"]) > 0).all()
        assert set(np.unique(rows.y)) == {0, 1, 2}
        assert (rows.table["label_ns"] > rows.table["at_ns"]).all()
        assert set(np.unique(rows.table["meta"])) == {-1, 0, 1}
        np.testing.assert_allclose(rows.table["mid"], 68_000, rtol=0.2)


def test_the_same_seed_gives_the_same_rows_and_another_does_not(regions: dict[str, Rows]) -> None:
    again = region_rows(REGIONS[0], 1, 60)
    assert again.table["features"].tobytes() == regions["tokyo"].table["features"][:60].tobytes()
    assert again.table["label"].tolist() == regions["tokyo"].table["label"][:60].tolist()
    other = region_rows(REGIONS[0], 2, 60)
    assert other.table["features"].tobytes() != again.table["features"].tobytes()


def test_regions_differ_in_kind(regions: dict[str, Rows]) -> None:
    spreads = {name: float(rows.table["spread_bps"].mean()) for name, rows in regions.items()}
    assert spreads["nyc"] < 6 < spreads["tokyo"] < 8.5 < spreads["frankfurt"]


def test_cadence_and_labels_are_as_the_config_says() -> None:
    config = DataConfig(cadence_s=0.5, labels=LabelConfig(horizon_s=2, cost_bps=50))
    rows = region_rows(REGIONS[2], 1, 50, config)
    assert (np.diff(rows.table["at_ns"]) == 500_000_000).all()
    assert (rows.table["label_ns"] == rows.table["at_ns"] + 2_000_000_000).all()
    assert (rows.y == 1).all() and (rows.table["net_bps"] == 0).all()
