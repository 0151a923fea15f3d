"""A ticket is priced again from the books in place, by code that knows nothing of the search."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from typing import Any

import msgspec
import numpy as np

from arbitrage.fee import FeeRule
from arbitrage.size.reprice import reprice
from arbitrage.size.reprice_kernels import share, toll
from arbitrage.size.repricer import Repricer
from arbitrage.size.sides import SIDE_WIDTH, TAKEN_MAX, Sides
from arbitrage.size.sizing import Depth, NoTicket, Sizer
from arbitrage.ticket import Cycle, Hop, Leg, Ticket
from domain.instrument import Instrument
from domain.units import fee_atoms
from hw.kernel import kernels_on
from tests.arbitrage.sizing_builders import Case, chain, depth

SWAP_PPM = 50
CASES = 400 if kernels_on() else 20
AREA = 200


def laid(case: Case, rng: random.Random) -> Sides:
    """Lay the books of a case into one block, here and there with a touch that is newer than the book."""
    count = len(case.instruments)
    block = np.zeros(16 + count * 2 * AREA, np.int64)
    places = np.zeros((count, 2, SIDE_WIDTH), np.int64)
    at = 16
    for market in range(count):
        for way, levels in enumerate(case.depths[market]):
            head, first = at, at + 8 + rng.randrange(8)
            places[market, way] = (head, head + 1, head + 2, head + 3, head + 4, head + 5)
            kept = levels[rng.random() < 0.2 and len(levels) > 1 :]
            newer = len(kept) < len(levels)
            # What the newer touch hides stands before it in the book.
            hidden = (
                np.array([[levels[0, 0] - (2 * way - 1), 5]]) if newer and rng.random() < 0.5 else kept[:0]
            )
            stands = np.concatenate([hidden, kept]).reshape(-1)
            block[first : first + len(stands)] = stands
            block[head + 4], block[head + 5] = first, len(stands) // 2
            if len(levels) > 0:
                block[head + 2], block[head + 3] = levels[0]
            at += AREA
    return Sides(block, places)


def both(case: Case, sides: Sides) -> tuple[Sizer, Repricer]:
    sizer = Sizer(case.instruments, case.fees, SWAP_PPM, sides=sides)
    return sizer, Repricer(case.instruments, case.fees, SWAP_PPM, {}, sides, case.depth)


def test_books_in_place_give_the_ticket_that_their_copies_give_and_both_pricings_agree() -> None:
    made = 0
    for seed in range(CASES):
        case, rng = chain(seed), random.Random(seed)
        sides = laid(case, rng)
        sizer, repricer = both(case, sides)
        most = [10**12 * rng.randint(1, 50) for _ in case.cycle.hops] if seed % 3 == 0 else None
        bps = rng.choice((0.0, 3.0, 12.5))
        path = sizer.path(case.cycle.hops)
        found = sizer.along(path, most, bps, 7, 9)
        assert found == case_sized(case, most, bps), f"seed {seed}"
        if isinstance(found, Ticket):
            made += 1
            assert repricer.agrees(found) and repricer.priced(found) == found
    assert made >= (30 if kernels_on() else 2)


def case_sized(case: Case, most: list[int] | None, bps: float) -> Ticket | NoTicket:
    """Size by copies of the books; venues are made apart so that every leg has its own bound."""
    sizer = Sizer(case.instruments, case.fees, SWAP_PPM)
    if most is None:
        return sizer.sized(case.cycle, case.depth, threshold_bps=bps, ticket_id=7, now_ns=9)
    budget: dict[tuple[str, str], int] = {}
    for hop, atoms in zip(case.cycle.hops, most, strict=True):
        market = case.instruments[hop.market]
        budget[market.venue, market.quote if hop.side > 0 else market.base] = atoms
    return sizer.sized(case.cycle, case.depth, budget=budget, threshold_bps=bps, ticket_id=7, now_ns=9)


def test_any_sizes_are_priced_as_the_slow_reference_prices_them() -> None:
    agreed = refused = 0
    for seed in range(CASES):
        case, rng = chain(seed), random.Random(seed)
        _, repricer = both(case, laid(case, rng))
        drawn = tuple(
            Leg(hop.market, hop.side, rng.randint(1, 1 + seed % 90), 1, 1, 1) for hop in case.cycle.hops
        )
        asked = Ticket(1, 2, "", drawn, 1, 1, 1, 1)
        slow = reprice(asked, case.instruments, case.depth, case.fees, SWAP_PPM)
        assert not repricer.agrees(asked)
        if slow is None:
            refused += 1
            continue
        agreed += 1
        assert repricer.agrees(slow), f"seed {seed}"
        place = rng.randrange(len(slow.legs))
        for name in ("size_lots", "price_ticks", "pay_atoms", "get_atoms"):
            leg = slow.legs[place]
            wrong = msgspec.structs.replace(leg, **{name: getattr(leg, name) + 1})
            legs = (*slow.legs[:place], wrong, *slow.legs[place + 1 :])
            assert not repricer.agrees(msgspec.structs.replace(slow, legs=legs)), name
        for name in ("in_atoms", "out_atoms", "dust_atoms", "swap_atoms"):
            assert not repricer.agrees(msgspec.structs.replace(slow, **{name: getattr(slow, name) - 1}))
    assert min(agreed, refused) >= (20 if kernels_on() else 1)


def there_and_back(lot: str, tick: str, price: int, lots: int) -> tuple[Case, Sides]:
    markets = [Instrument.of(place, f"v{place}", "A", "B", tick=tick, lot=lot) for place in range(2)]
    books = [depth(asks=[(price, lots)]), depth(bids=[(price + 1, lots)])]
    case = Case(markets, Cycle((Hop(0, 1), Hop(1, -1)), 1.0), books, {})
    return case, laid(case, random.Random(1))


def test_what_could_leave_an_int64_is_priced_the_slow_way() -> None:
    case, sides = there_and_back("1", "0.01", 40, 1 << 40)
    _, repricer = both(case, sides)
    legs = tuple(Leg(place, 1 - 2 * place, 1 << 38, 0, 0, 0) for place in range(2))
    slow = repricer.priced(Ticket(1, 2, "", legs, 0, 0, 0, 0))
    assert slow is not None and slow.in_atoms > 1 << 63
    assert repricer.agrees(slow)
    assert not repricer.agrees(msgspec.structs.replace(slow, out_atoms=slow.out_atoms - 1))


def test_a_market_that_is_not_believed_bears_nothing() -> None:
    case, sides = there_and_back("1", "1", 100, 5)
    sizer, repricer = both(case, sides)
    found = sizer.along(sizer.path(case.cycle.hops), None, 0.0, 1, 2)
    assert isinstance(found, Ticket) and repricer.agrees(found)
    sides.block[sides.places[1, 0, 1]] = 3
    assert isinstance(sizer.along(sizer.path(case.cycle.hops), None, 0.0, 1, 2), NoTicket)
    assert not repricer.agrees(found)


def test_another_fee_is_another_price() -> None:
    case, sides = there_and_back("1", "1", 100, 5)
    sizer, repricer = both(case, sides)
    found = sizer.along(sizer.path(case.cycle.hops), None, 0.0, 1, 2)
    assert isinstance(found, Ticket) and repricer.agrees(found)
    repricer.set_fee(1, FeeRule(1_000))
    assert not repricer.agrees(found)


def test_no_more_levels_are_read_than_a_ticket_counts_on() -> None:
    ladder = [(100 + place, 1) for place in range(60)]
    markets = [Instrument.of(place, f"v{place}", "A", "B", tick="1", lot="1") for place in range(2)]
    case = Case(
        markets,
        Cycle((Hop(0, 1), Hop(1, -1)), 1.0),
        [Depth(depth().bids, depth(asks=ladder).asks), depth(bids=[(500, 100)])],
        {},
    )
    sizer, repricer = both(case, laid(case, random.Random(5)))
    found = sizer.along(sizer.path(case.cycle.hops), None, 0.0, 1, 2)
    assert isinstance(found, Ticket) and found.legs[0].size_lots == TAKEN_MAX and repricer.agrees(found)
    beyond = [msgspec.structs.replace(leg, size_lots=TAKEN_MAX + 1) for leg in found.legs]
    assert not repricer.agrees(msgspec.structs.replace(found, legs=tuple(beyond)))


def test_shares_and_tolls_are_those_of_whole_numbers() -> None:
    rng = random.Random(4)
    plain_share: Any = getattr(share, "py_func", share)
    plain_toll: Any = getattr(toll, "py_func", toll)
    for _ in range(300):
        of = rng.randrange(1, 1 << rng.randrange(1, 60))
        by, amount = rng.randrange(0, 1 << rng.randrange(1, 60)), rng.randrange(0, 1 << rng.randrange(1, 61))
        if amount * by // of < 1 << 62:
            assert plain_share(amount, by, of) == amount * by // of
        ppm = rng.choice((0, 1, 999_999, rng.randrange(0, 1_000_000), -rng.randrange(0, 10_000)))
        assert plain_toll(amount, ppm) == fee_atoms(amount, ppm)


def test_the_kernels_say_the_same_as_plain_python() -> None:
    if not kernels_on():
        return
    environment = {**os.environ, "SWARM_KERNELS": "off"}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", __file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2_000:]
