"""Cycles that share books never take more than there is, and come close to the linear program's best."""

from __future__ import annotations

import random

import pytest

from arbitrage.fee import FeeRule
from arbitrage.size.combine import CYCLES_MAX, Remaining, combined, cut, optimum, value
from arbitrage.size.sizing import Budget, Depth, Sizer
from arbitrage.ticket import Cycle, Hop
from domain.instrument import Instrument
from hw.kernel import kernels_on
from tests.arbitrage.sizing_builders import depth

ATOMS = 10**10
WORTH = {"USDT": 1.0}


class Market:
    """Several cycles through the same books: coins bought in BTC and sold in USDT, and BTC at two venues."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.instruments: list[Instrument] = []
        self.depths: list[Depth] = []
        self.cycles: list[Cycle] = []
        btc = self._add("x", "BTC", "USDT", 60_000.0, "0.1", "0.0001", rng)
        other = self._add("y", "BTC", "USDT", 60_000.0 * rng.uniform(1.0, 1.004), "0.1", "0.0001", rng)
        self.cycles.append(Cycle((Hop(btc, 1), Hop(other, -1)), 1.0))
        for coin in range(rng.randint(2, 4)):
            price = rng.uniform(20, 3_000)
            gain = rng.uniform(1.0, 1.01)
            crossed = self._add("x", f"C{coin}", "BTC", price / 60_000, "0.0000001", "0.01", rng)
            direct = self._add("x", f"C{coin}", "USDT", price * gain, "0.01", "0.01", rng)
            self.cycles.append(Cycle((Hop(btc, 1), Hop(crossed, 1), Hop(direct, -1)), 1.0))
        self.fees = {place: FeeRule(rng.choice((0, 100))) for place in range(len(self.instruments))}
        self.budget: Budget | None = None
        if rng.random() < 0.5:
            self.budget = {("x", "USDT"): rng.randint(5_000, 200_000) * ATOMS, ("x", "BTC"): 3 * ATOMS,
                           ("y", "BTC"): 2 * ATOMS}  # fmt: skip
            self.budget |= {("x", f"C{coin}"): 10**6 * ATOMS for coin in range(4)}

    def _add(
        self, venue: str, base: str, quote: str, mid: float, tick: str, lot: str, rng: random.Random
    ) -> int:
        market = Instrument.of(
            len(self.instruments), venue, base, quote, tick=tick, lot=lot, size_max="100000000"
        )
        at, sides = round(mid / market.tick.value(1)), []
        size = 20_000 / (mid * (60_000 if quote == "BTC" else 1)) / market.lot.value(1)
        for side in (-1, 1):
            place = at + side * max(1, at // 20_000)
            levels = []
            for _ in range(6):
                levels.append((place, max(1, round(size * rng.uniform(0.2, 2)))))
                place += side * max(1, round(at / 3_000 * rng.random()))
            sides.append(levels)
        self.instruments.append(market)
        self.depths.append(depth(bids=sides[0], asks=sides[1]))
        return len(self.instruments) - 1

    def sizer(self) -> Sizer:
        return Sizer(self.instruments, self.fees, 50)

    def best(self) -> float:
        found = optimum(
            self.cycles, self.instruments, self.depths.__getitem__, self.fees, 50, WORTH, budget=self.budget
        )
        assert found is not None
        return found


def test_shared_books_and_balances_are_taken_once_and_the_gap_is_small() -> None:
    earned, most, several = 0.0, 0.0, 0
    for seed in range(60 if kernels_on() else 5):
        market = Market(seed)
        tickets = combined(
            market.cycles, market.instruments, market.depths.__getitem__, market.sizer(), WORTH,
            budget=market.budget, ticket_id=5,
        )  # fmt: skip
        mine, best = value(tickets, WORTH), market.best()
        assert mine <= best * (1 + 1e-9) + 1
        assert [ticket.ticket_id for ticket in tickets] == list(range(5, 5 + len(tickets)))
        taken: dict[tuple[int, int], int] = {}
        paid: dict[tuple[str, str], int] = {}
        for leg in (leg for ticket in tickets for leg in ticket.legs):
            one = market.instruments[leg.instrument]
            key = (one.venue, one.quote if leg.side > 0 else one.base)
            taken[leg.instrument, leg.side] = taken.get((leg.instrument, leg.side), 0) + leg.size_lots
            paid[key] = paid.get(key, 0) + leg.pay_atoms
        for (place, side), lots in taken.items():
            book = market.depths[place]
            assert lots <= (book.asks if side > 0 else book.bids)[:, 1].sum()
        if market.budget is not None:
            assert all(atoms <= market.budget[key] for key, atoms in paid.items())
        earned, most, several = earned + mine, most + best, several + (len(tickets) > 1)
    assert several >= (20 if kernels_on() else 1)
    assert 0.95 < earned / most <= 1, f"the greedy earns {earned / most:.4f} of the best"


def test_one_cycle_alone_earns_what_the_program_says_but_for_its_lots() -> None:
    for seed in range(20 if kernels_on() else 3):
        market = Market(seed)
        one = [market.cycles[0]]
        tickets = combined(one, market.instruments, market.depths.__getitem__, market.sizer(), WORTH)
        best = optimum(one, market.instruments, market.depths.__getitem__, market.fees, 50, WORTH)
        assert value(tickets, WORTH) == pytest.approx(best, rel=2e-3, abs=2 * ATOMS)


def test_a_program_that_is_too_large_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    market = Market(0)
    assert market.best() > 0
    monkeypatch.setattr("arbitrage.size.combine.VARIABLES_MAX", 3)
    args = market.cycles, market.instruments, market.depths.__getitem__, market.fees, 50, WORTH
    assert optimum(*args) is None


def test_nothing_to_gain_gives_nothing() -> None:
    market = Market(1)
    back = [Cycle((Hop(1, 1), Hop(0, -1)), 1.0)]
    assert combined(back, market.instruments, market.depths.__getitem__, market.sizer(), WORTH) == []
    assert combined([], market.instruments, market.depths.__getitem__, market.sizer(), WORTH) == []
    assert optimum([], market.instruments, market.depths.__getitem__, market.fees, 50, WORTH) == 0.0
    best = optimum(back, market.instruments, market.depths.__getitem__, market.fees, 50, WORTH)
    assert best == pytest.approx(0.0, abs=1.0)
    with pytest.raises(AssertionError):
        combined(
            market.cycles * CYCLES_MAX, market.instruments, market.depths.__getitem__, market.sizer(), WORTH
        )


def test_lots_are_cut_from_the_best_levels_first() -> None:
    side = depth(asks=[(10, 5), (11, 7), (12, 1)]).asks
    assert cut(side, 0).tolist() == side.tolist()
    assert cut(side, 3).tolist() == [[10, 2], [11, 7], [12, 1]]
    assert cut(side, 5).tolist() == [[11, 7], [12, 1]]
    assert cut(side, 12).tolist() == [[12, 1]]
    assert cut(side, 13).tolist() == [] and side[0, 1] == 5


def test_books_that_no_ticket_touched_stay_the_ones_they_were() -> None:
    market = Market(2)
    remaining = Remaining(market.depths.__getitem__, None)
    assert remaining.depth(3) is market.depths[3]
