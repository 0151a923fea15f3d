"""For every test here: a key in the environment, and limits that do not hold it up."""

from __future__ import annotations

import pytest

from market.venues.kraken import rest
from market.venues.kraken.limits import Tier
from tests.market.venue_server import with_keys
from tests.market.venues.kraken.scripted import KEY, SECRET


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, KEY, SECRET)


@pytest.fixture(autouse=True)
def _no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "STARTER", Tier(100_000, 1_000.0, 100_000, 1_000.0))
