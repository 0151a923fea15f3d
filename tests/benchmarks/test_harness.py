"""The harness: what it finds, runs, prints and answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as harness
from benchmarks.result import Result
from benchmarks.table import json_line, markdown

MET = Result("speedy", {"ops_per_s": 1_234_567.8}, ">= 1", True, "slow", {"ops_per_s": 10.0}, 123456.8)
MISSED = Result("slow", {"seconds": 4.5}, "<= 3", False, note="peer left out: no environment")


def case(folder: Path, name: str, body: str) -> None:
    """Write a case file."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(
        f'from benchmarks.result import Result\nCASE = "{name}"\ndef run(quick):\n    {body}\n',
        encoding="utf-8",
    )


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(harness, "FOLDER", folder)
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")
    return folder


def test_cases_are_discovered_without_importing_them(tmp_path: Path) -> None:
    case(tmp_path / "a", "heavy", "raise SystemExit")
    (tmp_path / "a" / "plain.py").write_text("X = 1\n", encoding="utf-8")
    assert harness.discover(tmp_path / "a") == {"heavy": "a.heavy"}


def test_an_unknown_case_names_the_known_ones(capsys: pytest.CaptureFixture[str], cases: Path) -> None:
    case(cases, "known", "...")
    assert harness.main(["nonsense"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "unknown case 'nonsense'; there are: known\n"


def test_json_is_one_object_a_line_and_a_missed_bar_still_ends_well(
    capsys: pytest.CaptureFixture[str], cases: Path
) -> None:
    case(
        cases, "one", "print('chatter'); return Result('one', {'x': 1.0}, '<= 0', False, note='no peer here')"
    )
    case(cases, "two", "return Result('two', {'quick': float(quick)}, 'any', True, 'p', {'x': 2.0}, 0.5)")
    assert harness.main(["--json", "--quick"]) == 0
    captured = capsys.readouterr()
    one, two = (json.loads(line) for line in captured.out.splitlines())
    assert list(one) == ["case", "metrics", "peer", "peer_metrics", "ratio", "bar", "met"]
    assert one["met"] is False and one["peer"] is None
    assert two["metrics"] == {"quick": 1.0} and two["ratio"] == 0.5
    assert "one: no peer here" in captured.err


def test_a_crash_is_said_and_fails_but_the_others_are_measured(
    capsys: pytest.CaptureFixture[str], cases: Path
) -> None:
    case(cases, "bad", "raise SystemExit(7)")
    case(cases, "good", "return Result('good', {'x': 1.0}, '<= 2', True)")
    assert harness.main(["--markdown"]) == 1
    captured = capsys.readouterr()
    assert "bad: crashed with exit code 7" in captured.err
    assert "| good | x 1 | – | – | <= 2 | yes |" in captured.out


def test_a_case_that_never_ends_is_given_up(
    capsys: pytest.CaptureFixture[str], cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "CASE_SECONDS_MAX", 0.01)
    case(cases, "endless", "...")
    assert harness.main([]) == 1
    assert "endless: still running" in capsys.readouterr().err


def test_the_screen_table_shows_every_case(capsys: pytest.CaptureFixture[str], cases: Path) -> None:
    case(cases, "good", "return Result('good', {'x': 1.0}, '<= 2', True)")
    assert harness.main([]) == 0
    assert "good" in capsys.readouterr().out


def test_the_child_keeps_chatter_out_of_the_result(
    capsys: pytest.CaptureFixture[str], cases: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case(cases, "one", "print('chatter'); return Result('one', {'x': 1.0}, '<= 0', False)")
    monkeypatch.syspath_prepend(str(cases.parent))
    assert harness.main(["--child", "planted.one"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["case"] == "one" and "chatter" in captured.err


def test_listing_names_the_cases_of_this_project() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert output == sorted(output) and set(output) == set(harness.discover(harness.FOLDER))


def test_the_markdown_table_has_a_row_a_case() -> None:
    lines = markdown([MET, MISSED]).splitlines()
    assert lines[2] == "| speedy | ops_per_s 1,234,568 | slow: ops_per_s 10 | 123,457 | >= 1 | yes |"
    assert lines[3] == "| slow | seconds 4.5 | peer left out: no environment | – | <= 3 | no |"


def test_a_line_of_json_has_the_promised_fields() -> None:
    assert json.loads(json_line(MISSED)) == {
        "case": "slow",
        "metrics": {"seconds": 4.5},
        "peer": None,
        "peer_metrics": {},
        "ratio": None,
        "bar": "<= 3",
        "met": False,
    }
