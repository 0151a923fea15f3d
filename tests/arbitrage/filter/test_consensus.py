"""What assets are worth, and what is told by markets other than the one in question."""

from __future__ import annotations

import pytest

from arbitrage.filter.consensus import NOTHING_BPS, OBSERVATIONS_MAX, Consensus
from arbitrage.filter.quotes import Quotes
from tests.arbitrage.markets import SECOND, START, markets

PEGS = {"USD": ("USD", "USDT", "USDC")}


def told(*quotes: tuple[str, float], age_ns: int = 10 * SECOND) -> Consensus:
    """Give what markets such as (`x:BTC/USDT`, 100.0) say together."""
    instruments = markets(*(name for name, _ in quotes))
    kept = Quotes(instruments, SECOND)
    consensus = Consensus(instruments, kept, PEGS, age_ns, [-1] * len(quotes))
    for market, (_, mid) in enumerate(quotes):
        quote(consensus, market, mid)
    for _ in range(4):  # what is farther from the anchor needs the nearer first
        for asset in range(len(consensus.assets)):
            consensus.update(asset, START)
    return consensus


def quote(consensus: Consensus, market: int, mid: float, now_ns: int = START) -> None:
    """Quote a mid."""
    kept = consensus._quotes
    kept.bid_ticks[market], kept.ask_ticks[market] = round(mid * 100) - 1, round(mid * 100) + 1
    kept.heard_ns[market] = now_ns


def worth(consensus: Consensus, asset: str) -> float:
    """Give an asset's worth."""
    return consensus.worth[consensus.index[asset]]


def test_the_median_of_venues_is_not_moved_by_one_that_is_wrong() -> None:
    consensus = told(("a:BTC/USDT", 100), ("b:BTC/USDT", 100.1), ("c:BTC/USDT", 400))
    assert worth(consensus, "BTC") == pytest.approx(100.1)
    assert consensus.deviation_bps(2) == pytest.approx((400 / 100.1 - 1) * 10_000)
    assert consensus.deviation_bps(0) < 11


def test_of_two_that_differ_each_is_as_far_off_as_the_other() -> None:
    consensus = told(("a:BTC/USDT", 100), ("b:BTC/USDT", 110))
    assert consensus.deviation_bps(0) == pytest.approx((1 - 100 / 110) * 10_000)
    assert consensus.deviation_bps(1) == pytest.approx(1_000)


def test_one_alone_is_never_off() -> None:
    assert told(("a:BTC/USDT", 100)).deviation_bps(0) == 0


def test_a_market_that_nobody_heard_says_nothing() -> None:
    consensus = told(("a:BTC/USDT", 100), ("b:BTC/USDT", 200), age_ns=SECOND)
    quote(consensus, 0, 100, START + 5 * SECOND)
    consensus.update(consensus.index["BTC"], START + 5 * SECOND)
    assert consensus.count[consensus.index["BTC"]] == 1
    assert worth(consensus, "BTC") == pytest.approx(100)


def test_a_coin_of_the_peg_is_valued_by_its_own_market() -> None:
    consensus = told(("a:BTC/USDT", 100), ("b:BTC/USDC", 102), ("a:USDC/USDT", 0.98))
    assert worth(consensus, "USDC") == pytest.approx(0.98, rel=0.01)
    assert consensus.basis_bps([consensus.index["USDT"], consensus.index["USDC"]]) > 150
    assert consensus.deviation_bps(1) < 60  # 102 of a coin that is worth 0.98


def test_a_coin_of_the_peg_without_a_market_is_valued_by_what_others_cost_in_both() -> None:
    names = ["BTC", "ETH", "SOL"]
    consensus = told(
        *((f"a:{each}/USD", 100.0) for each in names), *((f"b:{each}/USDT", 105.0) for each in names)
    )
    assert worth(consensus, "USDT") == pytest.approx(100 / 105, rel=1e-3)
    quote(consensus, 3, 120.0)
    consensus.update(consensus.index["USDT"], START)
    consensus.update(consensus.index["BTC"], START)
    assert worth(consensus, "USDT") == pytest.approx(100 / 105, rel=1e-3)
    assert consensus.deviation_bps(3) > 1_000


def test_a_coin_quoted_the_other_way_round_is_valued_too() -> None:
    consensus = told(("a:BTC/USD", 100), ("b:USD/USDC", 1.25))
    assert worth(consensus, "USDC") == pytest.approx(0.8, rel=0.01)


def test_a_market_between_two_others_is_held_against_both() -> None:
    consensus = told(("a:BTC/USDT", 1_000), ("a:ETH/USDT", 100), ("a:ETH/BTC", 0.10))
    assert consensus.deviation_bps(2) == pytest.approx(0, abs=1)
    quote(consensus, 2, 0.12)
    assert consensus.deviation_bps(2) == pytest.approx(2_000, rel=0.01)


def test_a_currency_that_is_only_ever_a_quote_is_valued_backwards() -> None:
    consensus = told(
        ("a:BTC/USDT", 110), ("a:ETH/USDT", 11), ("b:BTC/EUR", 100), ("b:ETH/EUR", 10), ("c:SOL/EUR", 5)
    )
    assert worth(consensus, "EUR") == pytest.approx(1.1, rel=1e-3)
    assert worth(consensus, "SOL") == pytest.approx(5.5, rel=1e-3)


def test_without_any_peg_the_commonest_quote_is_the_anchor() -> None:
    consensus = told(("a:ETH/BTC", 0.1), ("b:ETH/BTC", 0.1), ("b:SOL/ETH", 5))
    assert worth(consensus, "BTC") == 1
    assert worth(consensus, "SOL") == pytest.approx(0.5, rel=0.1)


def test_an_asset_that_nothing_tells_keeps_its_worth_and_says_so_by_its_count() -> None:
    consensus = told(("a:BTC/USDT", 100), age_ns=SECOND)
    consensus.update(consensus.index["BTC"], START + 2 * SECOND)
    assert worth(consensus, "BTC") == pytest.approx(100)
    assert consensus.count[consensus.index["BTC"]] == 0


def test_a_median_takes_its_markets_from_as_many_venues_as_it_can() -> None:
    names = [f"a:A{n}/USDT" for n in range(5)] + [f"v{n}:BTC/USDT" for n in range(3)] + ["a:BTC/USDC"] * 60
    consensus = told(*((name, 100.0) for name in names))
    seen = consensus.seen[consensus.index["BTC"]]
    assert len(seen) == OBSERVATIONS_MAX
    assert {5, 6, 7} <= {market for market, _, _ in seen}


def test_what_doubles_the_other_has_no_distance_that_means_anything() -> None:
    consensus = told(("a:BTC/USDT", 100), ("b:BTC/USDT", 100))
    quote(consensus, 0, 300)
    assert consensus.deviation_bps(0) == NOTHING_BPS


def test_nothing_is_compared_before_it_is_known() -> None:
    instruments = markets("a:BTC/USDT", "b:BTC/USDT")
    consensus = Consensus(instruments, Quotes(instruments, SECOND), PEGS, SECOND, [-1, -1])
    assert consensus.deviation_bps(0) == 0
    assert consensus.cross(0) == 0
    assert consensus.basis_bps([]) == 0


def test_what_was_found_is_taken_back() -> None:
    consensus = told(("a:BTC/USDT", 100), ("b:BTC/USDT", 101))
    other = told(("a:BTC/USDT", 50), ("b:BTC/USDT", 51))
    other.restore(consensus.state())
    assert other.worth == consensus.worth
    assert other.state() == consensus.state()
