"""The price graph: published answers, one change at a time, and every update against brute force."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest

import arbitrage.graph.graph_kernels as k
from arbitrage.graph import columns as graph_columns
from arbitrage.graph.certify_kernels import FAR
from arbitrage.graph.price_graph import PRODUCT_LEAST, GraphConfig, PriceGraph
from arbitrage.ticket import Cycle, Hop
from tests.arbitrage.price_walk import (
    ASSETS,
    BruteForce,
    Floats,
    Ints,
    edges_of,
    instrument,
    random_graph,
    rates_of,
    walk,
)

BUY, SELL = 1, -1

# OctoBot's triangular arbitrage tests: last prices, used both ways.
OCTOBOT_FEW = {("BTC", "USDT"): 30000.0, ("ETH", "BTC"): 0.3, ("ETH", "USDT"): 2000.0}
OCTOBOT_MANY = {
    **OCTOBOT_FEW,
    ("ETH", "USDC"): 1900.0,
    ("BTC", "USDC"): 35000.0,
    ("USDC", "USDT"): 1.1,
    ("USDC", "TUSD"): 0.95,
    ("ETH", "TUSD"): 1950.0,
    ("BTC", "TUSD"): 32500.0,
}


def quoted(prices: dict[tuple[str, str], float], config: GraphConfig | None = None) -> PriceGraph:
    """Build a venue that trades both ways at given prices."""
    graph = PriceGraph([instrument("x", base, quote) for base, quote in prices], config)
    for market, price in enumerate(prices.values()):
        graph.update(market, round(price * 100), 1, round(price * 100), 1)
    return graph


def assets(graph: PriceGraph, cycle: Cycle | None) -> list[str]:
    """Name the assets of a cycle, from its first in the alphabet on."""
    assert cycle is not None
    names = []
    for hop in cycle.hops:
        one = graph.instruments[hop.market]
        names.append(one.quote if hop.side == BUY else one.base)
    low = names.index(min(names))
    return [*names[low:], *names[:low]]


def test_octobots_best_triangle() -> None:
    few, many = quoted(OCTOBOT_FEW), quoted(OCTOBOT_MANY, GraphConfig(legs_max=3))
    assert few.best is not None and few.best.product == pytest.approx(4.5, rel=1e-12)
    assert assets(few, few.best) == ["BTC", "USDT", "ETH"]
    assert many.best is not None and many.best.product == pytest.approx(5.526315789473684, rel=1e-12)
    assert assets(many, many.best) == ["BTC", "USDC", "ETH"]


def test_octobots_best_cycle_of_up_to_ten_legs() -> None:
    graph = quoted(OCTOBOT_MANY)
    best = graph.cycles(10, 1)[0][0]
    assert best.product == pytest.approx(5.775, rel=1e-12) and best == graph.best
    assert assets(graph, best) == ["BTC", "USDC", "USDT", "ETH"]


def test_two_venues_and_the_cost_of_swapping_both_assets() -> None:
    graph = PriceGraph([instrument("x", "A", "B", 100), instrument("y", "A", "B", 200)])
    assert not graph.update(0, 9_990, 1, 10_000, 1)
    assert graph.update(1, 10_100, 1, 10_110, 1)
    product = 0.9999 / 100.0 * 0.99995 * 101.0 * 0.9998 * 0.99995
    assert graph.best is not None and graph.best.hops == (Hop(0, BUY), Hop(1, SELL))
    assert graph.best.product == pytest.approx(product, rel=1e-12)
    assert not graph.certified and graph.longer() == graph.best


def test_a_worse_price_ends_the_cycle_and_the_proof_is_back() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    graph.update(0, 9_990, 1, 10_000, 1)
    assert graph.update(1, 10_100, 1, 10_110, 1)
    assert not graph.update(1, 9_980, 1, 9_990, 1)
    assert graph.best is None and graph.certified and graph.longer() is None and graph.cycles(4, 9)[0] == []


def test_sizes_alone_change_nothing() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    graph.update(0, 9_990, 1, 10_000, 1)
    graph.update(1, 10_100, 1, 10_110, 1)
    best = graph.best
    assert not graph.update(1, 10_100, 5, 10_110, 7) and graph.best == best


def test_a_dropped_market_leaves_and_its_next_update_brings_it_back() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    graph.update(0, 9_990, 1, 10_000, 1)
    graph.update(1, 10_100, 1, 10_110, 1)
    best = graph.best
    graph.drop(1)
    assert graph.best is None and graph.certified and graph.touch(1) == (0, 0, 0, 0)
    assert graph.update(1, 10_100, 1, 10_110, 1) and graph.best == best


def test_a_fee_that_changes_counts_from_then_on() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    graph.update(0, 9_990, 1, 10_000, 1)
    graph.update(1, 10_050, 1, 10_060, 1)
    assert graph.best is not None
    graph.set_fee(1, 6_000)
    assert graph.best is None
    graph.set_fee(1, 100)
    assert graph.best is not None and graph.best.product < 1.005
    assert graph.rate(Hop(1, SELL)) == 100.5 * (1 - 100 / 1e6)


def test_fees_of_the_account_are_those_of_the_venue_or_of_the_market() -> None:
    config = GraphConfig(fees={"x": 300, "y:CB": 700})
    graph = PriceGraph(
        [instrument("x", "A", "B", 1), instrument("y", "A", "B", 2), instrument("y", "C", "B", 3)], config
    )
    for market in range(3):
        graph.update(market, 10_000, 1, 0, 0)
    rates = [graph.rate(Hop(market, SELL)) for market in range(3)]
    assert rates == [100.0 * (1 - fee / 1_000_000) for fee in (300, 2, 700)]


@pytest.mark.parametrize(
    "touch",
    [
        (-5, 1, 10_000, 1),
        (10_100, 0, 10_000, 1),
        (0, 0, 10_000, 1),
        (10_100, -1, 10_000, 1),
        (2**62, 1, 2**62, 1),
        (10_100, 1, 9_000, 1),
    ],
    ids=["negative price", "no size", "nothing", "negative size", "absurd", "crosses itself"],
)
def test_what_is_no_price_is_no_edge(touch: tuple[int, int, int, int]) -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    graph.update(0, 9_900, 1, 10_000, 1)
    graph.update(1, *touch)
    assert graph.rate(Hop(1, SELL)) == 0.0 and graph.best is None and graph.longer() is None
    assert graph.update(1, 10_100, 1, 10_110, 1)


def test_the_other_side_of_a_book_without_bids_is_an_edge() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    graph.update(0, 9_900, 1, 10_000, 1)
    assert graph.update(1, 0, 0, 9_800, 1)
    assert graph.best is not None and graph.best.hops == (Hop(0, SELL), Hop(1, BUY))


def test_assets_that_are_not_swappable_do_not_link_venues() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")], GraphConfig(swappable=("B",)))
    graph.update(0, 9_990, 1, 10_000, 1)
    assert not graph.update(1, 10_500, 1, 10_510, 1)
    assert graph.best is None and graph.certified


def test_a_dollar_is_not_another_dollar() -> None:
    graph = PriceGraph([instrument("x", "A", "USDT"), instrument("y", "A", "USDC")])
    graph.update(0, 9_990, 1, 10_000, 1)
    assert not graph.update(1, 10_500, 1, 10_510, 1) and graph.certified


def test_a_longer_cycle_is_found_and_is_not_the_best_of_four_legs() -> None:
    names = "ABCDE"
    graph = PriceGraph([instrument("x", one, two) for one, two in zip(names, "BCDEA", strict=True)])
    for market in range(5):
        graph.update(market, 101, 1, 103, 1)
    assert graph.best is None and graph.hot == 1
    longer = graph.longer()
    assert longer is not None and len(longer.hops) == 5 and longer.product == pytest.approx(1.01**5)
    assert graph.cycles(5, 3)[0] == [longer]
    graph.drop(2)
    assert graph.certified


def test_a_gain_within_rounding_is_none_and_the_least_gain_is_one() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")], GraphConfig(swap_ppm=0))
    graph.set_rate(0, 2.0)
    graph.columns.scales[1] = 2.0 / (1 + 5e-10), 1.0
    graph.update(1, 0, 0, 1, 1)
    assert graph.best is None
    graph.columns.scales[1] = 2.0 / (1 + 2e-9), 1.0
    assert graph.update(1, 0, 0, 1, 1)
    assert graph.best is not None and graph.best.product > PRODUCT_LEAST


def test_a_tie_goes_to_fewer_legs_and_then_to_lower_markets() -> None:
    markets = [instrument(venue, "A", "B") for venue in "xyz"]
    graph = PriceGraph(markets, GraphConfig(swap_ppm=0))
    for market in (2, 1):
        graph.update(market, 10_100, 1, 10_200, 1)
    graph.update(0, 9_990, 1, 10_000, 1)
    assert graph.best is not None and graph.best.hops == (Hop(0, BUY), Hop(1, SELL))


def test_values_that_drift_far_are_brought_back() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("x", "C", "D"), instrument("y", "A", "B")])
    graph.update(1, 10_000, 1, 10_010, 1)
    graph.update(0, 10_000, 1, 10_010, 1)
    values = graph.columns.values
    values[:2, 0] *= FAR * 10
    assert not graph.update(2, 10_030, 1, 10_200, 1) or graph.best is not None
    graph.update(2, 10_300, 1, 10_310, 1)
    assert graph.best is not None and len(graph.best.hops) == 2
    graph.drop(2)
    assert graph.certified and (values[:, 0] <= FAR).all() and (values[:, 0] >= 1 / FAR).all()


def test_rows_are_taken_until_one_hits_and_unknown_markets_are_told() -> None:
    graph = PriceGraph([instrument("x", "A", "B"), instrument("y", "A", "B")])
    rows = np.array(
        [[0, 9_990, 1, 10_000, 1, 9], [7, 1, 1, 1, 1, 9], [1, 10_100, 1, 10_110, 1, 9], [1, 0, 0, 0, 0, 9]]
    )
    products = np.zeros(4)
    assert graph.update_rows(rows, products, stop=True) == 3
    assert rows[:, 5].tolist() == [0, -1, 1, 9] and graph.best is not None
    assert products.tolist() == [0.0, 0.0, graph.best.product, 0.0]
    assert graph.update_rows(rows, products, 3) == 4 and graph.best is None


def test_touches_and_fees_are_all_there_is_to_keep() -> None:
    draw = np.random.default_rng(5)
    graph = PriceGraph(random_graph(draw))
    graph.set_fee(0, 1_234)
    graph.update_rows(walk(draw, len(graph.instruments), 500, "calm"), np.zeros(500))
    again = PriceGraph(graph.instruments)
    again.restore(graph.state())
    assert again.best == graph.best and again.state() == graph.state() and again.touch(0) == graph.touch(0)


def test_a_market_that_is_not_there_is_our_own_mistake() -> None:
    graph = PriceGraph([instrument("x", "A", "B")])
    with pytest.raises(AssertionError, match="market 1 of 1"):
        graph.update(1, 1, 1, 2, 1)


def test_a_market_cannot_trade_an_asset_for_itself() -> None:
    with pytest.raises(AssertionError, match="for itself"):
        PriceGraph([instrument("x", "A", "A")])


def checked(seed: int, count: int, parts: int = 3) -> int:
    """Take a random graph through random updates and fees, and hold every one against brute force."""
    draw = np.random.default_rng(seed)
    free = tuple(name for name in ASSETS if draw.random() < 0.6)
    config = GraphConfig(
        legs_max=int(draw.choice([4, 4, 4, 3, 2])),
        swap_ppm=int(draw.choice([0, 50, 500])),
        swaps={"A": int(draw.choice([0, 10, 2000]))},
        swappable=free if draw.random() < 0.4 else None,
    )
    graph = PriceGraph(random_graph(draw), config)
    everything = BruteForce(graph.instruments, config)
    markets, style = len(graph.instruments), ("wild", "calm", "few")[seed % 3]
    fees, touch = np.array([one.taker_fee_ppm for one in graph.instruments]), np.zeros((markets, 4), np.int64)
    for _ in range(parts):
        market = int(draw.integers(markets))
        fees[market] = int(draw.choice([0, 10, 300, -50]))
        graph.set_fee(market, int(fees[market]))
        rows = walk(draw, markets, count, style)
        touches = np.zeros((count + 1, markets, 4), np.int64)
        touches[0] = touch
        for i in range(count):
            touch[rows[i, 0]] = rows[i, 1:5]
            touches[i + 1] = touch
        _same(graph, everything, rows, rates_of(graph, touches, fees))
    return parts * count


def _same(graph: PriceGraph, everything: BruteForce, rows: Ints, rates: Floats) -> None:
    """Compare what the graph says of every row with what every cycle there is gives."""
    least, told = everything.config.product_min, np.zeros(len(rows))
    assert graph.update_rows(rows, told) == len(rows)
    products = everything.products(rates[1:])
    gains = products > least
    np.testing.assert_array_equal(told, np.where(gains, products, 0.0).max(axis=1, initial=0.0))
    improved = rates[1:] > rates[:-1]
    through = (gains.astype(np.float32) @ everything.contains[:, :-1].astype(np.float32)) > 0
    np.testing.assert_array_equal(rows[:, 5] == 1, (through & improved).any(axis=1))
    order = sorted(np.flatnonzero(gains[-1]).tolist(), key=lambda one: (-products[-1, one], one))
    listed = graph.cycles(everything.config.legs_max, 10**4)[0]
    assert [(edges_of(cycle), cycle.product) for cycle in listed] == [
        (everything.cycles[one], products[-1, one]) for one in order
    ]
    assert graph.best == (listed[0] if listed else None)
    assert (graph.longer() is not None) >= (graph.best is not None)


@pytest.mark.parametrize("style", ["wild", "calm", "few"])
def test_rates_that_are_taken_at_once_are_as_those_taken_one_by_one(style: str) -> None:
    held = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        pairs = [(venue, *pair) for venue in "xy" for pair in itertools.permutations("ABCDEF", 2)]
        markets = [instrument(*pair) for pair in pairs]
        graphs = PriceGraph(markets), PriceGraph(markets)
        middle = walk(draw, len(markets), len(markets), style)[:, 1] / (100_000 if style == "calm" else 100)
        rates = {market: float(rate) for market, rate in enumerate(middle.tolist())}
        for part in (rates, {3: 0.0, 7: rates[7] * 1.001}):
            graphs[0].load(part)
            for market, rate in part.items():
                graphs[1].set_rate(market, rate)
            assert graphs[0].best == graphs[1].best and graphs[0].certified == graphs[1].certified
            assert graphs[0].cycles(3, 50) == graphs[1].cycles(3, 50)
            held += graphs[0].best is not None
    assert held > 20
    graphs[0].load({})


SIZES = (6, 40) if os.environ.get("SWARM_KERNELS") == "off" else (120, 300)


def test_every_update_is_as_brute_force_says_to_the_last_bit() -> None:
    graphs, count = SIZES
    assert sum(checked(seed, count) for seed in range(graphs)) == 3 * graphs * count


@pytest.mark.parametrize("degree", [1, 3, 5])
def test_assets_of_many_pairs_are_looked_up_by_rows_of_their_own(
    degree: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_columns, "HUB_DEGREE", degree)
    graphs, count = SIZES
    assert sum(checked(seed, count, 1) for seed in range(2_000, 2_000 + graphs // 6)) == graphs // 6 * count


def test_a_large_market_is_as_the_list_of_its_cycles_says() -> None:
    draw, names = np.random.default_rng(3), [f"A{number}" for number in range(40)]
    graph = PriceGraph(
        [
            instrument(venue, name, hub, 300)
            for venue in "xy"
            for hub in ("H", "I")
            for name in names
            if draw.random() < 0.8
        ]
        + [instrument(venue, "H", "I", 100) for venue in "xyz"]
    )
    held = 0
    for i in range(600):
        market = i if i < len(graph.instruments) else int(draw.integers(len(graph.instruments)))
        middle = 100_000 + int(draw.integers(-45, 45)) * (1 if i % 4 else 2)
        graph.update(market, middle - 20, 1, middle + 20, 1)
        if i % 6 == 0:
            listed = graph.cycles(4, 1)[0]
            assert graph.best == (listed[0] if listed else None)
            held += bool(listed)
    assert 20 < held < 100


@pytest.mark.soak
def test_every_update_is_as_brute_force_says_a_million_times() -> None:
    assert sum(checked(seed, 500) for seed in range(1_000, 1_700)) >= 1_000_000


def test_it_is_the_same_without_compiling() -> None:
    if os.environ.get("SWARM_KERNELS") == "off":
        pytest.skip("this is that run")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            __file__,
            "-p",
            "no:cacheprovider",
            "-k",
            "brute_force or drift",
            "-m",
            "not soak",
        ],
        env={**os.environ, "SWARM_KERNELS": "off"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert k.ROW_WORDS == 6
