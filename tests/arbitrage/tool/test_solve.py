"""`swarm arb solve` gives the published answers, and exact ones to anybody's books."""

from __future__ import annotations

import io
import json
import random
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

from arbitrage.fee import FeeRule
from arbitrage.size.sizing import NoTicketReason
from arbitrage.tool.answer import SAYINGS
from arbitrage.tool.books import books_of, books_text, read_books
from arbitrage.tool.entries import entries
from arbitrage.tool.solve import Asked, solve
from domain.instrument import Instrument
from tests.arbitrage.sizing_builders import depth
from tests.arbitrage.tool_builders import OCTOBOT, Tool, book, last, rates, tool

__all__ = ["tool"]


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ([[1, 1.2, 0.89], [0.88, 1, 5.1], [1.1, 0.15, 1]], ["1", "2", "1"]),
        (
            [
                [1, 3.1, 0.0023, 0.35],
                [0.21, 1, 0.00353, 8.13],
                [200, 180.559, 1, 10.339],
                [2.11, 0.089, 0.06111, 1],
            ],
            ["1", "2", "4", "1"],
        ),
        ([[1, 2], [0.45, 1]], None),
    ],
)
def test_uva_104_is_answered_by_the_shortest_sequence(
    tool: Tool, table: list[list[float]], path: list[str] | None
) -> None:
    answer = tool.solve(rates(table), "--min-bps", "100")
    assert (answer["shortest"] and answer["shortest"]["path"]) == path
    assert len(answer["ignored"]) == len(table)
    assert answer["proved_none"] == (path is None) and (answer["best"] is None) == (path is None)


def as_rates(pairs: dict[str, str]) -> list[dict[str, str]]:
    given = []
    for pair, price in pairs.items():
        base, quote = pair.split("/")
        given.append({"from": base, "to": quote, "rate": price})
        given.append({"from": quote, "to": base, "rate": repr(1 / float(price))})
    return given


def test_octobots_triangles_are_found_from_books_and_from_rates(tool: Tool) -> None:
    small = {pair: OCTOBOT[pair] for pair in ("BTC/USDT", "ETH/BTC", "ETH/USDT")}
    for given in ([last(pair, price) for pair, price in small.items()], as_rates(small)):
        assert tool.solve(given)["best"]["product"] == pytest.approx(4.5, rel=1e-12)
    for given in ([last(pair, price) for pair, price in OCTOBOT.items()], as_rates(OCTOBOT)):
        triangle = tool.solve(given, "--legs", "3")["best"]
        assert triangle["product"] == pytest.approx(5.526315789473684, rel=1e-12)
        assert set(zip(triangle["path"], triangle["path"][1:], strict=False)) == {
            ("ETH", "BTC"),
            ("BTC", "USDC"),
            ("USDC", "ETH"),
        }
        longest = tool.solve(given, "--legs", "10")
        assert longest["best"]["product"] == pytest.approx(5.775, rel=1e-12)
        assert longest["best"]["path"] == ["USDT", "ETH", "BTC", "USDC", "USDT"]
        assert longest["complete"] and longest["profitable"] == sum(map(len, longest["by_legs"].values()))


def test_a_path_of_rates_and_depths_starts_with_what_its_narrowest_place_bears(tool: Tool) -> None:
    """peregrine's tests: the largest start volume along (rate, depth) edges."""
    first = [("2", "3"), ("3", "4"), ("0.2", "14")]
    second = [
        ("2", "3"),
        ("3", "4"),
        ("7", "10"),
        ("5", "40"),
        ("0.2", "220"),
        ("6", "40"),
        ("0.05", "200"),
        ("0.5", "20"),
    ]
    for edges, start in ((first, 2.0), (second, 0.7936507936507936)):
        given = []
        for place, (rate, room) in enumerate(edges):
            base, quote = f"A{place}", f"A{place + 1}" if place < len(edges) - 1 else "A0"
            given.append(book(f"{base}/{quote}", bids=[(rate, room)]))
        narrow = min(
            Fraction(room) / path
            for (_, room), path in zip(edges, products([rate for rate, _ in edges]), strict=True)
        )
        answer = tool.solve(given, "--legs", "10", "--from", "A0")
        assert float(narrow) == pytest.approx(start, rel=1e-12)
        assert float(answer["best"]["ticket"]["in"]) == pytest.approx(start, rel=1e-7)


def products(given: list[str]) -> list[Fraction]:
    """Give what one unit has become before each edge."""
    made = [Fraction(1)]
    for rate in given[:-1]:
        made.append(made[-1] * Fraction(rate))
    return made


def test_a_ticket_is_exact_to_the_last_digit_of_any_precision(tool: Tool) -> None:
    given = [
        book("BTC/USDT", asks=[("30000.123456789012345", "1.2345678901234567")], taker_bps="7.5"),
        book("BTC/USDT", bids=[("30500.987654321098765", "0.5")], venue="y", taker_bps="10"),
    ]
    ticket = tool.solve(given)["best"]["ticket"]
    size, price = Fraction(ticket["legs"][0]["size"]), Fraction("30000.123456789012345")
    assert Fraction(ticket["in"]) == size * price
    sold = Fraction(ticket["legs"][1]["size"])
    assert sold == Fraction(1, 2) and ticket["legs"][1]["price"] == "30500.987654321098765"
    out = sold * Fraction("30500.987654321098765") * Fraction(999, 1000)
    assert 0 <= out - Fraction(ticket["out"]) < Fraction(1, 10**20)
    parts = [Fraction(ticket[name]) for name in ("out", "dust", "in", "swap", "profit")]
    assert parts[0] + parts[1] - parts[2] - parts[3] == parts[4]


def test_every_cycle_of_a_small_market_is_named_once_with_its_exact_product(tool: Tool) -> None:
    rng = random.Random(4)
    for _ in range(10):
        count = rng.randint(3, 5)
        table = [[round(rng.uniform(0.5, 1.6), 4) for _ in range(count)] for _ in range(count)]
        answer = tool.solve(rates(table), "--legs", "10")
        named = {tuple(cycle["path"]): cycle["product_exact"] for cycle in answer["cycles"]}
        by_hand = {}
        for legs in range(2, count + 1):
            for nodes in permutations(range(count), legs):
                if nodes[0] == min(nodes):
                    product = Fraction(1)
                    for here, there in zip(nodes, (*nodes[1:], nodes[0]), strict=True):
                        product *= Fraction(str(table[here][there]))
                    if product > 1:
                        by_hand[tuple(str(node + 1) for node in (*nodes, nodes[0]))] = str(product)
        assert named == by_hand and answer["complete"]
        best = [cycle["product"] for cycle in answer["cycles"]]
        assert best == sorted(best, reverse=True)


def test_ten_legs_are_found_where_they_are_asked_for(tool: Tool) -> None:
    given = [{"from": f"A{place}", "to": f"A{(place + 1) % 10}", "rate": "1.01"} for place in range(10)]
    few = tool.solve(given, "--legs", "4")
    assert few["best"] is None and not few["proved_none"] and few["longer"]["legs"] == 10
    many = tool.solve(given, "--legs", "10")
    assert many["best"]["legs"] == 10 and many["best"]["product"] == float(Fraction("1.01") ** 10)
    assert many["best"]["no_ticket"]["reason"] == "NO_BOUND"
    bounded = tool.solve(given, "--legs", "10", "--budget", "A0=100")["best"]["ticket"]
    assert bounded["in"] == "100"
    assert 0 <= 100 * Fraction("1.01") ** 10 - Fraction(bounded["out"]) < Fraction(1, 10**15)


def test_options_bound_and_turn_the_answer(tool: Tool) -> None:
    given = [
        book("BTC/USDT", [("100", "5")], [("101", "5")]),
        book("BTC/USDT", [("103", "5")], [("104", "5")], venue="y"),
    ]
    plain = tool.solve(given)["best"]
    assert (plain["ticket"]["in"], plain["ticket"]["profit"]) == ("505", "10")
    assert tool.solve(given, "--from", "BTC")["best"]["path"] == ["BTC", "USDT", "BTC"]
    assert tool.solve(given, "--budget", "USDT=202")["best"]["ticket"]["in"] == "202"
    assert tool.solve(given, "--budget", "x:USDT=101", "--budget", "y:BTC=3")["best"]["ticket"]["in"] == "101"
    assert tool.solve(given, "--budget", "y:USDT=1")["best"]["ticket"]["in"] == "505"
    assert tool.solve(given, "--min-bps", "198")["best"]["legs"] == 2
    assert tool.solve(given, "--min-bps", "199")["best"] is None
    swapped = tool.solve(given, "--swap-bps", "10")["best"]["ticket"]
    assert (swapped["swap"], swapped["profit"]) == ("1.03", "8.97")
    assert tool.solve(given, "--swap-bps", "100")["best"] is None
    quote = [dict(one, fee_in="quote", taker_bps="10") for one in given]
    leg = tool.solve(quote)["best"]["ticket"]["legs"][0]
    assert (leg["pay"], leg["get"]) == ("505.505", "5")


def test_limits_of_the_market_are_kept_and_told(tool: Tool) -> None:
    bids = book("BTC/USDT", [("103", "5")], venue="y")

    def against(**more: Any) -> Any:
        best = tool.solve([book("BTC/USDT", asks=[("101", "5.7")], **more), bids])["best"]
        return best["no_ticket"] or best["ticket"]["legs"][0]

    assert against(lot="2")["size"] == "4"
    assert against(size_max="3")["size"] == "3.00000000"
    assert against(size_min="6")["reason"] == "NO_DEPTH"
    assert against(min_notional="1000")["reason"] == "NOTIONAL_TOO_SMALL"
    assert against(tick="0.5", lot="0.1", min_notional="500")["size"] == "5.0"
    assert set(SAYINGS) == set(NoTicketReason)


def test_a_crossed_book_is_quarantined_and_the_rest_is_solved(tool: Tool) -> None:
    given = [
        book("BTC/USDT", [("103", "5")], [("101", "5")]),
        book("BTC/USDT", [("100", "5")], [("100", "5")], venue="y"),
        book("BTC/USDT", venue="empty"),
    ]
    answer = tool.solve(given)
    assert answer["best"] is None and answer["proved_none"]
    assert [(one["entry"], one["venue"]) for one in answer["quarantined"]] == [(0, "x")]
    code, out, _ = tool.run("solve", tool.file(given))
    assert (
        code == 0 and "quarantined entry 0: x BTCUSDT" in out and "no profitable cycle of any length" in out
    )


def test_people_are_shown_tables_and_every_digit(tool: Tool) -> None:
    code, out, errors = tool.run("solve", tool.file([last(pair, price) for pair, price in OCTOBOT.items()]))
    assert code == 0 and errors == ""
    assert "best: USDT → ETH → BTC → USDC → USDT, product 5.775" in out
    assert "the shortest sequence:" in out and "price or better" in out
    code, out, _ = tool.run("solve", tool.file(rates([[1, 3], [0.5, 1]])))
    assert "1 profitable cycle among" in out and "nothing bounds its size: give --budget" in out
    code, out, _ = tool.run(
        "solve",
        tool.file([{"from": "[red]A", "to": "B", "rate": "2"}, {"from": "B", "to": "[red]A", "rate": "2"}]),
    )
    assert code == 0 and "[red]A" in out
    code, out, _ = tool.run("solve", tool.file("[]"))
    assert code == 0 and "no profitable cycle" in out
    code, out, _ = tool.run("solve", tool.file(rates([[1, 3], [0.3, 1]])), "--from", "1", "--min-bps", "5")
    assert code == 0 and "no profitable cycle of more than 5.00 bps through 1 of any length" in out


def test_a_market_in_disorder_is_answered_as_far_as_it_can_be_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(7)
    table = [[round(rng.uniform(0.2, 4), 3) for _ in range(9)] for _ in range(9)]
    books = books_of(entries(json.dumps(rates(table)).encode(), "x"), "x")
    whole = solve(books, Asked(legs=4))
    monkeypatch.setattr("arbitrage.tool.solve.STEPS_MAX", 600)
    part = solve(books, Asked(legs=8))
    assert whole.complete and not part.complete and 2 <= part.legs < 8
    assert part.cycles[0].product >= whole.cycles[0].product
    assert not part.none_at_all


def test_hundreds_of_books_are_solved_at_once(tool: Tool) -> None:
    rng = random.Random(3)
    assets = [f"C{place}" for place in range(60)]
    worths = {asset: rng.uniform(0.01, 100) for asset in assets}
    given = []
    for place in range(1_000):
        base, quote = rng.sample(assets, 2)
        mid = worths[base] / worths[quote]
        given.append(
            book(
                f"{base}/{quote}",
                [(f"{mid * 0.9995:.10f}", "5")],
                [(f"{mid * 1.0005:.10f}", "5")],
                venue=f"v{place}",
                taker_bps="1",
            )
        )
    quiet = tool.solve(given)
    assert quiet["proved_none"] and quiet["markets"] == 1_000
    given[500]["bids"] = [[f"{float(given[500]['bids'][0][0]) * 1.02:.10f}", "5"]]
    given[500]["asks"] = []
    assert tool.solve(given)["best"]["ticket"] is not None


def test_what_is_written_is_read_back_the_same(tool: Tool) -> None:
    market = Instrument.of(
        0, "x", "BTC", "USDT", tick="0.05", lot="0.001", notional_atoms_min=5 * 10**10, taker_fee_ppm=750
    )
    written = books_text(
        [market], {0: depth(bids=[(600, 5), (599, 7)], asks=[(601, 9)])}, {0: FeeRule(750, True)}
    )
    books = read_books(tool.file(written))
    again = books.instruments[0]
    assert (again.tick, again.lot, again.taker_fee_ppm) == (market.tick, market.lot, 750)
    assert (again.notional_atoms_min, again.size_lots_min, again.size_lots_max) == (
        market.notional_atoms_min,
        market.size_lots_min,
        market.size_lots_max,
    )
    assert books.depth(0).bids.tolist() == [[600, 5], [599, 7]] and books.fees[0].in_quote
    assert books_text([market], {}) == "[\n\n]\n" and read_books(tool.file("[\n\n]\n")).instruments == ()


def test_books_come_from_standard_input_too(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(rates([[1, 3], [0.5, 1]])).encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    code, out, _ = tool.run("solve", "-", "--json")
    assert code == 0 and json.loads(out)["best"]["product"] == 1.5


def shared() -> list[dict[str, Any]]:
    """Build one book to buy from, and two to sell to: either takes all there is."""
    return [
        book("BTC/USDT", [("59000", "1")], [("60000", "1")], venue="x", lot="0.001"),
        book("BTC/USDT", [("60300", "0.6")], [("61000", "1")], venue="y", lot="0.001"),
        book("BTC/USDT", [("60200", "0.7")], [("61000", "1")], venue="z", lot="0.001"),
    ]


def test_what_several_earn_together_is_told_beside_the_most_that_is_possible(tool: Tool) -> None:
    answer = tool.solve(shared())
    several = answer["several"]
    assert [one["ticket"]["legs"][0]["size"] for one in several["tickets"]] == ["0.600", "0.400"]
    assert [answer["cycles"][one["cycle"]]["legs"] for one in several["tickets"]] == [2, 2]
    assert (several["earned"], several["asset"], several["weighed"]) == ("260", "USDT", 2)
    assert float(several["bound"]) == pytest.approx(260) and several["gap_frac"] == pytest.approx(0, abs=1e-6)
    code, out, _ = tool.run("solve", tool.file(shared()))
    assert code == 0 and "together: 2 cycles, one after the other on what is left, earn 260 USDT" in out


def test_a_balance_that_several_share_is_spent_once(tool: Tool) -> None:
    several = tool.solve(shared(), "--budget", "USDT=42000")["several"]
    assert [one["ticket"]["legs"][0]["size"] for one in several["tickets"]] == ["0.600", "0.100"]
    assert float(several["bound"]) == pytest.approx(float(several["earned"])) == 200


def test_plain_rates_are_not_weighed_together(tool: Tool) -> None:
    loop = [{"from": "A", "to": "B", "rate": "2"}, {"from": "B", "to": "A", "rate": "0.6"}]
    assert tool.solve(loop, "--budget", "A=5")["several"] is None
