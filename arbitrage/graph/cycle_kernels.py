"""List the best cycles of any length, each once: from the lowest of its edges that gain at our values.

A cycle passes no asset twice at one venue. What cannot come among the best any more is left, so that a market
in balance costs nothing; one in disorder has more ways than can be walked, so steps are counted.
"""

from __future__ import annotations

from arbitrage.graph.columns import (
    BOOK_COUNT,
    BOOKS,
    BOOKS_AT,
    EMPTY,
    GAINS_AT,
    MARKETS,
    PAIR_WORDS,
    PAIRS_AT,
    RATES_AT,
    SOURCE,
    STARTS_AT,
    TARGET,
    VALUE_WORDS,
    VALUES_AT,
    Ints,
    Reals,
)
from arbitrage.graph.detect_kernels import LOOSE, pair_between, pair_of, swap_rest, venue_of
from hw.kernel import kernel

# A leg of the walk: its edge and where that leads, whether a wanted asset was passed, and which pair and
# which of its books are next.
EDGE, AT_VENUE, FROM, INTO, PASSED, NEXT, LAST, BOOK = range(8)
LEG_WORDS = 8
# Reals of a leg: what all up to it gain, and what all after it may at most.
GAINED, AHEAD = 0, 1
GAIN_WORDS = 2
# A cycle that was found: how many edges, and they. The last row is for the one that is weighed.
COUNT, FIRST = 0, 1


@kernel
def is_worse(cycles: Ints, products: Reals, one: int, other: int) -> bool:
    """Tell which of two cycles is let go first: less product, then more legs, then higher edges."""
    if products[one] != products[other]:
        return bool(products[one] < products[other])
    for i in range(cycles[one, COUNT] + FIRST):
        if cycles[one, i] != cycles[other, i]:
            return bool(cycles[one, i] > cycles[other, i])
    return False


@kernel
def keep_cycle(
    ints: Ints, reals: Reals, walk: Ints, count: int, cycles: Ints, products: Reals, heap: Ints, floor: float
) -> None:
    """Multiply a cycle out from its lowest edge on, and keep it in place of the worst that is kept."""
    limit, low, product = len(heap), 0, 1.0
    for i in range(1, count):
        low = i if walk[i, EDGE] < walk[low, EDGE] else low
    for i in range(count):
        one, onward = walk[(low + i) % count, EDGE], walk[(low + i + 1) % count, EDGE]
        cycles[limit, FIRST + i] = one
        product *= reals[ints[RATES_AT] + one] * swap_rest(ints, reals, one, onward)
    cycles[limit, COUNT], products[limit], worst = count, product, heap[0]
    if product <= floor or not is_worse(cycles, products, worst, limit):
        return
    products[worst] = product
    for i in range(count + FIRST):
        cycles[worst, i] = cycles[limit, i]
    place, below = 0, 1
    while below < limit:
        if below + 1 < limit and is_worse(cycles, products, heap[below + 1], heap[below]):
            below += 1
        if not is_worse(cycles, products, heap[below], worst):
            break
        heap[place] = heap[below]
        place, below = below, 2 * below + 1
    heap[place] = worst


@kernel
def take_leg(
    ints: Ints, reals: Reals, walk: Ints, gains: Reals, leg: int, edge: int, away: Ints, most: float
) -> None:
    """Set a leg of the walk; the last one but one goes on by the only pair that leads home."""
    pair, legs_max = pair_of(ints, edge), len(walk)
    at = ints[PAIRS_AT] + pair * PAIR_WORDS
    source, target = ints[at + SOURCE], ints[at + TARGET]
    walk[leg, EDGE], walk[leg, AT_VENUE] = edge, venue_of(ints, edge)
    walk[leg, FROM], walk[leg, INTO], walk[leg, BOOK] = source, target, 0
    passed = away[source] == 0 or (leg > 0 and walk[leg - 1, PASSED] != 0)
    walk[leg, PASSED] = 1 if passed else 0
    ahead = 1.0
    for _ in range(legs_max - leg - 2):
        ahead *= most
    gains[leg * GAIN_WORDS + AHEAD] = ahead
    walk[leg, NEXT], walk[leg, LAST] = ints[ints[STARTS_AT] + target], ints[ints[STARTS_AT] + target + 1]
    if leg + 2 >= legs_max:
        onward = pair_between(ints, target, walk[0, FROM]) if leg + 2 == legs_max else EMPTY
        walk[leg, NEXT], walk[leg, LAST] = onward, onward if onward == EMPTY else onward + 1


@kernel
def is_passed(walk: Ints, leg: int, venue: int, source: int, target: int) -> bool:
    """Tell whether an edge after a leg comes to an asset at a venue once more; home may be come back to."""
    swapped, passed = venue != walk[leg, AT_VENUE], False
    for i in range(leg + 1):
        if walk[i, AT_VENUE] == venue:
            passed = passed or (swapped and (walk[i, FROM] == source or walk[i, INTO] == source))
            passed = passed or walk[i, INTO] == target or (i > 0 and walk[i, FROM] == target)
    return passed


@kernel(
    "int64(int64[::1], float64[::1], int64[:, ::1], float64[::1], int64[:, ::1], float64[::1], int64[::1],"
    " int64[::1], int64[::1], int64, float64)"
)
def list_cycles(
    ints: Ints,
    reals: Reals,
    walk: Ints,
    gains: Reals,
    cycles: Ints,
    products: Reals,
    heap: Ints,
    away: Ints,
    without: Ints,
    steps: int,
    floor: float,
) -> int:
    """Keep the best cycles above `floor`, as many as `heap` has places; give the steps left (< 0: not all).

    `walk` has as many rows as a cycle may have legs, `away` the legs from each class to one that must be
    passed, and `without` is not 0 for markets to leave out. `products` must be 0, `heap` in any order.
    """
    pairs, values, rates = ints[PAIRS_AT], ints[VALUES_AT], ints[RATES_AT]
    most, legs_max = 1.0, len(walk)
    for first in range(2 * ints[MARKETS] - 1, -1, -1):
        at = pairs + pair_of(ints, first) * PAIR_WORDS
        given, got = values + VALUE_WORDS * ints[at + SOURCE], values + VALUE_WORDS * ints[at + TARGET]
        begun = reals[rates + first] * reals[got] / reals[given]
        if begun <= 1.0 or without[first >> 1] != 0:
            continue
        gains[GAINED] = begun
        take_leg(ints, reals, walk, gains, 0, first, away, most)
        leg, home, home_venue = 0, walk[0, FROM], walk[0, AT_VENUE]
        while leg >= 0 and steps >= 0:
            steps -= 1
            pair, place = walk[leg, NEXT], walk[leg, BOOK]
            if pair >= walk[leg, LAST]:
                leg -= 1
                continue
            least = max(floor, products[heap[0]]) * LOOSE
            gained, ahead = gains[leg * GAIN_WORDS + GAINED], gains[leg * GAIN_WORDS + AHEAD]
            at = pairs + pair * PAIR_WORDS
            if place >= ints[at + BOOK_COUNT] or gained * reals[ints[GAINS_AT] + pair] * ahead < least:
                walk[leg, NEXT], walk[leg, BOOK] = pair + 1, 0
                continue
            walk[leg, BOOK] = place + 1
            edge = ints[ints[BOOKS_AT] + ints[at + BOOKS] + place]
            rate, source, target = reals[rates + edge], ints[at + SOURCE], ints[at + TARGET]
            mine = rate * reals[values + VALUE_WORDS * target] / reals[values + VALUE_WORDS * source]
            if rate <= 0.0 or without[edge >> 1] != 0 or (mine > 1.0 and edge <= first):
                continue
            venue = venue_of(ints, edge)
            total = gained * mine * swap_rest(ints, reals, walk[leg, EDGE], edge)
            if total * ahead < least or is_passed(walk, leg, venue, source, target):
                continue
            if walk[leg, PASSED] == 0 and away[source] != 0 and leg + 2 + away[target] > legs_max:
                continue
            leg += 1
            gains[leg * GAIN_WORDS + GAINED] = total
            take_leg(ints, reals, walk, gains, leg, edge, away, most)
            if target == home:
                if walk[leg, PASSED] != 0:
                    keep_cycle(ints, reals, walk, leg + 1, cycles, products, heap, floor)
                if venue == home_venue:
                    leg -= 1
        most = max(most, begun)
    return steps
