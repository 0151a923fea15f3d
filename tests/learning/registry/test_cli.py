"""`swarm models` lists, shows, compares, promotes, rolls back and exports, in tables and in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from deploy.cli import main
from domain.errors import ExitCode
from learning.registry.chronicle import Chronicle
from learning.registry.history import Entry
from learning.registry.manifest import Gate, Window, decode_manifest
from learning.registry.registry import Registry
from tests.agents.mind_builders import hedge, trees
from tests.learning.registry.versions import ALIVE, PASSED, champions, exported, manifest, registry


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Leave a champion, the one before it, a canary and a candidate that failed a gate."""
    made = registry(tmp_path / "models" / "tokyo")
    champions(made, 1, 2)
    made.promote(made.put(exported(3), manifest(log_loss=0.987)), "canary")
    made.put(exported(4), manifest(gates=[Gate("norm", False, 12.0, 4.0, "size of l0.weight")]))
    return tmp_path


def said(state: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["models", *words, "--json", "--state", str(state)]) == 0
    return json.loads(capsys.readouterr().out)


def shown(state: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["models", *words, "--state", str(state)]) == 0
    return capsys.readouterr().out


def refused(state: Path, *words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["models", *words, "--state", str(state)])
    told = capsys.readouterr()
    assert told.out == "" and told.err.count("\n") == 1
    return code, told.err


def test_versions_are_listed_those_that_serve_first(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = said(state, "ls", capsys=capsys)
    assert [row["state"] for row in answer["models"]] == ["champion", "canary", "candidate", "retired"]
    assert [row["model"] for row in answer["models"][:2]] == [answer["champion"], answer["canary"]]
    text = shown(state, "ls", capsys=capsys)
    assert "canary 0.1" in text and "0.987" in text and "0/1" in text and answer["champion"][:12] in text


def test_a_list_reads_the_history_no_oftener_for_more_versions(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, lines = list[bytes](), Chronicle._lines

    def counted(self: Chronicle, text: bytes) -> list[Entry]:
        read.append(text)
        return lines(self, text)

    monkeypatch.setattr(Chronicle, "_lines", counted)
    said(state, "ls", capsys=capsys)
    made, few = registry(state / "models" / "tokyo"), len(read)
    for seed in range(10, 14):
        made.put(exported(seed), manifest())
    read.clear()
    assert len(said(state, "ls", capsys=capsys)["models"]) == 8 and len(read) == few


def test_a_damaged_version_is_listed_with_its_trouble(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Registry(state / "models" / "tokyo").pointer().canary
    (state / f"models/tokyo/manifests/{model}.json").write_text("{")
    assert "corrupt" in said(state, "ls", capsys=capsys)["models"][1]["trouble"]
    assert "corrupt" in shown(state, "ls", capsys=capsys)
    code, line = refused(state, "show", "canary", capsys=capsys)
    assert code == ExitCode.BAD_DATA and "corrupt" in line


def test_a_version_is_shown_with_tensors_gates_and_history(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = said(state, "ls", capsys=capsys)["models"][2]["model"]
    answer = said(state, "show", model[:6], capsys=capsys)
    assert (answer["model"], answer["state"], answer["kind"]) == (model, "candidate", "mlp")
    assert answer["tensors"]["l0.weight"] == {"dtype": "float32", "shape": [3, 16]}
    assert [each["verb"] for each in answer["history"]] == ["put"]
    text = shown(state, "show", model, capsys=capsys)
    assert "size of l0.weight: 12, limit 4" in text and "not passed" in text
    assert "promote" in shown(state, "show", "champion", capsys=capsys)
    assert "none yet: `swarm learn report` writes it" in text


def test_two_versions_are_compared(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = said(state, "diff", "canary", "champion", capsys=capsys)
    assert answer["metrics"] == {"log_loss": [0.987, None]} and answer["settings"] == {}
    assert answer["tensors"]["norm.scale"] == 0 and answer["tensors"]["l0.weight"] > 0.5
    text = shown(state, "diff", "canary", "champion", capsys=capsys)
    assert "log_loss" in text and "0.987" in text and "–" in text


def test_versions_of_other_shapes_can_be_compared(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = exported(5)
    other.tensors["l0.weight"] = np.zeros((3, 4), np.float32)
    other.tensors["l1.bias"] = np.zeros(3, np.float32)
    made = registry(state / "models" / "tokyo")
    model = made.put(other, manifest())
    assert said(state, "diff", model, "canary", capsys=capsys)["tensors"]["l1.bias"] is None
    assert "another shape" in shown(state, "diff", model, "canary", capsys=capsys)


def test_promotion_goes_through_the_gates_and_a_rollback_is_one_step(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Registry(state / "models" / "tokyo")
    before = made.pointer()
    code, line = refused(state, "promote", "canary", "--to", "champion", capsys=capsys)
    assert code == ExitCode.NOT_PROMOTED and "gate live was never tried" in line
    assert made.pointer() == before
    made.judge(before.canary, ALIVE)
    answer = said(state, "promote", "canary", "--to", "champion", capsys=capsys)
    assert (answer["champion"], answer["previous"]) == (before.canary, before.champion)
    text = shown(state, "rollback", "--reason", "it lost", capsys=capsys)
    assert before.champion in text and made.history()[-1].reason == "it lost"


def test_a_canary_gets_the_share_that_was_asked_for(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(state, "promote", "canary", "--share", "0.25", capsys=capsys)["canary_ppm"] == 250_000
    for share in ("0", "1.1", "nan", "x", "1e999"):
        with pytest.raises(SystemExit) as ended:
            main(["models", "promote", "canary", "--share", share, "--state", str(state)])
        assert ended.value.code == ExitCode.USAGE
        assert "must be above 0 and up to 1" in capsys.readouterr().err
    words = ("promote", "canary", "--to", "champion", "--share", "0.5")
    assert refused(state, *words, capsys=capsys)[0] == ExitCode.USAGE


@pytest.mark.parametrize("form", ["safetensors", "onnx"])
def test_a_version_is_exported_with_its_manifest_and_nothing_is_overwritten(
    state: Path, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.model"
    answer = said(state, "export", "champion", str(file), "--format", form, capsys=capsys)
    assert answer["written"] == [str(file), f"{file}.json"]
    made = Registry(state / "models" / "tokyo")
    model = made.pointer().champion
    assert decode_manifest((tmp_path / "out.model.json").read_bytes(), "").model == model
    if form == "safetensors":
        assert file.read_bytes() == made.blob(model)
    else:
        import onnxruntime

        session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
        (shares,) = session.run(None, {"x": np.zeros((2, 16), np.float32)})
        assert shares.shape == (2, 3)
    code, line = refused(state, "export", "champion", str(file), capsys=capsys)
    assert code == ExitCode.USAGE and "is there already" in line
    code, line = refused(state, "export", "champion", str(tmp_path / "no/x"), capsys=capsys)
    assert code == ExitCode.USAGE and "no such folder" in line


def test_what_onnx_is_not_written_of_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = registry(tmp_path / "models" / "tokyo")
    for kind, model, words in (
        ("lightgbm", trees(), "these are trees"),
        ("hedge", hedge(), "several models"),
    ):
        version = made.put(model, msgspec.structs.replace(manifest(), kind=kind))
        code, line = refused(
            tmp_path, "export", version, str(tmp_path / "x"), "--format", "onnx", capsys=capsys
        )
        assert code == ExitCode.BAD_DATA and words in line


def test_names_that_are_none_or_many_are_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'zz' is no version" in refused(state, "show", "zz", capsys=capsys)[1]
    assert "'' could be 4 versions" in refused(state, "show", "", capsys=capsys)[1]
    Registry(state / "models" / "tokyo").retire(Registry(state / "models" / "tokyo").pointer().canary, "x")
    code, line = refused(state, "show", "canary", capsys=capsys)
    assert code == ExitCode.USAGE and "'canary' is no version" in line


def test_a_state_without_models_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, line = refused(tmp_path, "ls", capsys=capsys)
    assert code == ExitCode.CONFIG and "there are no models yet" in line


def test_the_window_of_rows_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = registry(tmp_path / "models" / "tokyo")
    window = Window(0, 60_000_000_000, 500)
    made.put(exported(), msgspec.structs.replace(manifest(PASSED), window=window, parent="f00d"))
    text = shown(tmp_path, "show", made.put(exported(), manifest()), capsys=capsys)
    assert "500, 1970-01-01 00:00:00 to 1970-01-01 00:01:00" in text and "f00d" in text


def test_where_several_regions_learn_it_is_asked_whose_models(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = champions(registry(tmp_path / "models" / "tokyo"), 1)
    assert said(tmp_path, "ls", capsys=capsys)["champion"] == first[0], "one region needs no name"
    second = champions(registry(tmp_path / "models" / "nyc"), 2)
    code, line = refused(tmp_path, "ls", capsys=capsys)
    assert code == ExitCode.CONFIG and "say whose models" in line and "one of nyc, tokyo" in line
    assert said(tmp_path, "ls", "--region", "nyc", capsys=capsys)["champion"] == second[0]
    assert "osaka has no models" in refused(tmp_path, "ls", "--region", "osaka", capsys=capsys)[1]
