"""What cannot be is refused before anything is built on it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from market.config import PipelineConfig


@pytest.mark.parametrize(
    "field", ["age_s", "rate_window_ms", "quiet_ms", "frozen_s", "claim_age_s", "skew_ms"]
)
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, -1.0])
def test_times_without_end_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValidationError):
        PipelineConfig.model_validate({field: value})


@pytest.mark.parametrize(
    "changes", [{"smart_up_per_s": 900.0}, {"latch_down_per_s": 50.0}, {"suspect_bps": 2_000.0}]
)
def test_thresholds_are_in_order(changes: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match="must hold"):
        PipelineConfig.model_validate(changes)
