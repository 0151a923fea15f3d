"""Sums of a study: by run, by latency, as files and as a picture."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from sim.study.attempt import End
from sim.study.picture import picture
from sim.study.report import against, report, table, write
from sim.study.result import quantile, result, rows
from sim.study.world import StudyConfig
from tests.sim.study.builders import found, judged


def test_a_run_counts_its_ends_and_ranks_its_shortfalls() -> None:
    attempts = [judged(2.0), judged(1.0, End.EVENED), judged(-1.0, End.UNWOUND), judged(0.0, End.MISSED)]
    one = result("ours", 5.0, 3, 10.0, 9, attempts, 1.5, {"thin": 2})
    assert (one.detected, one.sent, one.whole, one.evened, one.unwound, one.missed, one.left) == (
        9, 4, 1, 1, 1, 1, 0,
    )  # fmt: skip
    assert (one.expected_usdt, one.realised_usdt, one.net_usdt, one.fees_usdt) == (8.0, 2.0, 1.5, 2.0)
    assert (one.short_bps_p10, one.short_bps_p50, one.short_bps_p90) == pytest.approx((0.0, 20.0, 30.0))
    assert result("ours", 5.0, 3, 10.0, 0, [], 0.0, {}).short_bps_p50 is None and quantile([], 0.5) is None


def test_seeds_are_summed_per_hour_with_their_standard_error() -> None:
    one, other = rows([found(net_usdt=5.0), found(seed=2, net_usdt=7.0), found("ours")])
    assert (one.bot, one.seeds, one.hours, one.detected, one.net_usdt) == ("naive", 2, 1.0, 20.0, 12.0)
    assert one.net_usdt_error == pytest.approx(2.0)
    assert (one.expected_bps, one.realised_bps) == pytest.approx((10.0, 5.0))
    assert (other.bot, other.seeds, other.net_usdt_error) == ("ours", 1, 0.0)


def test_a_bot_that_put_nothing_in_has_no_return() -> None:
    (row,) = rows([found(put_in_usdt=0.0, expected_usdt=0.0, realised_usdt=0.0)])
    assert row.expected_bps == row.realised_bps == 0.0


def test_the_table_has_a_line_for_each_latency_and_bot_in_order() -> None:
    lines = table(rows([found("ours", 20.0), found("naive", 20.0), found("naive", 5.0)])).splitlines()
    assert [line.split("|")[1:3] for line in lines[2:]] == [
        [" 5 ", " naive "],
        [" 20 ", " naive "],
        [" 20 ", " ours "],
    ]
    assert len({line.count("|") for line in lines}) == 1


def test_a_bot_is_held_against_the_naive_one_on_the_same_seeds_alone() -> None:
    naive = [found(seed=seed, net_usdt=net) for seed, net in ((1, 10.0), (2, 20.0), (3, 90.0))]
    ours = [found("ours", seed=seed, net_usdt=net) for seed, net in ((1, 15.0), (2, 35.0), (4, 70.0))]
    lines = against([*naive, *ours, found("ours", 5.0)]).splitlines()
    assert lines[0] == "| ms | ours − naive |"
    assert lines[2:] == ["| 1 | 20 ± 10 |", "| 5 |  |"]


def test_returns_have_an_error_that_weighs_seeds_by_what_they_put_in() -> None:
    (row,) = rows(
        [found(put_in_usdt=100.0, realised_usdt=1.0), found(seed=2, put_in_usdt=300.0, realised_usdt=5.0)]
    )
    assert row.realised_bps == pytest.approx(150.0)
    # Each seed is off by 0.5 USDT of the 200 that a seed puts in on average.
    assert row.realised_bps_error == pytest.approx(0.5 / 200 * 1e4)


def test_the_picture_is_well_formed_and_draws_every_bot() -> None:
    results = [
        found(bot, latency_ms, seed, net_usdt=seed * 10 - latency_ms)
        for bot in ("naive", "ours")
        for latency_ms in (1.0, 20.0, 200.0)
        for seed in (1, 2)
    ]
    drawn = ElementTree.fromstring(picture(rows(results), "net & <more>"))
    texts = [one.text for one in drawn.iter() if one.tag.endswith("text")]
    assert "naive, net" in texts and "ours, expected (dashed)" in texts and "net & <more>" in texts
    lines = [one.attrib["points"] for one in drawn.iter() if one.tag.endswith("polyline")]
    assert len(lines) == 6 and all(len(points.split()) == 3 for points in lines)


def test_one_latency_alone_can_be_drawn() -> None:
    assert "nan" not in picture(rows([found()]), "one")


def test_everything_is_written_and_can_be_read_again(tmp_path: Path) -> None:
    made = report([found(), found("ours", seed=2)], StudyConfig(minutes=30))
    paths = write(made, tmp_path / "new", "a study")
    assert {path.suffix for path in paths} == {".json", ".csv", ".svg", ".md"}
    read = json.loads((tmp_path / "new" / "arb-study.json").read_text())
    assert read["config"]["minutes"] == 30 and len(read["results"]) == 2 and len(read["rows"]) == 2
    with (tmp_path / "new" / "arb-study.csv").open() as file:
        (first, second) = csv.DictReader(file)
    assert first["bot"] == "naive" and second["seed"] == "2" and "untaken" not in first
