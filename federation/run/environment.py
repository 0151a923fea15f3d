"""What Flower and Ray are told before they start: nothing is sent anywhere, all state is ours."""

from __future__ import annotations

from pathlib import Path

QUIET = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "ORT_DISABLE_TELEMETRY": "1",
}
# One thread each: training must not take the cores that decide and send.
NARROW = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def environment(state: Path) -> dict[str, str]:
    """Give what a process of the federation is started with."""
    return {**QUIET, **NARROW, "FLWR_HOME": str(state / "flower")}
