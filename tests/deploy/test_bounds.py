"""The learner keeps to few cores and to its memory: beyond, it ends by a number and is started anew."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.bounds import check_memory, cores_left, resident_mb
from deploy.child import FINAL_CODES
from deploy.learner import _config, add_commands
from domain.errors import ExitCode, SwarmError
from learning.rows.store import Store
from tests.learning.builders import rows_with_signal


@pytest.mark.parametrize(
    ("allowed", "taken", "most", "left"),
    [
        ([0, 1], [], 1, (1,)),
        ([0, 1], [1], 1, (0,)),
        ([0, 1, 2, 3], [3], 2, (1, 2)),
        ([2], [2], 1, (2,)),
        ([5, 1], [], 9, (1, 5)),
    ],
)
def test_it_takes_the_last_cores_that_no_node_has(
    allowed: list[int], taken: list[int], most: int, left: tuple[int, ...]
) -> None:
    assert cores_left(allowed, taken, most) == left


def test_memory_within_the_bound_is_left_alone_and_beyond_it_one_line_with_a_number_ends() -> None:
    held = resident_mb()
    assert 20 < held < 1 << 20
    check_memory(held + 4_096, "learner")
    with pytest.raises(SwarmError, match=r"it holds \d+ MB, over its 1 MB") as caught:
        check_memory(1, "learner")
    assert caught.value.code == ExitCode.OUT_OF_MEMORY
    assert ExitCode.OUT_OF_MEMORY not in FINAL_CODES, "a supervisor starts it anew"


@pytest.mark.soak
def test_a_learner_beyond_its_memory_ends_with_its_number_and_what_it_knew_is_kept(tmp_path: Path) -> None:
    Store(tmp_path / "rows" / "tokyo").append(rows_with_signal(300))
    Store(tmp_path / "federation" / "holdout").append(rows_with_signal(100, 9))
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.cli", "learner", "--regions", "tokyo", "--memory-mb", "256"),
            *("--cores", "1", "--state", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        check=False,
    )
    assert ended.returncode == ExitCode.OUT_OF_MEMORY, ended.stderr
    assert "learner ready" in ended.stdout
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("swarm: ")]
    assert "over its 256 MB (learner)" in line and "--memory-mb" in line
    assert (tmp_path / "models" / "tokyo" / "learner.msgpack").exists()


@pytest.mark.parametrize(
    ("words", "field"), [(("--cores", "0"), "cores_max"), (("--memory-mb", "1"), "memory_mb")]
)
def test_a_bound_that_cannot_be_is_refused_by_name(words: tuple[str, str], field: str) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    with pytest.raises(SwarmError, match=field) as caught:
        _config(parser.parse_args(["learner", *words]))
    assert caught.value.code == ExitCode.USAGE
