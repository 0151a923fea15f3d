"""`swarm learn` from a store to a version, its page and its table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from deploy.cli import main
from learning.cli import KINDS, _progress, settings_of
from learning.models import MODELS
from learning.registry.registry import Registry
from learning.registry.table import shown
from learning.rows.store import Store
from learning.train.code import code_version
from tests.learning.builders import rows_with_signal


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    Store(folder / "rows" / "tokyo").append(rows_with_signal(700))
    return folder


def told(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["learn", *(str(word) for word in words)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_kinds_are_those_there_are() -> None:
    assert list(MODELS) == list(KINDS)


def test_training_keeps_a_candidate_with_gates_page_and_baselines(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("train", "--state", state, "--model", "mlp", "--set", "epochs=4", "--region", "tokyo")
    runs = ("--mlflow", (tmp_path / "runs").as_uri(), "--purged")
    code, out, err = told(capsys, *words, *runs, "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert list(answer["walk_forward"]) == ["mlp", "prior", "persistence", "logistic"]
    assert answer["settings"]["epochs"] == 4 and answer["run"] != ""
    registry = Registry(state / "models" / "tokyo")
    manifest = registry.show(answer["model"])
    assert (manifest.kind, manifest.source, manifest.window.rows) == ("mlp", "tokyo", answer["rows"])
    assert manifest.config["train.cost_bps"] == 2.0 and len(manifest.features) == 16
    assert manifest.code_version == code_version() != ""
    assert {gate.name for gate in manifest.gates} == set(answer["gates"]) and len(manifest.gates) == 9
    assert registry.get(answer["model"]).config == answer["settings"]
    page = Path(answer["report"]).read_text(encoding="utf-8")
    assert answer["model"] in page and "5 paths" in page and "ofi_1" in page
    assert shown(registry, answer["model"])["page"] == answer["report"]
    code, out, _ = told(capsys, "report", answer["model"], "--state", state)
    assert code == 0 and out.splitlines()[1].split()[0] == "mlp"


def test_a_version_that_passes_may_be_promoted_and_the_next_goes_on_from_it(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "train",
        "--store",
        state / "rows" / "tokyo",
        "--out",
        tmp_path / "models" / "tokyo",
        "--model",
        "ridge",
    )
    code, out, _ = told(capsys, *words)
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("walk forward") and [line.split()[0] for line in lines[1:5]] == [
        "ridge",
        "prior",
        "persistence",
        "logistic",
    ]
    registry = Registry(tmp_path / "models" / "tokyo")
    (first,) = registry.states()
    passed = {gate.name: gate.passed for gate in registry.show(first).gates}
    assert all(passed.values()) and lines[-2].endswith("passed every gate: `swarm models promote`")
    assert main(["models", "promote", first, "--to", "champion", "--state", str(tmp_path)]) == 0
    capsys.readouterr()
    code, out, _ = told(capsys, *words, "--base", first[:12], "--seed", "1", "--json")
    second = json.loads(out)["model"]
    assert second != first and registry.show(second).parent == first
    for more in (("--set", "ridge=2"), ("--model", "mlp"), ("--search", "2")):
        code, _, err = told(capsys, "train", *words[1:5], "--base", first, *more)
        assert code == 2 and "--base goes on with the kind (ridge)" in err and more[0] in err
    limits = {gate.name: gate.limit for gate in registry.show(second).gates}
    assert limits["log_loss"] is not None and limits["gain"] is not None
    code, out, _ = told(capsys, "report", "champion", *words[1:5], "--json")
    assert code == 0 and json.loads(out)["model"] == first
    assert {path.stem for path in (tmp_path / "models" / "tokyo" / "reports").glob("*")} == {first, second}


def test_settings_are_searched_first_when_asked(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("train", "--state", state, "--out", tmp_path, "--model", "logistic", "--search", "6", "--json")
    code, out, err = told(capsys, *words)
    answer = json.loads(out)
    assert (code, err, answer["searched"]) == (0, "", 6)
    assert 1 < answer["walk_forward"]["logistic"]["tried"] <= 7


def test_rows_are_counted_by_class_and_market(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "rows", "--state", state, "--json")
    answer = json.loads(out)
    assert code == 0 and answer["rows"] == answer["down"] + answer["flat"] + answer["up"] == 700
    assert answer["markets"] == {"tokyo-x:BTC/USDT": 700}
    code, out, _ = told(capsys, "rows", "--state", state)
    assert "2023-11-14 22:13:20" in out and "tokyo-x:BTC/USDT" in out
    code, out, _ = told(capsys, "rows", "--state", state, "--symbol", "ETH/USDT", "--json")
    assert json.loads(out)["rows"] == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("train", "--set", "epochs"), "is no setting"),
        (("train", "--set", "colour=3"), "setting 'colour'"),
        (("train", "--model", "hedge", "--set", "zebra/epochs=3"), "setting 'zebra/epochs' is of no model"),
        (("train", "--cost-bps", "-1"), "--cost-bps -1"),
        (("train", "--store", "nowhere"), "no rows yet"),
        (("report", "0" * 32), "no version"),
        (("report", "champion"), "'champion' is no version"),
        (("train", "--base", "0" * 12), "no version"),
    ],
)
def test_trouble_is_one_line(
    state: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], line: str
) -> None:
    code, out, err = told(capsys, words[0], "--state", state, *words[1:])
    assert code != 0 and out == ""
    assert err.startswith("swarm: ") and err.count("\n") == 1 and line in err


def test_an_empty_store_is_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows" / "tokyo").mkdir(parents=True)
    code, _, err = told(capsys, "train", "--state", tmp_path)
    assert code == 24 and "0 labelled rows" in err and err.count("\n") == 1


def test_a_number_that_is_none_is_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["learn", "train", "--search", "many"])
    assert caught.value.code == 2
    assert "must be 1 to 10000, not 'many'" in capsys.readouterr().err


def test_a_terminal_shows_how_far_it_is_and_nothing_else_does(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress() as progress:
        progress("mlp", 1, 4)
    assert capsys.readouterr().err == ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: True)
        patch.setenv("FORCE_COLOR", "1")
        with _progress() as progress:
            progress("mlp", 1, 4)
            progress("mlp", 4, 4)
    assert "mlp" in capsys.readouterr().err


def test_numbers_are_read_as_numbers() -> None:
    assert settings_of(["rate=0.1", "epochs=3", "hidden=8,8"]) == {"rate": 0.1, "epochs": 3, "hidden": "8,8"}
