"""Times as Kraken writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.exchange.kraken.stamps import read_rfc3339, rfc3339, seconds


@given(st.integers(0, 4 * 10**18))
def test_a_time_comes_back_to_the_nanosecond(now_ns: int) -> None:
    assert read_rfc3339(rfc3339(now_ns, 9)) == now_ns
    assert read_rfc3339(rfc3339(now_ns, 0)) == now_ns // 10**9 * 10**9


def test_zones_are_read_and_nonsense_is_not() -> None:
    assert read_rfc3339("1970-01-01T01:00:00.5+01:00") == 500_000_000
    for text in ("", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00", "x"):
        assert read_rfc3339(text) is None


def test_seconds_have_microseconds() -> None:
    assert seconds(1_700_000_000_123_456_789) == pytest.approx(1_700_000_000.123456, abs=1e-6)
