"""`swarm arb route` converts an amount by depth, exactly, and never for less than a single market gives."""

from __future__ import annotations

import json
import os
import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from arbitrage.tool.books import Books, books_of
from arbitrage.tool.conversion import best_conversion
from arbitrage.tool.entries import entries
from arbitrage.tool.live import live_books
from domain.errors import ExitCode
from tests.arbitrage.tool_builders import Tool, book, tool

__all__ = ["tool"]

SECOND_NS = 10**9


def read(given: list[dict[str, Any]]) -> Books:
    return books_of(entries(json.dumps(given).encode(), "x"), "x")


TWO_WAYS = [
    book("BTC/USDT", [("60000", "1"), ("59000", "5")], taker_bps="10"),
    book("EUR/USDT", asks=[("1.08", "1000000")], taker_bps="5", venue="y"),
    book("BTC/EUR", [("55000", "1"), ("50000", "5")], taker_bps="25", venue="y"),
]


def test_a_way_through_another_asset_and_venue_beats_the_direct_market(tool: Tool) -> None:
    answer = tool.route(TWO_WAYS, "BTC", "EUR", "1.5")
    usdt = (Fraction(60000) + Fraction(59000) / 2) * Fraction(999, 1000)
    euros = usdt / Fraction("1.08") * Fraction(9995, 10000)
    best, direct = answer["best"], answer["direct"]
    assert 0 <= euros - Fraction(best["out"]) < Fraction(1, 10**6)
    assert Fraction(direct["out"]) == (55000 + Fraction(50000) / 2) * Fraction(9975, 10000)
    assert best["rate"] == pytest.approx(float(Fraction(best["out"]) / Fraction("1.5")))
    sold = best["legs"][0]
    assert (sold["venue"], sold["side"], sold["size"]) == ("x", "SELL", "1.50000000")
    gain = (Fraction(best["out"]) / Fraction(direct["out"]) - 1) * 10_000
    assert answer["better_than_direct_bps"] == pytest.approx(float(gain))
    # And a part of it is better sold for euros at once, before their book grows thin.
    split = answer["split"]
    assert len(split["ways"]) == 2 and Fraction(split["out"]) > Fraction(best["out"])
    assert sum(Fraction(way["in"]) for way in split["ways"]) == Fraction("1.5")


def test_swaps_are_paid_where_a_way_changes_the_venue(tool: Tool) -> None:
    free = tool.route(TWO_WAYS, "BTC", "EUR", "0.5")["best"]
    paid = tool.route(TWO_WAYS, "BTC", "EUR", "0.5", "--swap-bps", "10")["best"]
    assert Fraction(free["out"]) - Fraction(paid["out"]) == Fraction(paid["swap"])
    assert float(paid["swap"]) == pytest.approx(float(free["out"]) / 1000)
    assert len(tool.route(TWO_WAYS, "BTC", "EUR", "0.5", "--swap-bps", "200")["best"]["legs"]) == 1


def test_only_the_venues_and_the_legs_asked_for_are_used(tool: Tool) -> None:
    for words in (["--venue", "y"], ["--legs", "1"]):
        best = tool.route(TWO_WAYS, "BTC", "EUR", "0.5", *words)["best"]
        assert [leg["venue"] for leg in best["legs"]] == ["y"]
    assert tool.route(TWO_WAYS, "EUR", "BTC", "1")["best"] is None
    assert tool.route(TWO_WAYS, "BTC", "EUR", "0.5", "--venue", "x")["best"] is None


def test_what_depth_lots_and_minimums_do_not_take_is_left(tool: Tool) -> None:
    thin = [book("BTC/EUR", [("55000", "1")], lot="0.4", taker_bps="0")]
    best = tool.route(thin, "BTC", "EUR", "1.5")["best"]
    assert (best["in"], best["out"], best["unused"]) == ("0.8", "44000", "0.7")
    small = [book("BTC/EUR", [("55000", "1")], min_notional="1000")]
    assert tool.route(small, "BTC", "EUR", "0.001")["best"] is None
    code, out, _ = tool.run("route", "BTC", "EUR", "0.001", "--books", tool.file(small))
    assert code == 0 and "no way from 0.001 BTC to EUR over these books" in out
    code, out, _ = tool.run("route", "BTC", "EUR", "1.5", "--books", tool.file(thin))
    assert code == 0 and "0.7 BTC are not used" in out


def test_a_direct_market_that_takes_less_is_not_compared(tool: Tool) -> None:
    given = [*TWO_WAYS[:2], book("BTC/EUR", [("57000", "0.5")], venue="y")]
    answer = tool.route(given, "BTC", "EUR", "1.5")
    assert answer["direct"]["in"] == "0.5" and answer["better_than_direct_bps"] is None
    code, out, _ = tool.run("route", "BTC", "EUR", "1.5", "--books", tool.file(given))
    assert code == 0 and "the best single market gives 28500 EUR for the 0.5 BTC that it takes" in out


def test_people_are_shown_the_way_the_direct_market_and_the_split(tool: Tool) -> None:
    code, out, errors = tool.run("route", "BTC", "EUR", "1.5", "--books", tool.file(TWO_WAYS))
    assert (code, errors) == (0, "")
    assert "BTC → USDT → EUR: 1.5 BTC become" in out and "the best single market gives" in out
    assert "split over 2 ways" in out and "bps more" in out
    code, out, _ = tool.run("route", "BTC", "EUR", "1", "--books", tool.file(TWO_WAYS[:2]), "--swap-bps", "1")
    assert code == 0 and "no market trades BTC against EUR" in out and "already off for swaps" in out


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["BTC", "XYZ", "1"], "no book knows the asset 'XYZ'"),
        (["BTC", "BTC", "1"], "BTC is what you have"),
        (["BTC", "EUR", "1", "--venue", "z"], "no book knows the venue 'z'"),
        (["BTC", "EUR", "1e-20"], "finer than its smallest part"),
        (["BTC", "EUR", "much"], "'much' is not a decimal number (AMOUNT): give how much to convert"),
        (["BTC", "EUR", "0"], "it is zero (AMOUNT): give how much to convert"),
        (["BTC", "EUR", "-1"], "'-1' is below zero (AMOUNT): give how much to convert"),
    ],
)
def test_a_wrong_question_is_one_line(tool: Tool, words: list[str], what: str) -> None:
    code, _, errors = tool.run("route", *words, "--books", tool.file(TWO_WAYS))
    assert code == ExitCode.USAGE and what in errors and errors.count("\n") == 1


def test_no_way_by_hand_gives_more_and_splits_never_use_a_book_twice() -> None:
    rng = random.Random(5)
    several = 0
    for _ in range(40):
        assets = ["A", "B", "C", "D"]
        worths = {asset: rng.uniform(0.5, 20) for asset in assets}
        given = []
        for place in range(8):
            base, quote = rng.sample(assets, 2)
            mid, width = worths[base] / worths[quote], rng.uniform(0.0001, 0.01)
            levels = range(rng.randint(1, 4))
            given.append(
                book(
                    f"{base}/{quote}",
                    [(f"{mid * (1 - width * (1 + n)):.5f}", f"{rng.uniform(1, 50):.2f}") for n in levels],
                    [(f"{mid * (1 + width * (1 + n)):.5f}", f"{rng.uniform(1, 50):.2f}") for n in levels],
                    venue=f"v{place}",
                    taker_bps=str(rng.choice((0, 10))),
                    **rng.choice(({}, {"fee_in": "quote"}, {"lot": "0.01"})),
                )
            )
        books = read(given)
        if not {"A", "B"} <= set(books.decimals):
            continue
        found = best_conversion(books, "A", "B", "20")
        if found.direct is not None:
            assert found.best is not None and found.best.net_atoms >= found.direct.net_atoms
        taken: dict[tuple[int, int], int] = {}
        for leg in (leg for way in found.split for leg in way.legs):
            taken[leg.instrument, leg.side] = taken.get((leg.instrument, leg.side), 0) + leg.size_lots
        for (market, side), lots in taken.items():
            depth = books.depth(market)
            assert lots <= sum((depth.asks if side > 0 else depth.bids)[:, 1].tolist())
        for way in found.split:
            assert all(
                leg.pay_atoms <= before.get_atoms for before, leg in zip(way.legs, way.legs[1:], strict=False)
            )
        assert sum(way.in_atoms for way in found.split) <= found.amount_atoms
        several += len(found.split) > 1
    assert several > 10


def test_the_running_swarms_books_are_joined_and_the_newest_of_each_taken(tool: Tool, tmp_path: Path) -> None:
    folder = tmp_path / "state" / "books"
    folder.mkdir(parents=True)
    older, newer = folder / "tokyo-1.json", folder / "nyc-1.json"
    older.write_text(json.dumps([book("BTC/USDT", [("1", "1")]), book("EUR/USDT", asks=[("1", "9")])]))
    newer.write_text(json.dumps([book("BTC/USDT", [("2", "1")])]))
    now = older.stat().st_mtime_ns
    os.utime(older, ns=(now - 5 * SECOND_NS, now - 5 * SECOND_NS))
    joined = live_books(tmp_path / "state", now)
    assert [market.symbol for market in joined.instruments] == ["BTCUSDT", "EURUSDT"]
    assert joined.depth(0).bids[0, 0] == 2
    alone = live_books(tmp_path / "state", now + 7 * SECOND_NS)
    assert len(alone.instruments) == 1
    code, out, _ = tool.run("route", "BTC", "EUR", "1", "--state", str(tmp_path / "state"))
    assert code == 0 and "BTC → USDT → EUR" in out
    code, _, errors = tool.run("route", "BTC", "GBP", "1", "--state", str(tmp_path / "state"))
    assert code == ExitCode.USAGE and "known are BTC, EUR, USDT" in errors
    for path in (older, newer):
        os.utime(path, (1, 1))
    for state in ("state", "none"):
        code, _, errors = tool.run("route", "BTC", "EUR", "1", "--state", str(tmp_path / state))
        assert code == ExitCode.NOT_RUNNING and "no books of a running swarm" in errors
