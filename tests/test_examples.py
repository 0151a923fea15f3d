"""Every example runs, and says what its first lines promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))

# What each must say: an example without a line here fails.
SAYS = {
    "custom_strategy.py": ("orders sent", "positions match: True"),
    "matching_engine.py": (
        "traded 0.50000 at 68010.00",
        "refused: would take",
        "order 5: expired, filled 0.00000 in all",
        "traded 0.10000 at 68020.00",
        "alice holds 9.40000 BTC free and 0.00000 locked",
    ),
    "read_a_journal.py": ("records hold", "the life of order m", "Fill(", "equal: True"),
}
ARGUMENTS = {"custom_strategy.py": ("0.5",)}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_and_says_what_it_promises(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, f"examples/{name}", *ARGUMENTS.get(name, ())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for words in SAYS[name]:
        assert words in ended.stdout


def test_there_are_examples() -> None:
    assert sorted(SAYS) == EXAMPLES
