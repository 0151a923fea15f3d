"""The best single way is the best of all, against trying every size along every simple way."""

from __future__ import annotations

import json
import random
import time
from itertools import pairwise, permutations, product
from typing import Any

import pytest

import arbitrage.tool.ways
from arbitrage.size.reprice import filled, paid_asset
from arbitrage.ticket import Hop, Leg
from arbitrage.tool.books import Books, books_of
from arbitrage.tool.conversion import Conversion, best_conversion
from arbitrage.tool.entries import entries
from arbitrage.tool.rungs import Rungs
from domain.units import fee_atoms
from tests.arbitrage.tool_builders import Tool, book, tool

__all__ = ["tool"]

ASSETS = ["A", "B", "C", "D"]


def read(given: list[dict[str, Any]]) -> Books:
    return books_of(entries(json.dumps(given).encode(), "x"), "x")


def sides(books: Books) -> list[Hop]:
    return [Hop(market, side) for market in range(len(books.instruments)) for side in (-1, 1)]


def levels_of(books: Books, hop: Hop) -> list[list[int]]:
    depth = books.depth(hop.market)
    levels: list[list[int]] = (depth.asks if hop.side > 0 else depth.bids).tolist()
    return levels


def by_trying(books: Books, hop: Hop, have: int) -> int:
    """Try every size of an order."""
    market, best = books.instruments[hop.market], 0
    lots_max = min(market.size_lots_max, sum(lots for _, lots in levels_of(books, hop)))
    for size in range(market.size_lots_min, lots_max + 1):
        order = Leg(hop.market, hop.side, size, 0, 0, 0)
        leg = filled(order, market, levels_of(books, hop), books.fees[hop.market])
        assert leg is not None
        enough = market.notional_atoms(leg.price_ticks, size) >= market.notional_atoms_min
        if leg.pay_atoms <= have and enough:
            best = max(best, leg.get_atoms)
    return best


def best_by_trying(books: Books, have: int, legs: int, swap_ppm: int) -> int:
    between: dict[tuple[str, str], list[Hop]] = {}
    for hop in sides(books):
        market = books.instruments[hop.market]
        ends = paid_asset(hop.side, market), paid_asset(-hop.side, market)
        between.setdefault(ends, []).append(hop)
    best = 0
    for count in range(legs):
        for middle in permutations([name for name in ASSETS if name not in "AB"], count):
            path = ("A", *middle, "B")
            for hops in product(*(between.get(ends, []) for ends in pairwise(path))):
                amount = have
                for hop in hops:
                    amount = by_trying(books, hop, amount)
                venues = [books.instruments[hop.market].venue for hop in hops]
                changes = sum(one != other for one, other in pairwise(venues))
                best = max(best, amount - changes * fee_atoms(amount, swap_ppm))
    return best


def drawn(rng: random.Random) -> list[dict[str, Any]]:
    given = []
    for place in range(rng.randint(3, 8)):
        base, quote = rng.sample(ASSETS, 2)
        more: dict[str, Any] = {"lot": "1"}
        if rng.random() < 0.4:
            more["min_notional"] = str(rng.randint(1, 12))
        if rng.random() < 0.3:
            more["size_min"] = str(rng.randint(1, 3))
        if rng.random() < 0.3:
            more["size_max"] = str(rng.randint(3, 6))
        if rng.random() < 0.3:
            more["fee_in"] = "quote"
        bids = sorted({rng.randint(2, 8) for _ in range(rng.randint(0, 3))}, reverse=True)
        asks = sorted({rng.randint(8, 14) for _ in range(rng.randint(0, 3))})
        scale = rng.choice((0.1, 0.2, 0.5))
        given.append(
            book(
                f"{base}/{quote}",
                [(f"{price * scale:.1f}", str(rng.randint(1, 4))) for price in bids],
                [(f"{price * scale:.1f}", str(rng.randint(1, 4))) for price in asks],
                venue=f"v{place % 3}",
                symbol=f"s{place}",
                taker_bps=str(rng.choice((0, 10, -3))),
                **more,
            )
        )
    return given


def test_no_simple_way_gives_more_than_the_best_and_a_split_never_less() -> None:
    rng = random.Random(11)
    found = split = 0
    for _ in range(120):
        books = read(drawn(rng))
        if not {"A", "B"} <= set(books.decimals):
            continue
        swap_ppm, legs = rng.choice((0, 0, 20_000)), rng.randint(1, 3)
        amount = str(rng.randint(1, 12))
        answer = best_conversion(books, "A", "B", amount, legs=legs, swap_ppm=swap_ppm)
        best = answer.best.net_atoms if answer.best is not None else 0
        assert answer.complete
        assert best == best_by_trying(books, answer.amount_atoms, legs, swap_ppm)
        assert sum(way.net_atoms for way in answer.split) >= best
        bounded(books, answer)
        found, split = found + (best > 0), split + (len(answer.split) > 1)
    assert found > 30 and split > 5


def bounded(books: Books, answer: Conversion) -> None:
    """Hold every way to what was given, to depth and to the markets' limits."""
    taken: dict[Hop, int] = {}
    for leg in (leg for way in answer.split for leg in way.legs):
        market = books.instruments[leg.instrument]
        assert market.size_lots_min <= leg.size_lots <= market.size_lots_max
        assert market.notional_atoms(leg.price_ticks, leg.size_lots) >= market.notional_atoms_min
        taken[Hop(leg.instrument, leg.side)] = taken.get(Hop(leg.instrument, leg.side), 0) + leg.size_lots
    for hop, lots in taken.items():
        assert lots <= sum(here for _, here in levels_of(books, hop))
    assert sum(way.in_atoms for way in answer.split) <= answer.amount_atoms


def test_a_side_tells_what_an_amount_becomes_and_what_it_takes() -> None:
    rng = random.Random(5)
    for _ in range(25):
        books = read(drawn(rng))
        for hop in sides(books):
            market, levels = books.instruments[hop.market], levels_of(books, hop)
            rungs = Rungs(market, hop.side, levels, books.fees[hop.market])
            for _ in range(3):
                have = rng.randint(1, 12 * 10**10)
                got, size = rungs.convert(have)
                assert got == by_trying(books, hop, have) and (size > 0) == rungs.is_taken(size)
                need = rungs.needed(got) if got > 0 else None
                assert got == 0 or (need is not None and need[0] <= have and need[1] <= size)


BETWEEN = [
    book("BTC/USDT", [("60000", "10")]),
    book("EUR/USDT", asks=[("1.1", "100000")]),
]


@pytest.mark.parametrize(
    "limits",
    [{"min_notional": "100000"}, {"lot": "2"}, {"size_max": "0.1"}, {"size_min": "5"}],
)
def test_a_market_that_refuses_the_amount_hides_no_other_way(tool: Tool, limits: dict[str, Any]) -> None:
    answer = tool.route([book("BTC/EUR", [("55000", "10")], **limits), *BETWEEN], "BTC", "EUR", "1.5")
    best = answer["best"]
    assert [leg["symbol"] for leg in best["legs"]] == ["BTCUSDT", "EURUSDT"]
    assert float(best["out"]) == pytest.approx(90_000 / 1.1) and best["unused"] == "0"
    assert answer["complete"]


def test_the_best_way_is_that_for_the_whole_amount_not_for_its_first_part(tool: Tool) -> None:
    thin = [book("BTC/EUR", [("55000", "0.5"), ("30000", "100")], venue=venue) for venue in ("x", "y", "z")]
    answer = tool.route([*thin, *BETWEEN], "BTC", "EUR", "1.5")
    assert float(answer["best"]["out"]) == pytest.approx(90_000 / 1.1)
    assert float(answer["split"]["out"]) == pytest.approx(82_500) and len(answer["split"]["ways"]) == 3


def test_thousands_of_levels_are_split_as_evenly_as_two_are(tool: Tool) -> None:
    def levels(first: float, step: float) -> list[tuple[str, str]]:
        return [(f"{first + step * place:.6f}", "0.001") for place in range(5_000)]

    given = [
        book("A/B", levels(2, -0.00001)),
        book("A/C", levels(2, -0.00001)),
        book("C/B", [("1", "100")], venue="y"),
    ]
    answer = tool.route(given, "A", "B", "4")
    halves = 2 * sum(0.001 * (2 - 0.00001 * place) for place in range(2_000))
    assert float(answer["split"]["out"]) >= halves * (1 - 1e-5)


def test_a_leg_gives_no_more_than_the_next_one_takes(tool: Tool) -> None:
    given = [book("BTC/USDT", [("60000", "10")]), book("EUR/USDT", asks=[("1", "30000")])]
    best = tool.route(given, "BTC", "EUR", "1.5")["best"]
    assert (best["in"], best["out"], best["unused"]) == ("0.5", "30000", "1")


def test_of_ways_that_end_at_one_book_the_one_that_takes_least_is_best(tool: Tool) -> None:
    given = [
        book("BTC/USDT", [("50000", "10")]),
        book("ETH/BTC", asks=[("0.1", "100")]),
        book("ETH/USDT", [("6000", "100")]),
        book("EUR/USDT", asks=[("1", "30000")]),
    ]
    best = tool.route(given, "BTC", "EUR", "1.5")["best"]
    assert (best["in"], best["out"], len(best["legs"])) == ("0.5", "30000", 3)


def test_many_equal_ways_are_walked_quickly_and_a_walk_that_ends_early_says_so(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"C{place}" for place in range(12)]
    given = [
        book(f"{one}/{other}", [("1", "9")], [("1.001", "9")], venue=f"v{venue}")
        for one, other in permutations(["A", *names, "B"], 2)
        if one < other
        for venue in range(4)
    ]
    begin = time.process_time()
    answer = tool.route(given, "A", "B", "20", "--swap-bps", "1")
    assert answer["complete"] and time.process_time() - begin < 5
    assert float(answer["best"]["out"]) == 9 and float(answer["split"]["out"]) > 19.9
    monkeypatch.setattr(arbitrage.tool.ways, "STEPS_MAX", 3)
    part = tool.route(given, "A", "B", "20")
    assert not part["complete"] and part["best"] is not None
    monkeypatch.setattr(arbitrage.tool.ways, "STEPS_MAX", 0)
    code, out, _ = tool.run("route", "A", "C3", "1", "--books", tool.file(given[4:]))
    assert code == 0 and "not every way could be looked at" in out
