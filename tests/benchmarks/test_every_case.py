"""Every case runs to its end, small: what it measures then says nothing, that it measures says much."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import discover

ROOT = Path(__file__).parents[2]
MAY_BE_ZERO = (
    "drops",
    "growth_frac",
    "phantoms",
    "missed",
    "unequal",
    "gaining_frac",
    "within_of_pooled_frac",
)
CASES = sorted(discover(ROOT / "benchmarks"))


def test_every_file_that_names_a_case_is_found() -> None:
    named = [path for path in (ROOT / "benchmarks").glob("*.py") if "\nCASE = " in path.read_text()]
    assert len(CASES) == len(named) >= 8


@pytest.mark.end_to_end
@pytest.mark.parametrize("case", CASES)
def test_a_case_reports_its_figures_beside_a_peer(case: str) -> None:
    command = [sys.executable, "-m", "benchmarks", case, "--quick", "--json"]
    # What is measured is not to be slowed by counting its lines: other tests hold those.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    told = subprocess.run(
        command, cwd=ROOT, env=plain, capture_output=True, text=True, timeout=300, check=False
    )
    assert told.returncode == 0, told.stderr
    (line,) = told.stdout.splitlines()
    result = json.loads(line)
    assert set(result) == {"case", "metrics", "peer", "peer_metrics", "ratio", "bar", "met"}
    assert result["case"] == case
    assert all(value > 0 for name, value in result["metrics"].items() if name not in MAY_BE_ZERO)
    assert all(result["metrics"].get(name, 0) >= 0 for name in MAY_BE_ZERO)
    assert result["peer"]
    assert result["ratio"] > 0
