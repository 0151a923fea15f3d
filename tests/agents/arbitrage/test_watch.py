"""What a node writes for watchers, and how it is shown."""

from __future__ import annotations

import asyncio
import json
from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from agents.arbitrage import planning
from agents.arbitrage import scribe as scribing
from agents.arbitrage.planning import Planning
from agents.arbitrage.scribe import MovesTold, Scribe, books_file, news_file
from agents.arbitrage.telling import Line
from agents.arbitrage.watch import Watch, drawn, table
from agents.arbitrage.watch import watch as watched
from arbitrage.tool.live import live_books
from deploy.cli import main
from domain.control_events import MovesPlanned
from domain.errors import ExitCode, SwarmError
from domain.events import Event
from tests.agents.arbitrage.rig import BTC_B, A, B, Rig, group_table


def lived() -> Rig:
    r = Rig()
    r.start()
    r.gap()
    r.quiet(1)
    r.tick(BTC_B, 11_500, 11_502)
    return r


def scribe_of(r: Rig, state: Path) -> Scribe:
    made = Scribe(r.node, state, lambda text: None)
    for path in (news_file(state, "test-1"), books_file(state, "test-1")):
        path.parent.mkdir(parents=True, exist_ok=True)
    return made


def lines(state: Path) -> list[Line]:
    text = news_file(state, "test-1").read_bytes()
    return [msgspec.json.decode(line, type=Line) for line in text.splitlines()]


def test_an_opportunity_is_told_with_its_size_its_threshold_and_how_it_ended(tmp_path: Path) -> None:
    r = lived()
    made = scribe_of(r, tmp_path)
    made.write(made.gather(), None)
    told = lines(tmp_path)[0]
    assert told.outcome == "taken" and told.ended == "flat" and told.profit.endswith("USDT")
    assert told.legs == (("buy", A, "BTCUSDT", "2.000"), ("sell", B, "BTCUSDT", "1.999"))
    assert told.expected_bps is not None and told.expected_bps > told.threshold["total_bps"] > 0
    assert told.node == "test-1" and told.region == "test" and told.group == "arb"
    assert not made.gather()


def test_what_was_not_taken_is_told_with_its_reason(tmp_path: Path) -> None:
    r = Rig(group_table(threshold={"floor_bps": 90.0}))
    r.start()
    r.gap()
    made = scribe_of(r, tmp_path)
    made.write(made.gather(), None)
    (told,) = lines(tmp_path)
    assert (told.outcome, told.reason, told.limit) == ("below", "threshold", 90.0)
    r.wait(0.1)
    made.write(made.gather(), None)
    assert lines(tmp_path)[-1].shadow_bps is not None and lines(tmp_path)[-1].number == told.number


def test_the_file_is_bounded_and_the_watcher_follows_it_over_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribing, "FILE_BYTES_MAX", 400)
    r = lived()
    made = scribe_of(r, tmp_path)
    news = made.gather()
    watching = Watch(tmp_path, None)
    made.write(news[:1], None)
    assert not news_file(tmp_path, "test-1").exists()
    assert [path.name for path in (tmp_path / "arbitrage").iterdir()] == ["test-1.old.jsonl"]
    with pytest.raises(SwarmError, match="no node writes"):
        watching.step()
    monkeypatch.setattr(scribing, "FILE_BYTES_MAX", 1 << 20)
    made.write(news[:1], None)
    assert len(watching.step()) == 1 and watching.step() == []
    made.write(news[:1], None)
    assert len(watching.step()) == 1 and len(watching.latest) == 1


def test_books_are_written_as_the_tools_read_them(tmp_path: Path) -> None:
    r = Rig()
    r.start()
    made = scribe_of(r, tmp_path)
    made.write([], made.depths())
    written = json.loads(books_file(tmp_path, "test-1").read_text("utf-8"))
    assert len(written) == 6 and written[0]["symbol"] == "BTCUSDT"
    path = books_file(tmp_path, "test-1")
    assert len(live_books(tmp_path, path.stat().st_mtime_ns).instruments) == 6


def test_a_scribe_goes_on_until_it_is_cancelled_and_a_full_disk_ends_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scribing, "PAUSE_S", 0.001)
    r, said = lived(), list[str]()

    async def run() -> None:
        task = asyncio.get_running_loop().create_task(Scribe(r.node, tmp_path, said.append).run())
        while not books_file(tmp_path, "test-1").exists():
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(run())
    assert lines(tmp_path) and not said
    (tmp_path / "file").write_text("in the way")
    asyncio.run(Scribe(r.node, tmp_path / "file", said.append).run())
    assert said and "nothing more is written" in said[0]


def test_the_table_shows_route_figures_and_outcome() -> None:
    line = Line(
        ts_ns=1, node="nyc-1", region="nyc", group="arb", number=1,
        legs=(("buy", "a-x", "BTCUSDT", "0.5"), ("sell", "b-x", "BTCUSDT", "0.4")),
        touch_bps=12.34, outcome="below", reason="threshold", figure=12.34, limit=15.0,
        expected_bps=11.0, threshold={"latency_bps": 4.0, "total_bps": 15.0}, shadow_bps=-2.5,
    )  # fmt: skip
    console = Console(width=120, file=StringIO(), record=True)
    console.print(table([line], 10))
    shown = console.export_text()
    for word in (
        "nyc",
        "buy  a-x:BTCUSDT 0.5",
        "12.3",
        "11.0",
        "15.0",
        "-2.5",
        "below threshold",
        "latency 4.0",
    ):
        assert word in shown, word


def test_the_command_shows_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["arb", "watch", "--once", "--state", str(tmp_path)]) == ExitCode.NOT_RUNNING
    assert "no node writes what arbitrage finds" in capsys.readouterr().err
    r = lived()
    made = scribe_of(r, tmp_path)
    made.write(made.gather(), None)
    assert main(["arb", "watch", "--once", "--json", "--state", str(tmp_path)]) == ExitCode.OK
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["outcome"] == "taken" and first["ended"] == "flat"
    assert watched(tmp_path, "elsewhere", as_json=True, once=True) == ExitCode.OK
    assert capsys.readouterr().out == ""
    assert watched(tmp_path, None, as_json=False, once=True) == ExitCode.OK
    assert "BTCUSDT" in capsys.readouterr().out


def test_moves_are_shown_with_what_became_of_them_and_why(tmp_path: Path) -> None:
    shares = {"shares": {"BTC": {A: 0.9, B: 0.1}}}
    way = {"asset": "BTC", "between": [A, B], "fee": "0.01", "delay_s": 60}
    r = Rig(group_table(inventory=shares, ways=[way]))
    r.start()
    Planning(r.node, r.step, lambda: r.now_ns).step()
    made = scribe_of(r, tmp_path)
    made.write([], made.depths())
    made.write_moves(made.moves())
    news_file(tmp_path, "test-1").touch()
    watching = Watch(tmp_path, None)
    watching.step()
    (move,) = [move for move in watching.moves().moves if move.asset == "BTC"]
    assert (move.kind, move.from_venue, move.to_venue) == ("transfer", B, A) and float(move.amount) == 80
    assert move.cost == "0.0100000000" and move.delay_s == 60
    assert Watch(tmp_path, "elsewhere").moves() == MovesTold([], [])
    console = Console(width=160, file=StringIO(), record=True)
    console.print(drawn(watching, 10))
    shown = console.export_text()
    for word in (
        "arb-1",
        "transfer 80 BTC b-x → a-x",
        "proposed",
        "for an operator to take",
        "nothing yet",
        "test-1, nearest to a gain at the touch: ",
        "arb moves: proposed 1",
    ):
        assert word in shown, word


def test_a_node_is_told_its_plan_beside_its_work_and_again_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "PAUSE_S", 0.001)
    shares = {"shares": {"BTC": {A: 0.9, B: 0.1}}}
    r = Rig(group_table(inventory=shares, rebalance={"every_s": 10.0}))
    r.start()
    told: list[Event] = []

    async def run() -> None:
        made = Planning(r.node, told.append, lambda: r.now_ns)
        task = asyncio.get_running_loop().create_task(made.run())
        while not told:
            await asyncio.sleep(0.001)
        task.cancel()
        made.step()
        assert len(told) == 1
        r.quiet(10)
        made.step()
        assert len(told) == 2

    asyncio.run(run())
    (first, _) = told
    assert isinstance(first, MovesPlanned) and first.group == "arb"
    assert [(one.kind, one.asset) for one in first.proposals] == [("trade", "BTC")]


def test_nothing_is_planned_before_every_account_is_known() -> None:
    r = Rig()
    assert planning.due(r.node, {}) == []
    r.start()
    assert planning.due(r.node, {}) == [r.group]
    r.lose(B)
    assert planning.due(r.node, {}) == []
