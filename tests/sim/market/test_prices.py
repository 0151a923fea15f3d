"""Prices: a function of seed and times, correlated, anchored, bounded."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import correlation, pstdev

from sim.exchange.exchange import Exchange
from sim.market.config import AssetConfig, PriceConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import anchor
from tests.sim.exchange.exchange_builders import place
from tests.sim.exchange.server_builders import config

STEP_NS = 100_000_000
CONFIG = PriceConfig(
    assets={
        "USDT": AssetConfig(price_usdt=1.0, volatility_day_frac=0.0, common_frac=0.0, offset_bps=0.0),
        "BTC": AssetConfig(price_usdt=60_000.0),
        "ETH": AssetConfig(price_usdt=3_000.0, volatility_day_frac=0.06),
    }
)


def _walk(process: PriceProcess, steps: int) -> list[tuple[float, float]]:
    found = []
    for at in range(steps):
        process.step(at * STEP_NS)
        found.append((process.value("a", "BTC"), process.value("a", "ETH")))
    return found


def test_the_same_seed_and_times_give_the_same_prices_and_another_seed_others() -> None:
    one, same, other = (_walk(PriceProcess(CONFIG, seed, ("a", "b")), 200) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_asking_again_at_one_time_changes_nothing() -> None:
    once, often = (PriceProcess(CONFIG, 1, ("a",)) for _ in range(2))
    for at in range(50):
        once.step(at * STEP_NS)
        for _ in range(3):
            often.step(at * STEP_NS)
    assert once.value("a", "BTC") == often.value("a", "BTC")


def test_assets_move_together_and_each_by_its_own_size() -> None:
    walk = _walk(PriceProcess(CONFIG, 3, ("a",)), 5_000)
    moves = [[math.log(then[place] / now[place]) for now, then in pairwise(walk)] for place in (0, 1)]
    assert 0.25 < correlation(*moves) < 0.8
    assert 1.1 < pstdev(moves[1]) / pstdev(moves[0]) < 2.0


def test_exchanges_differ_by_a_small_offset_that_comes_back() -> None:
    process = PriceProcess(CONFIG, 5, ("a", "b"))
    gaps = []
    for at in range(3_000):
        process.step(at * STEP_NS)
        gaps.append(1e4 * math.log(process.value("a", "ETH") / process.value("b", "ETH")))
    assert 0.5 < pstdev(gaps) < 4
    assert abs(sum(gaps) / len(gaps)) < 1.5
    assert process.value("a", "USDT") == process.value("b", "USDT") == 1.0


def test_a_delayed_look_sees_what_was() -> None:
    process = PriceProcess(CONFIG.model_copy(update={"offset_keep_frac": 0.0}), 1, ("a",))
    process.step(0)
    then = process.pair("a", "USDT", "USDT"), process.change_bps("BTC", "USDT", 5)
    assert then == (1.0, 0.0)
    for at in range(20):
        process.step(at * STEP_NS)
    moved = process.change_bps("BTC", "USDT", 5)
    now, past = process._history[-1], process._history[-6]
    assert math.isclose(moved, 1e4 * (now[1] - past[1]), rel_tol=1e-9)


def test_a_long_pause_is_skipped_not_simulated() -> None:
    process = PriceProcess(CONFIG.model_copy(update={"catch_up_quanta": 10}), 1, ("a",))
    short = PriceProcess(CONFIG, 1, ("a",))
    process.step(0)
    process.step(10**6 * STEP_NS)
    _walk(short, 11)
    assert process.value("a", "BTC") == short.value("a", "BTC")


def test_a_faster_market_moves_more_often_by_the_same_steps() -> None:
    fast = price_config([config()], speed=10)
    assert fast.step_ns == 10_000_000
    assert fast.quantum_frac(fast.assets["BTC"]) == price_config([config()]).quantum_frac(fast.assets["BTC"])


def test_an_asset_without_a_dollar_market_gets_its_value_through_one_that_has() -> None:
    market = {"size_max": "10", "tick": "0.0001", "lot": "0.1", "base": "PEG", "quote": "BTC"}
    small = {**market, "start_price": "0.01", "volatility_day_frac": 0.001}
    table = [one.model_dump() for one in config().markets]
    made = config(assets=["BTC", "ETH", "USDT", "PEG"], markets=[*table, small])
    found = price_config([made]).assets
    assert found["PEG"].price_usdt == 600.0
    assert (found["PEG"].common_frac, found["BTC"].common_frac) == (0.0, 0.75)


def test_a_recovered_market_begins_where_its_books_stand() -> None:
    made = config()
    exchange, fresh = Exchange(made), Exchange(made)
    for side, price in ((1, 7_000_000), (-1, 7_000_200)):
        exchange.step(place(0, side, price, 1_000))
    process = PriceProcess(price_config([made]), 1, (made.name,))
    anchor(process, [exchange, fresh])
    assert math.isclose(process.value(made.name, "BTC"), 70_001.0)
    assert math.isclose(process.value(made.name, "ETH"), 3_000.0)


def test_a_days_move_is_as_large_as_the_config_says() -> None:
    process = PriceProcess(CONFIG, 8, ("a",))
    logs = []
    for _ in range(200_000):
        process._move()
        logs.append(process._log[1])
    moves = [after - before for before, after in pairwise(logs[::600])]
    day_frac = pstdev(moves) * math.sqrt(1_440)
    assert 0.8 < day_frac / CONFIG.assets["BTC"].volatility_day_frac < 1.2


def test_a_market_that_is_never_wild_needs_no_regimes() -> None:
    calm = CONFIG.model_copy(update={"wild_begin_frac": 0.0, "wild_end_frac": 0.0, "momentum_frac": 0.0})
    asset = CONFIG.assets["BTC"]
    assert math.isclose(calm.quantum_frac(asset) * math.sqrt(864_000), asset.volatility_day_frac)
    assert CONFIG.quantum_frac(asset) < calm.quantum_frac(asset)
