"""Whole runs of the study: one job one result, and no more and no less than what the exchanges say."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from deploy.cli import main
from domain.errors import ExitCode
from sim.market.config import FlowConfig
from sim.study.naive_run import run_naive
from sim.study.report import report
from sim.study.result import Result
from sim.study.study import jobs, study
from sim.study.world import ACCOUNT, Job, StudyConfig, exchanges
from tests.sim.plans import EXCHANGES
from tests.sim.study.builders import found

BUSY = StudyConfig(minutes=0.15, flow=FlowConfig(parent_rate=1 / 20, parent_usdt=60_000))


def ran(latency_ms: float, seed: int = 1) -> Result:
    """Let the naive bot trade in a market full of large orders."""
    job = Job(bot="naive", latency_ms=latency_ms, seed=seed)
    return run_naive(job, BUSY, exchanges(EXCHANGES, BUSY), lambda virtual_s: None)


@pytest.fixture(scope="module")
def near() -> Result:
    return ran(1)


def test_one_job_gives_one_result_and_latency_costs(near: Result) -> None:
    assert near == ran(1)
    far = ran(150)
    assert far.missed + far.evened > near.missed + near.evened
    assert far.realised_usdt / far.sent < near.realised_usdt / near.sent


def test_attempts_add_up_to_what_the_account_gained(near: Result) -> None:
    assert near.sent >= 5 and near.detected >= near.sent * 0.5
    assert near.sent == near.whole + near.evened + near.unwound + near.missed + near.left
    assert near.realised_usdt == pytest.approx(near.net_usdt, abs=0.02 * near.fees_usdt)
    assert 0 < near.realised_usdt <= near.expected_usdt * 1.05
    assert near.put_in_usdt * 2 * 1.5e-4 < near.fees_usdt < near.put_in_usdt * 3 * 2.5e-4


def test_every_exchange_has_the_studys_account_at_its_fee() -> None:
    for one in exchanges(EXCHANGES, StudyConfig(taker_fee_ppm=90)):
        account = one.accounts[one.account_index(ACCOUNT)]
        assert (account.maker_fee_ppm, account.taker_fee_ppm) == (90, 90) and not account.unlimited


def test_jobs_are_every_bot_at_every_latency_on_every_seed() -> None:
    wanted = jobs(["naive", "ours"], [1, 20], [1, 2, 3])
    assert len({(one.bot, one.latency_ms, one.seed) for one in wanted}) == len(wanted) == 12
    assert wanted[-1].latency_us == 20_000


def test_runs_side_by_side_say_the_same_in_the_same_order() -> None:
    config = StudyConfig(minutes=0.02)
    wanted = jobs(["naive"], [1, 20], [1])
    told: list[tuple[int, int]] = []
    beside = study(wanted, config, EXCHANGES, 2, lambda done, total: told.append((done, total)))
    assert [one.latency_ms for one in beside] == [1, 20] and told == [(1, 2), (2, 2)]
    assert beside[:1] == study(wanted[:1], config, EXCHANGES, 1, lambda done, total: None)


def test_the_command_prints_and_writes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call = ["sim", "arb-study", "--bots", "naive", "--seeds", "1", "--minutes", "0.1", "--latencies", "5"]
    assert main([*call, "--processes", "1", "--json", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"][0]["latency_ms"] == 5 and (tmp_path / "arb-study.svg").exists()
    earlier = msgspec.json.encode(report([found("earlier")], BUSY))
    (tmp_path / "earlier.json").write_bytes(earlier)
    assert main([*call, "--processes", "1", "--add", str(tmp_path / "earlier.json")]) == 0
    table = capsys.readouterr().out
    assert "| naive |" in table and "| earlier |" in table


def test_what_is_no_study_cannot_be_added(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call = ["sim", "arb-study", "--bots", "naive", "--seeds", "1", "--minutes", "0.1", "--latencies", "5"]
    assert main([*call, "--processes", "1", "--add", str(tmp_path / "none.json")]) == ExitCode.CONFIG
    assert "none.json" in capsys.readouterr().err


def test_settings_of_our_group_are_lines_of_a_region_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sim", "arb-study", "--ours", "not toml"]) == ExitCode.CONFIG
    assert "--ours" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--latencies", "0"], ["--minutes", "0"], ["--processes", "0"]])
def test_what_cannot_be_studied_is_refused(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["sim", "arb-study", *wrong])
