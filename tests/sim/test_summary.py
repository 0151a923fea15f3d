"""The summary sums up, and finds every way in which a venue and we can differ."""

from __future__ import annotations

from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from domain.lifecycle import Lifecycle
from domain.report import AgentReport, Learning, NodeReport, OrderCounts, RegionLearning
from hw.latency import LatencyHistogram
from sim.summary import JournalFacts, VenueTruth, summarise
from sim.summary_table import summary_table

TRUTH = VenueTruth(
    "tokyo-1", "tokyo-x", "tokyo-main", {"BTC": 20_000_000_000, "USDT": 5}, ("m0010000100000001",)
)


def agent(number: int, fills: int = 2, pnl_quote: float = 1.5) -> AgentReport:
    """Build an agent's report."""
    orders = OrderCounts(10, 8, 2, 8, 3, 1)
    return AgentReport(
        number,
        f"a{number}",
        "maker",
        "tokyo-x",
        "BTCUSDT",
        Lifecycle.ACTIVE,
        orders,
        fills,
        1,
        3,
        "0.3",
        pnl_quote,
        9.0,
    )


def report(node: str = "tokyo-1", **changes: Any) -> NodeReport:
    """Build a node's report that agrees with `TRUTH`."""
    seen = LatencyHistogram()
    seen.record(20_000)
    whole = NodeReport(
        node=node,
        region=node.split("-", maxsplit=1)[0],
        ts_ns=1,
        epoch=1,
        halted=False,
        halt_command_id=0,
        stopping=True,
        flat_of_orders=True,
        ticks=100,
        agents=(agent(1), agent(2)),
        balances={"tokyo-x": dict(TRUTH.balances)},
        open_order_ids={"tokyo-x": TRUTH.open_order_ids},
        tick_to_order_counts=seen.counts(),
        journal_events=7,
        journal_hash="ab",
        stale_books=0,
        reconciled=True,
    )
    return msgspec.structs.replace(whole, **changes)


JOURNALS = [JournalFacts("b", 4, True, "bb"), JournalFacts("a", 3, True, "aa")]


def test_a_run_is_summed_up() -> None:
    other = report("nyc-1", balances={"nyc-x": {}}, open_order_ids={}, agents=(agent(3),))
    truths = [TRUTH, VenueTruth("nyc-1", "nyc-x", "nyc-main", {"BTC": 0}, ())]
    summary = summarise([report(), other], truths, {"tokyo-1": 2, "venue": 1}, JOURNALS, 60.0)
    assert summary.positions_match and summary.mismatches == ()
    assert (summary.agents, summary.ticks, summary.fills, summary.pnl_quote) == (3, 200, 6, 4.5)
    assert summary.orders == OrderCounts(30, 24, 6, 24, 9, 3)
    assert (summary.restarts, summary.regions["tokyo"].restarts, summary.regions["nyc"].restarts) == (3, 2, 0)
    assert summary.regions["tokyo"].fills == 4 and summary.regions["nyc"].orders.sent == 8
    assert summary.journal.events == 7 and summary.journal.verified
    assert summary.tick_to_order_us.p50 == pytest.approx(20, rel=0.02)


def test_the_hash_does_not_depend_on_the_order_of_journals_but_on_each_head() -> None:
    def hash_of(journals: list[JournalFacts]) -> str:
        return summarise([], [], {}, journals, 1.0).journal.hash

    assert hash_of(JOURNALS) == hash_of(JOURNALS[::-1])
    assert hash_of(JOURNALS) != hash_of([JOURNALS[0], JournalFacts("a", 3, True, "ac")])


@pytest.mark.parametrize(
    "journals", [[], [*JOURNALS, JournalFacts("c", 1, False, "")]], ids=["none", "broken"]
)
def test_journals_are_verified_only_when_all_are(journals: list[JournalFacts]) -> None:
    assert not summarise([report()], [TRUTH], {}, journals, 1.0).journal.verified


@pytest.mark.parametrize(
    ("ours", "truths", "line"),
    [
        (report(reconciled=False), [TRUTH], "tokyo-1: the account was not reconciled at the end"),
        (report(unexplained=("BTC off by 1",)), [TRUTH], "tokyo-1: BTC off by 1"),
        (report(), [], "tokyo-1: tokyo-x did not tell its balances"),
        (
            report(balances={"tokyo-x": {"BTC": 10_000_000_000, "USDT": 5}}),
            [TRUTH],
            "tokyo-1: tokyo-x holds 2.0000000000 BTC, we count 1.0000000000",
        ),
        (
            report(balances={"tokyo-x": {**TRUTH.balances, "ETH": 1}}),
            [TRUTH],
            "tokyo-1: tokyo-x holds 0.0000000000 ETH, we count 0.0000000001",
        ),
        (report(open_order_ids={}), [TRUTH], "tokyo-1: tokyo-x has m0010000100000001 open, we do not"),
        (
            report(),
            [VenueTruth("tokyo-1", "tokyo-x", "tokyo-main", TRUTH.balances, ())],
            "tokyo-1: we have m0010000100000001 open, tokyo-x does not",
        ),
        (
            report(),
            [TRUTH, VenueTruth("nyc-1", "nyc-x", "nyc-main", {}, ())],
            "nyc-x: no node reported on the account nyc-main",
        ),
    ],
)
def test_each_difference_is_a_line(ours: NodeReport, truths: list[VenueTruth], line: str) -> None:
    summary = summarise([ours], truths, {}, JOURNALS, 1.0)
    assert not summary.positions_match and summary.mismatches == (line,)


def test_an_account_with_two_owners_is_a_mismatch() -> None:
    second = msgspec.structs.replace(TRUTH, node="tokyo-2")
    summary = summarise([report(), report("tokyo-2")], [TRUTH, second], {}, JOURNALS, 1.0)
    assert summary.mismatches == ("tokyo-x: tokyo-1 and tokyo-2 both report on the account tokyo-main",)


def test_two_nodes_may_hold_different_accounts_of_one_venue() -> None:
    away = VenueTruth("nyc-1", "tokyo-x", "nyc-away", {"BTC": 7}, ())
    other = report("nyc-1", balances={"tokyo-x": {"BTC": 7}}, open_order_ids={})
    assert summarise([report(), other], [TRUTH, away], {}, JOURNALS, 1.0).positions_match
    wrong = msgspec.structs.replace(away, balances={"BTC": 8})
    found = summarise([report(), other], [TRUTH, wrong], {}, JOURNALS, 1.0)
    assert len(found.mismatches) == 1 and found.mismatches[0].startswith("nyc-1: tokyo-x holds")


def test_a_mismatch_is_its_own_regions() -> None:
    other = report("nyc-1", balances={"nyc-x": {"BTC": 1}}, open_order_ids={})
    summary = summarise(
        [report(), other], [TRUTH, VenueTruth("nyc-1", "nyc-x", "nyc-main", {}, ())], {}, JOURNALS, 1.0
    )
    assert summary.regions["tokyo"].positions_match and not summary.regions["nyc"].positions_match


def test_where_nothing_was_measured_there_is_no_latency() -> None:
    latency = summarise([report(tick_to_order_counts={})], [TRUTH], {}, JOURNALS, 1.0).tick_to_order_us
    assert latency.p50 is None and latency.p99 is None


def test_the_table_fits_a_narrow_terminal_and_says_everything() -> None:
    other = report("nyc-1", balances={"nyc-x": {"BTC": 1}}, open_order_ids={}, ticks=1_234_567)
    found = summarise(
        [report(), other],
        [TRUTH, VenueTruth("nyc-1", "nyc-x", "nyc-main", {}, ())],
        {"nyc-1": 3},
        JOURNALS,
        60.0,
    )
    console = Console(width=80, file=StringIO(), record=True)
    console.print(summary_table(found))
    shown = console.export_text()
    assert "…" not in shown
    rows = {line.strip().split("  ")[0]: line.split()[-3:] for line in shown.splitlines() if line.strip()}
    assert rows["ticks"] == ["100", "1,234,567", "1,234,667"] and rows["restarts"] == ["0", "3", "3"]
    assert rows["orders refused"] == ["4", "4", "8"] and rows["PnL"] == ["+3.00", "+3.00", "+6.00"]
    assert rows["positions"] == ["match", "MISMATCH", "MISMATCH"]
    assert "tick to order: p50 20 µs, p99 20 µs" in shown and "mismatch: nyc-1: nyc-x holds" in shown
    assert "7 events, verified" in shown


def test_what_was_learnt_stands_beside_what_was_traded() -> None:
    console = Console(width=80, file=StringIO(), record=True)
    learning = Learning(
        7, 3, {"tokyo": RegionLearning(rows=1_234, champion="a1b2c3d4", judged=3, promoted=1)}
    )
    found = msgspec.structs.replace(summarise([report()], [TRUTH], {}, [], 1.0), learning=learning)
    console.print(summary_table(found))
    shown = console.export_text()
    rows = {line.strip().split("  ")[0]: line.split()[-2:] for line in shown.splitlines() if line.strip()}
    assert rows["rows"] == ["1,234", "1,234"]
    assert rows["versions judged"] == ["3", "3"] and rows["versions let in"] == ["1", "1"]
    assert "a1b2c3" in shown and "learning: version 7, 3 made in this run" in shown


def test_where_nothing_was_measured_the_table_says_nothing_of_it() -> None:
    console = Console(width=80, file=StringIO(), record=True)
    broken = [JournalFacts("a", 1, False, "")]
    console.print(summary_table(summarise([report(tick_to_order_counts={})], [TRUTH], {}, broken, 1.0)))
    shown = console.export_text()
    assert "tick to order" not in shown and "NOT VERIFIED" in shown
