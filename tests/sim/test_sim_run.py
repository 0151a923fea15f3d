"""`swarm sim`: the demo's own files in, a summary out."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest

from domain.errors import ConfigError, ExitCode
from domain.report import Summary
from sim import sim_run
from sim.plot import svg
from sim.sim_run import swarm_plan
from sim.swarm import SwarmModel
from tests.sim.test_journal_run import journal, swarm

DEPLOY = Path(__file__).parents[2] / "deploy"
SHORT = ("sim", "--minutes", "0.1", "--regions", "tokyo")


def test_the_summary_is_the_one_that_the_demo_prints(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    picture = tmp_path / "pnl.svg"
    assert swarm(*SHORT, "--json", "--seed", "2", "--plot", str(picture)) == 0
    out = capsys.readouterr().out
    assert list(json.loads(out)) == list(Summary.__struct_fields__)
    found = msgspec.json.decode(out, type=Summary)
    assert found.positions_match and list(found.regions) == ["tokyo"] and found.seconds >= 6
    assert "PnL by region, seed 2" in "".join(ET.fromstring(picture.read_text("utf-8")).itertext())


def test_a_person_gets_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert swarm(*SHORT) == 0
    captured = capsys.readouterr()
    assert "tokyo" in captured.out and "match" in captured.out and "hash" in captured.out
    assert "MISMATCH" not in captured.out
    assert "virtual seconds in" in captured.err


def test_journals_are_kept_where_asked_and_hold(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert swarm(*SHORT, "--json", "--state", str(tmp_path)) == 0
    on_disk = msgspec.json.decode(capsys.readouterr().out, type=Summary)
    assert on_disk.journal.verified
    assert swarm(*SHORT, "--json") == 0
    assert msgspec.json.decode(capsys.readouterr().out, type=Summary).journal == on_disk.journal
    assert journal(tmp_path, "verify") == journal(tmp_path, "replay") == 0
    with pytest.raises(ConfigError, match="journals here already"):
        swarm(*SHORT, "--state", str(tmp_path))


def test_a_mismatch_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(model: SwarmModel, *_: object) -> None:
        model.run_for(2)
        exchange = model.hosts["tokyo-x"].exchange
        exchange.accounts.free[exchange.config.account_index("tokyo-main")][0] += 1

    monkeypatch.setattr(sim_run, "_run", spoil)
    assert swarm(*SHORT) == ExitCode.POSITIONS_MISMATCH
    captured = capsys.readouterr().out
    assert "MISMATCH" in captured and "mismatch: tokyo-1" in captured


def test_an_unknown_region_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="no region paris") as caught:
        swarm_plan(DEPLOY, 1, ["paris"])
    assert "tokyo" in caught.value.mend


def test_a_folder_without_regions_is_said(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "exchanges.toml", tmp_path)
    with pytest.raises(ConfigError, match="no regions"):
        swarm_plan(tmp_path, 1, None)


def test_only_the_exchanges_that_somebody_trades_at_are_simulated() -> None:
    planned = swarm_plan(DEPLOY, 1, ["frankfurt", "tokyo", "frankfurt"])
    assert [region.region for region in planned.regions] == ["frankfurt", "tokyo"]
    assert {one.name for one in planned.exchanges} == {"frankfurt-x", "tokyo-x"}
    assert len(swarm_plan(DEPLOY, 1, ["nyc"]).exchanges) == 3


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "99999"])
def test_a_time_that_makes_no_sense_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        swarm("sim", "--minutes", minutes)
    assert caught.value.code == ExitCode.USAGE and "must be above 0" in capsys.readouterr().err


def test_a_picture_holds_every_series_and_escapes_its_words() -> None:
    picture = svg("a < b", {"up": [(0, 0), (1, 2)], "down": [(0, 0), (1, -2)], "none": []}, "x", "y")
    root = ET.fromstring(picture)
    lines = [one.get("points") for one in root if one.tag.endswith("polyline")]
    assert lines[0] == "60.0,210.0 840.0,60.0" and lines[1] == "60.0,210.0 840.0,360.0" and lines[2] == ""
    assert "a < b" in "".join(root.itertext())


def test_a_picture_of_nothing_is_a_picture() -> None:
    assert ET.fromstring(svg("empty", {}, "x", "y")).tag.endswith("svg")
