"""`swarm arb solve` answers what was asked: filters before cuts, proofs of no more than they prove."""

from __future__ import annotations

import io
import random
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

from arbitrage.tool.books import books_text, read_books
from deploy.cli import main
from domain.instrument import Instrument
from tests.arbitrage.sizing_builders import depth
from tests.arbitrage.tool_builders import Tool, book, rates, tool

__all__ = ["tool"]


def ring(name: str, rate: str) -> list[dict[str, str]]:
    return [{"from": f"{name}{place}", "to": f"{name}{(place + 1) % 6}", "rate": rate} for place in range(6)]


def test_none_is_proved_only_of_what_was_asked(tool: Tool) -> None:
    two = [*ring("A", "1.01"), *ring("B", "1.02")]
    for begin, gain in (("A0", 1.01**6), ("B0", 1.02**6)):
        answer = tool.solve(two, "--from", begin)
        assert answer["best"] is None and not answer["proved_none"]
        assert answer["longer"]["product"] == pytest.approx(gain)
        assert answer["longer"]["path"][0] == begin == answer["shortest"]["path"][0]
    answer = tool.solve([*ring("A", "1.0001"), *ring("B", "1.02")], "--min-bps", "50")
    assert not answer["proved_none"] and answer["longer"]["product"] == pytest.approx(1.02**6)
    small = tool.solve(ring("A", "1.0001"), "--min-bps", "50")
    assert not small["proved_none"] and small["longer"] is None and small["shortest"] is None
    apart = [*ring("A", "1.01"), {"from": "Q", "to": "A0", "rate": "1"}]
    assert tool.solve(apart, "--from", "Q")["proved_none"]
    code, out, _ = tool.run("solve", tool.file(apart), "--from", "Q", "--min-bps", "1")
    assert code == 0 and "no profitable cycle of more than 1.00 bps through Q of any length" in out


def test_a_gain_below_a_billionth_is_no_longer_cycle(tool: Tool) -> None:
    given = [{"from": "A", "to": "B", "rate": "1"}, {"from": "B", "to": "A", "rate": "1.0000000005"}]
    answer = tool.solve(given)
    assert answer["best"] is None and answer["longer"] is None and answer["shortest"] is None
    assert tool.solve([*given, *ring("R", "1.01")])["longer"]["legs"] == 6


def crowd() -> list[dict[str, str]]:
    """More than a thousand cycles that gain far more than the one through Q."""
    rng = random.Random(9)
    names = [f"C{place}" for place in range(6)]
    given = [
        {"from": one, "to": other, "rate": f"{rng.uniform(1.2, 3):.3f}"}
        for one, other in permutations(names, 2)
    ]
    ends = [("Q", "P", "1"), ("P", "Q", "1.01"), ("P", "C0", "0.00001"), ("C0", "P", "0.00001")]
    return [*given, *({"from": one, "to": other, "rate": rate} for one, other, rate in ends)]


def test_cycles_are_asked_for_before_they_are_cut_to_a_thousand(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arbitrage.tool.solve.CYCLES_MAX", 50)
    whole = tool.solve(crowd(), "--legs", "5")
    assert not whole["complete"] and whole["profitable"] == 50
    for legs in ("2", "5", "6"):
        answer = tool.solve(crowd(), "--from", "Q", "--legs", legs)
        assert answer["best"]["path"] == ["Q", "P", "Q"] and answer["complete"]
    most = tool.solve(crowd(), "--legs", "3", "--min-bps", "10000")["cycles"]
    monkeypatch.setattr("arbitrage.tool.solve.CYCLES_MAX", 5)
    few = tool.solve(crowd(), "--legs", "3", "--min-bps", "10000")
    assert few["cycles"] == most[:5] and len(most) > 5 and not few["complete"]


def test_the_cycles_through_an_asset_are_those_of_all_that_pass_it(tool: Tool) -> None:
    rng = random.Random(21)
    found = 0
    for _ in range(12):
        given = []
        for place in range(rng.randint(4, 9)):
            base, quote = rng.sample("ABCDE", 2)
            low = rng.uniform(0.5, 1.5)
            sides = [(f"{low:.4f}", "5")], [(f"{low * rng.uniform(1, 1.2):.4f}", "5")]
            given.append(book(f"{base}/{quote}", *sides, venue=f"v{place % 3}", symbol=f"s{place}"))
        legs = str(rng.randint(2, 5))
        every = tool.solve(given, "--legs", legs)["cycles"]
        for asset in sorted({name for one in given for name in (one["base"], one["quote"])}):
            through = tool.solve(given, "--legs", legs, "--from", asset)
            wanted = sorted(cycle["product_exact"] for cycle in every if asset in cycle["path"])
            assert sorted(cycle["product_exact"] for cycle in through["cycles"]) == wanted
            assert through["complete"] and all(cycle["path"][0] == asset for cycle in through["cycles"])
            found += len(wanted)
    assert found > 50


def test_what_could_not_be_walked_is_told_to_people_too(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tool.file(
        [*crowd(), {"from": "C0", "to": "Z", "rate": "1e-9"}, {"from": "Z", "to": "C1", "rate": "1"}]
    )
    monkeypatch.setattr("arbitrage.tool.solve.STEPS_MAX", 20)
    code, out, _ = tool.run("solve", path, "--from", "Z", "--legs", "4")
    assert code == 0 and "was found" in out and "there are more ways than can be walked" in out


def test_beside_the_best_by_product_the_one_that_makes_most_money_is_named(tool: Tool) -> None:
    def pair(asset: str, low: str, high: str, size: str) -> list[dict[str, Any]]:
        return [
            book(asset, asks=[(low, size)], venue="x"),
            book(asset, bids=[(high, size)], venue="y"),
        ]

    given = [*pair("ETH/BTC", "0.05", "0.06", "1"), *pair("SOL/USDT", "100", "101", "900")]
    answer = tool.solve(given)
    assert answer["best"]["path"][0] == "BTC" and answer["most"]["asset"] == "USDT"
    assert answer["most"] == {"cycle": 1, "profit": "900", "asset": "USDT", "valued": 1, "tickets": 2}
    code, out, _ = tool.run("solve", tool.file(given))
    assert code == 0 and "most money: USDT → SOL → USDT, 900 USDT profit; 1 could not be valued" in out
    given.append(book("BTC/USDT", bids=[("100000", "1")]))
    assert tool.solve(given)["most"] == {
        "cycle": 0,
        "profit": "1000",
        "asset": "USDT",
        "valued": 2,
        "tickets": 2,
    }
    assert tool.solve(rates([[1, 3], [0.5, 1]]))["most"] is None


def test_a_rebate_is_counted_to_the_last_atom(tool: Tool) -> None:
    for fee_in in ("received", "quote"):
        given = [
            book("BTC/USDT", asks=[("100", "3")], taker_bps="-2.5", fee_in=fee_in),
            book("BTC/USDT", bids=[("100", "3")], venue="y", taker_bps="-1"),
        ]
        ticket = tool.solve(given)["best"]["ticket"]
        assert 0 < Fraction(ticket["profit"]) <= 300 * (Fraction("1.00025") * Fraction("1.0001") - 1)
    written = books_text(
        [Instrument.of(0, "x", "BTC", "USDT", tick="1", lot="1", taker_fee_ppm=-25)],
        {0: depth(bids=[(600, 5)], asks=[])},
    )
    assert read_books(tool.file(written)).instruments[0].taker_fee_ppm == -25


def test_a_profit_that_is_dust_alone_is_none(tool: Tool) -> None:
    given = [
        book("A/B", bids=[("9", "1")], lot="1e-30"),
        book("A/B", asks=[("8", "1e29")], lot="0.3", venue="y"),
    ]
    ticket = tool.solve(given, "--from", "A")["best"]["ticket"]
    # A whole A buys less than it costs, and leaves more over than can be sold.
    assert (ticket["in"], ticket["out"], ticket["dust"]) == ("0.8", "0.9", "0")
    given[1]["size_min"] = "1.2"
    best = tool.solve(given, "--from", "A")["best"]
    assert best["ticket"] is None or float(best["ticket"]["out"]) > float(best["ticket"]["in"])


def test_no_cycle_is_longer_than_was_asked_where_not_all_can_be_walked(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arbitrage.tool.solve.STEPS_MAX", 30)
    answer = tool.solve(crowd(), "--legs", "3")
    assert not answer["complete"] and 0 < max(cycle["legs"] for cycle in answer["cycles"]) <= 3


def test_a_terminal_without_arrows_and_a_pipe_that_closes_are_borne(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tool.file([{"from": "Ä", "to": "B", "rate": "2"}, {"from": "B", "to": "Ä", "rate": "2"}])
    plain = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with monkeypatch.context() as patched:
        patched.setattr("sys.stdout", plain)
        assert main(["arb", "solve", given]) == 0
        assert main(["arb", "route", "Ä", "B", "1", "--books", given]) == 0
    plain.seek(0)
    said = plain.read()
    assert "best: \\xc4 > B > \\xc4" in said and "\\xc4 > B: 1" in said

    def closed(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("rich.console.Console._write_buffer", closed)
    monkeypatch.setattr("deploy.cli.send_nowhere", lambda _: None)
    assert main(["arb", "solve", given]) == 0


def test_a_budget_is_given_once_and_a_file_name_stays_on_its_line(tool: Tool) -> None:
    given = tool.file([book("A/B", [("1", "1")])])
    code, _, errors = tool.run("solve", given, "--budget", "A=5", "--budget", "A=7")
    assert code == 2 and "'A' is given twice (--budget)" in errors
    code, _, errors = tool.run("solve", tool.file(rates([[1, 2], [1, 1]])), "--budget", "z:1=5")
    assert code == 2 and "no book names a venue" in errors
    code, _, errors = tool.run("solve", tool.file("{}", "two\nlines.json"))
    assert code == 24 and errors.count("\n") == 1


def test_assets_of_very_different_worth_are_solved_and_those_beyond_floats_refused(tool: Tool) -> None:
    def chain(count: int) -> list[dict[str, str]]:
        onward = [{"from": f"A{one}", "to": f"A{one + 1}", "rate": "1e13"} for one in range(count)]
        return [*onward, *({"from": one["to"], "to": one["from"], "rate": "0.99e-13"} for one in onward)]

    far = chain(15)
    assert tool.solve(far)["proved_none"]
    far.append({"from": "A9", "to": "A10", "rate": "1.03e13"})
    assert tool.solve(far)["best"]["product"] == pytest.approx(1.03 * 0.99)
    assert tool.solve(far, "--from", "A9")["profitable"] == 1
    code, out, errors = tool.run("solve", tool.file(chain(24)))
    assert (code, out) == (24, "") and "one asset is worth 1e312 of another" in errors
    wild = [
        {"from": f"A{one}", "to": f"A{other}", "rate": "1e14"} for one, other in permutations(range(4), 2)
    ]
    assert tool.solve(wild, "--legs", "10")["profitable"] == 20
