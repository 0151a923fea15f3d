"""Kernels compile in several processes, which end with the one that started them and tell what went wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.kernels import LATER, PACKAGES, compile_beside, kernel_modules, next_one
from domain.errors import SwarmError

_ROOT = Path(__file__).parents[2]
_STATED = {
    "leaf": frozenset({"leaf", "shared"}),
    "other": frozenset({"other", "shared"}),
    "apart": frozenset({"apart", "own", "two"}),
    "top": frozenset({"top", "leaf", "other", "shared"}),
}
_WAITING = """
import sys, time
from collections.abc import Callable
from pathlib import Path
from deploy.kernels import compile_beside
import os
def build(name):
    Path(sys.argv[1], "pid.new").write_text(str(os.getpid()))
    Path(sys.argv[1], "pid.new").rename(Path(sys.argv[1], "pid"))
    time.sleep(60)
compile_beside({"one": frozenset({"one"})}, build, 1, lambda *_: None)
"""


def test_a_kernel_waits_for_its_callees_and_for_those_that_share_them() -> None:
    assert next_one(_STATED, ["leaf", "other", "apart", "top"], []) == "leaf"
    assert next_one(_STATED, ["other", "apart", "top"], ["leaf"]) == "apart"
    assert next_one(_STATED, ["other", "top"], ["leaf", "apart"]) == ""
    assert next_one(_STATED, ["top"], []) == "top"
    assert next_one(_STATED, [], ["top"]) == ""


def test_kernels_of_those_who_trade_are_all_found_and_those_left_for_later_are_there() -> None:
    every = {
        ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        for package in PACKAGES
        for path in (_ROOT / package).rglob("*_kernels.py")
    }
    assert every > LATER and set(kernel_modules()) == every - LATER


def _written(name: str) -> None:
    Path(os.environ["MADE"], name).touch()


def _refused(name: str) -> None:
    raise ValueError(f"cannot type {name}")


def _killed(name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_kernel_is_compiled_and_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADE", str(tmp_path))
    seen: list[tuple[int, int, str]] = []
    compile_beside(_STATED, _written, 2, lambda done, total, name: seen.append((done, total, name)))
    assert {each.name for each in tmp_path.iterdir()} == set(_STATED)
    assert [name for _, _, name in seen] == ["leaf", "apart", "other", "top", ""]
    assert seen[0][:2] == (0, 4) and seen[-1][:2] == (4, 4)


def test_what_cannot_be_compiled_says_so() -> None:
    with pytest.raises(ValueError, match="cannot type"):
        compile_beside(_STATED, _refused, 2, lambda *_: None)


def test_a_killed_worker_is_noticed() -> None:
    with pytest.raises(SwarmError, match="was killed"):
        compile_beside(_STATED, _killed, 2, lambda *_: None)


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    parent = subprocess.Popen([sys.executable, "-c", _WAITING, str(tmp_path)], env=environment)
    try:
        _until((tmp_path / "pid").exists)
        worker = int((tmp_path / "pid").read_text())
        assert not _gone(worker)
    finally:
        parent.kill()
        parent.wait()
    _until(lambda: _gone(worker))


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
