"""Peers that live in an environment of their own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import orders
from benchmarks.apart import environment

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "peers.sh"


def planted(folder: Path, body: str) -> Path:
    """Build an environment whose python is a shell script."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    python.chmod(0o755)
    return folder


def test_without_the_environment_the_orders_case_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "ENVIRONMENT", tmp_path / "missing")
    monkeypatch.setattr(orders, "measure", lambda rounds: (1.0, 1.0))
    result = orders.run(quick=True)
    assert "peer nautilus_trader left out: run `make bench-peers`" in result.note
    assert result.peer_metrics == {"orders_per_s": 1.0} and result.ratio == 1.0


def test_with_the_environment_its_figure_stands_beside_the_peers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = """echo chatter; echo '{"version": "1.2", "orders_per_s": 7}'"""
    monkeypatch.setattr(environment, "ENVIRONMENT", planted(tmp_path, answer))
    monkeypatch.setattr(orders, "measure", lambda rounds: (2.0, 2.0))
    result = orders.run(quick=True)
    assert result.peer_metrics == {"orders_per_s": 2.0, "nautilus_orders_per_s": 7}
    assert "peer nautilus_trader 1.2 ran apart" in result.note


@pytest.mark.parametrize("body", ["exit 3", "echo nonsense", "true"])
def test_a_peer_that_fails_is_left_out_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str
) -> None:
    monkeypatch.setattr(environment, "ENVIRONMENT", planted(tmp_path, body))
    found, note = environment.measured("nautilus_orders", "nautilus_trader", "1")
    assert found == {} and note.startswith("peer nautilus_trader left out: it failed (")


def test_the_script_is_bash_and_make_help_names_its_target() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "make bench-peers" in listed.stdout


def test_the_script_fails_in_one_line_where_no_python_is_to_be_had(tmp_path: Path) -> None:
    copy = tmp_path / "peers.sh"
    copy.write_text(SCRIPT.read_text(encoding="utf-8").replace("/usr/bin/", "/nowhere/"), encoding="utf-8")
    child = subprocess.run(
        ["/bin/bash", str(copy), str(tmp_path / "venv")],
        env={"PATH": "/nowhere", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 17 and child.stderr.count("\n") == 1
    assert "nothing set up" in child.stderr and not (tmp_path / "venv").exists()
