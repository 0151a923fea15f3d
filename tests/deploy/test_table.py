import io

import msgspec
import pytest
from rich.console import Console

from deploy.table import WIDE, TickRate, table
from domain.lifecycle import Lifecycle
from domain.report import AgentReport, ModelsReport, NodeReport, OrderCounts
from domain.steering import MemberStatus, SwarmStatus


def agent(name: str, unknown: int = 0) -> AgentReport:
    counts = OrderCounts(9, 8, 1, 8, 3, unknown)
    life = int(Lifecycle.REDUCE_ONLY)
    return AgentReport(
        1, name, "momentum", "tokyo-x", "BTCUSDT", life, counts, 4, 1, 5, "0.5 BTC", -1.25, 10.0
    )


def report(ts_ns: int, ticks: int, alarms: tuple[str, ...] = ()) -> NodeReport:
    return NodeReport(
        node="tokyo-1",
        region="tokyo",
        ts_ns=ts_ns,
        epoch=3,
        halted=True,
        halt_command_id=1,
        stopping=False,
        flat_of_orders=True,
        ticks=ticks,
        agents=(agent("one"), agent("two", unknown=2)),
        balances={},
        open_order_ids={},
        tick_to_order_counts={},
        journal_events=1,
        journal_hash="",
        stale_books=0,
        unexplained=("tokyo-x BTC",),
        alarms=alarms,
    )


def status(halted: bool = False) -> SwarmStatus:
    told = report(1_000_000_000, 50, ("first", "latest"))
    members = (
        MemberStatus("tokyo-1", "tokyo", "ok", 0.1, 3, halted, True, told),
        MemberStatus("nyc-1", "nyc", "lost", 9.0, 1, halted, False, None),
    )
    return SwarmStatus(1, halted, ("tokyo",) if halted else (), members, 20.0, -2.5, {}, 1, "")


def drawn(now: SwarmStatus | None, width: int = 180) -> str:
    console = Console(file=io.StringIO(), width=width)
    child = {"name": "venue", "state": "running", "pid": "7", "restarts": "2"}
    console.print(table(now, [child], TickRate(), 5.0, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_agent_and_every_trouble_is_on_the_table() -> None:
    shown = drawn(status())
    for part in (
        "one",
        "two",
        "reduce-only",
        "0.5 BTC",
        "-1.25",
        "lost",
        "latest",
        "restarts 2",
    ):
        assert part in shown
    assert "! tokyo: tokyo-x BTC" in shown
    assert "first" not in shown
    assert "HALTED" not in shown


def test_a_region_sums_its_agents() -> None:
    (line,) = (line for line in drawn(status()).splitlines() if "epoch 3" in line)
    assert line.split()[5:12] == ["18", "16", "2", "16", "6", "2", "-2.50"]


def test_a_halt_is_seen_in_the_title_and_per_region() -> None:
    shown = drawn(status(halted=True))
    assert "HALTED" in shown
    assert "halting" in shown


def test_a_narrow_terminal_loses_no_figure() -> None:
    shown = drawn(status(), width=80)
    rows = [line.strip("│ ").split() for line in shown.splitlines()]
    assert ["tokyo", "ok", "18", "16", "2", "16", "6", "2", "-2.50"] in rows
    assert ["two", "reduce", "9", "8", "1", "8", "3", "2", "0.5", "-1.25"] in rows
    assert "lost" in shown
    assert "tokyo 0/s –/–" in shown
    assert "venue (running, restarts 2)" in shown
    assert "…" not in shown
    assert max(len(line) for line in shown.splitlines()) == 80


@pytest.mark.parametrize("width", [WIDE - 1, WIDE, 220])
def test_no_terminal_cuts_a_figure_of_a_long_day(width: int) -> None:
    busy = OrderCounts(1_234_567, 1_234_567, 99_999, 1_234_567, 234_567, 12)
    told = agent("frankfurt-mom-btcusdt")
    told = msgspec.structs.replace(told, orders=busy, position_text="-12345.678 DOGE", pnl_quote=-12_345.67)
    long = msgspec.structs.replace(report(1, 2), agents=(told,), epoch=1234)
    member = MemberStatus("frankfurt-1", "frankfurt", "ok", 0.1, 1234, False, False, long)
    shown = drawn(msgspec.structs.replace(status(), members=(member,)), width=width)
    (line,) = (line for line in shown.splitlines() if "frankfurt-mom" in line and "1234567" in line)
    assert "-12345.67 " in line
    assert "…" not in line


def test_before_the_coordinator_answers_the_table_says_so() -> None:
    assert "waiting for the coordinator" in drawn(None)


def test_the_tick_rate_is_taken_over_the_last_reports() -> None:
    rates = TickRate()
    assert rates.per_s(report(1_000_000_000, 50)) == 0.0
    assert rates.per_s(report(3_000_000_000, 90)) == 20.0
    assert rates.per_s(report(3_000_000_000, 90)) == 20.0


def test_that_no_model_answers_is_a_trouble_once_there_is_one() -> None:
    alarms = ("link: down", "model: tokyo-ml: baseline answers")
    for champion, shown in (("", False), ("3fa2c1", True)):
        models = ModelsReport(champion, "", 0, {})
        told = msgspec.structs.replace(report(1, 2, alarms), models=models)
        member = MemberStatus("tokyo-1", "tokyo", "ok", 0.1, 3, False, True, told)
        text = drawn(msgspec.structs.replace(status(), members=(member,)))
        assert ("baseline answers" in text) is shown
        assert ("link: down" in text) is not shown
