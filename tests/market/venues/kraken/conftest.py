"""A key in the environment for every test that connects."""

from __future__ import annotations

import pytest

from tests.market.venue_server import with_keys
from tests.market.venues.kraken.scripted import KEY, SECRET


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch, KEY, SECRET)
