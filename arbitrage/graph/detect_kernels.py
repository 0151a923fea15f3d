"""Find the best cycle of up to four legs through an edge or a hot pair, exactly.

What a leg gains at the values that stand is at most 1 where it is certified, and the values cancel around a
cycle: a cycle that gains needs a hot leg, and legs on the way to it may lose no more than hot ones gain.
Legs are walked as pairs at their best rates, which no choice of books can beat; whatever may still win is
then given books, with the swaps between their venues. The legs of a cycle may be walked from any of them.
"""

from __future__ import annotations

from arbitrage.graph.certify_kernels import CERTAIN, degree
from arbitrage.graph.columns import (
    BACKS_AT,
    BOOK_COUNT,
    BOOKS,
    BOOKS_AT,
    CHOSEN_AT,
    CURSOR_AT,
    EMPTY,
    FLOOR,
    FOUND,
    FOUND_AT,
    FOUND_PRODUCT,
    GAINS_AT,
    HEAT,
    HOT,
    HOT_AT,
    HOT_PAIR,
    HOT_WORDS,
    HUBS_AT,
    LEGS_MAX,
    MARKET_WORDS,
    MARKETS_AT,
    PAIR,
    PAIR_WORDS,
    PAIRS_AT,
    PATH_AT,
    PREFIX_AT,
    PRODUCT_MIN,
    RATES_AT,
    REVERSE,
    SOURCE,
    STANDING,
    STARTS_AT,
    SUFFIX_AT,
    TARGET,
    TARGETS_AT,
    TOPS_AT,
    TURNED_AT,
    VALUE_WORDS,
    VALUES_AT,
    VENUE,
    Ints,
    Reals,
)
from hw.kernel import kernel

# A bound is loosened by more than rounding can be, and what passes it is multiplied out from the rates.
LOOSE = 1.0 - 1e-12
ANY = -1


@kernel
def pair_of(ints: Ints, edge: int) -> int:
    """Give the pair that an edge belongs to."""
    pair: int = ints[ints[MARKETS_AT] + (edge >> 1) * MARKET_WORDS + PAIR + (edge & 1)]
    return pair


@kernel
def venue_of(ints: Ints, edge: int) -> int:
    """Give the venue of an edge."""
    venue: int = ints[ints[MARKETS_AT] + (edge >> 1) * MARKET_WORDS + VENUE]
    return venue


@kernel
def swap_rest(ints: Ints, reals: Reals, edge: int, onward: int) -> float:
    """Give what is left of the asset between two legs: all of it at one venue."""
    if venue_of(ints, edge) == venue_of(ints, onward):
        return 1.0
    asset = ints[ints[PAIRS_AT] + pair_of(ints, edge) * PAIR_WORDS + TARGET]
    rest: float = reals[ints[VALUES_AT] + VALUE_WORDS * asset + 1]
    return rest


@kernel
def is_sooner(ints: Ints, one: int, count: int, other: int, others: int) -> bool:
    """Tell which of two equal cycles is taken: that of fewer legs, then that of lower edges."""
    if count != others:
        return count < others
    for i in range(count):
        if ints[one + i] != ints[other + i]:
            return bool(ints[one + i] < ints[other + i])
    return False


@kernel
def pair_between(ints: Ints, source: int, target: int) -> int:
    """Look up the pair that converts one class into another, -1 where no book does."""
    mine, theirs = ints[ints[HUBS_AT] + source], ints[ints[HUBS_AT] + target]
    pair = EMPTY
    if mine != EMPTY:
        pair = ints[mine + 2 * target]
    elif theirs != EMPTY:
        pair = ints[theirs + 2 * source + 1]
    else:
        for out in range(ints[ints[STARTS_AT] + source], ints[ints[STARTS_AT] + source + 1]):
            if ints[ints[TARGETS_AT] + out] == target:
                pair = out
    return pair


@kernel
def visits_once(ints: Ints) -> bool:
    """Tell whether four chosen edges, in the order of their path, pass no asset twice at one venue."""
    once = True
    for i in range(2):
        one, two = ints[PATH_AT + i] * PAIR_WORDS, ints[PATH_AT + i + 2] * PAIR_WORDS
        if ints[ints[PAIRS_AT] + one + SOURCE] == ints[ints[PAIRS_AT] + two + SOURCE]:
            into, out = venue_of(ints, ints[CHOSEN_AT + (i + 3) % 4]), venue_of(ints, ints[CHOSEN_AT + i])
            for j in range(i + 1, i + 3):
                venue = venue_of(ints, ints[CHOSEN_AT + j])
                once = once and venue not in (into, out)
    return once


@kernel
def second_rate(ints: Ints, reals: Reals, pair: int, fixed: int) -> float:
    """Give the best rate of a pair that one book of is taken already: `fixed`, or the best (ANY).

    A cycle that passes a pair twice begins as well from the other time, so that the better may be the first.
    """
    at, top, best = ints[PAIRS_AT] + pair * PAIR_WORDS, reals[ints[TOPS_AT] + pair], 0.0
    taken = False
    for i in range(ints[at + BOOKS], ints[at + BOOKS] + ints[at + BOOK_COUNT]):
        edge = ints[ints[BOOKS_AT] + i]
        rate = reals[ints[RATES_AT] + edge]
        if edge == fixed or (fixed == ANY and rate == top and not taken):
            taken = True
        else:
            best = max(best, rate)
    return best


@kernel
def choose_books(ints: Ints, reals: Reals, count: int, fixed: int) -> None:
    """Give the pairs of the path their books in each way that may still win; `fixed` is the first, or ANY.

    Whatever is chosen is multiplied out from its lowest edge on, and kept if nothing found is better.
    """
    reals[SUFFIX_AT + count] = 1.0
    for i in range(count - 1, -1, -1):
        best = reals[ints[TOPS_AT] + ints[PATH_AT + i]]
        if i == 2 and ints[PATH_AT] == ints[PATH_AT + 2]:
            best = second_rate(ints, reals, ints[PATH_AT], fixed)
        reals[SUFFIX_AT + i] = reals[SUFFIX_AT + i + 1] * best
    reals[PREFIX_AT], ints[CURSOR_AT], leg, low = 1.0, 0, 0, 0
    while leg >= 0:
        at, place = ints[PAIRS_AT] + ints[PATH_AT + leg] * PAIR_WORDS, ints[CURSOR_AT + leg]
        alone = leg == 0 and fixed != ANY
        if place >= (1 if alone else ints[at + BOOK_COUNT]):
            leg -= 1
            continue
        ints[CURSOR_AT + leg] += 1
        edge = fixed if alone else ints[ints[BOOKS_AT] + ints[at + BOOKS] + place]
        so_far = reals[PREFIX_AT + leg] * reals[ints[RATES_AT] + edge]
        if so_far * reals[SUFFIX_AT + leg + 1] < reals[FLOOR]:
            continue
        if leg > 0:
            so_far *= swap_rest(ints, reals, ints[CHOSEN_AT + leg - 1], edge)
            if so_far * reals[SUFFIX_AT + leg + 1] < reals[FLOOR]:
                continue
        ints[CHOSEN_AT + leg] = edge
        if leg + 1 < count:
            leg += 1
            reals[PREFIX_AT + leg], ints[CURSOR_AT + leg] = so_far, 0
            continue
        low, product = 0, 1.0
        for i in range(1, count):
            low = i if ints[CHOSEN_AT + i] < ints[CHOSEN_AT + low] else low
        for i in range(count):
            one, onward = ints[CHOSEN_AT + (low + i) % count], ints[CHOSEN_AT + (low + i + 1) % count]
            ints[TURNED_AT + i] = one
            product *= reals[ints[RATES_AT] + one] * swap_rest(ints, reals, one, onward)
        if product <= reals[PRODUCT_MIN] or (ints[FOUND] != 0 and product < reals[FOUND_PRODUCT]):
            continue
        if count == 4 and not visits_once(ints):
            continue
        tied = ints[FOUND] != 0 and product == reals[FOUND_PRODUCT]
        if tied and not is_sooner(ints, int(TURNED_AT), count, int(FOUND_AT), ints[FOUND]):
            continue
        ints[FOUND], reals[FOUND_PRODUCT] = count, product
        reals[FLOOR] = max(product, reals[STANDING]) * LOOSE
        for i in range(count):
            ints[FOUND_AT + i] = ints[TURNED_AT + i]


@kernel
def join(
    ints: Ints,
    reals: Reals,
    source: int,
    target: int,
    gain: float,
    most: float,
    place: int,
    missing: int,
    count: int,
    fixed: int,
) -> None:
    """Close a path by up to three pairs from `place` on; no missing leg gains more than `most`.

    Of two ends, the one with fewer pairs is gone on from; the last pair is looked up.
    """
    pairs, starts, targets, gains = ints[PAIRS_AT], ints[STARTS_AT], ints[TARGETS_AT], ints[GAINS_AT]
    back = degree(ints, target) < degree(ints, source)
    here, steps = (target, ints[BACKS_AT]) if back else (source, gains)
    begin, end = (ints[starts + here], ints[starts + here + 1]) if missing == 3 else (0, 1)
    for i in range(begin, end):
        first, last, gained, spot = source, target, gain, place
        if missing == 3:
            gained *= reals[steps + i]
            if gained * most * most < reals[FLOOR]:
                continue
            ints[PATH_AT + place + (2 if back else 0)] = ints[pairs + i * PAIR_WORDS + REVERSE] if back else i
            other = ints[targets + i]
            first, last, spot = (source, other, place) if back else (other, target, place + 1)
        behind = degree(ints, last) < degree(ints, first)
        there, onward = (last, ints[BACKS_AT]) if behind else (first, gains)
        begins, ends = (ints[starts + there], ints[starts + there + 1]) if missing > 1 else (0, 1)
        for j in range(begins, ends):
            one, two, total, at = first, last, gained, spot
            if missing > 1:
                total *= reals[onward + j]
                if total * most < reals[FLOOR]:
                    continue
                ints[PATH_AT + spot + (1 if behind else 0)] = (
                    ints[pairs + j * PAIR_WORDS + REVERSE] if behind else j
                )
                other = ints[targets + j]
                one, two, at = (first, other, spot) if behind else (other, last, spot + 1)
            if missing > 0:
                pair = pair_between(ints, one, two)
                if pair == EMPTY:
                    continue
                total *= reals[gains + pair]
                ints[PATH_AT + at] = pair
            if total >= reals[FLOOR]:
                choose_books(ints, reals, count, fixed)


@kernel
def search(ints: Ints, reals: Reals, edge: int) -> None:
    """Find the best cycle through an edge, or of all (ANY): each is found from the last of its hot pairs.

    A pair's cycles are those with no other hot leg, then those with each other hot pair: between the pair and
    that one, and on from there, up to two legs are missing in all.
    """
    gains, pairs, hot_at = ints[GAINS_AT], ints[PAIRS_AT], ints[HOT_AT]
    hottest = 1.0
    for i in range(ints[HOT]):
        hottest = max(hottest, reals[gains + ints[hot_at + HOT_WORDS * i + HOT_PAIR]])
    for step in range((ints[HOT] if edge == ANY else 1) * (1 + ints[HOT])):
        # Which pair is begun from, and which other hot one it is to meet: none at first.
        turn, i = step // (1 + ints[HOT]), step % (1 + ints[HOT]) - 1
        pair = ints[hot_at + HOT_WORDS * turn + HOT_PAIR] if edge == ANY else pair_of(ints, edge)
        gained, most, other, enters, leaves = reals[gains + pair], 1.0, pair, EMPTY, EMPTY
        if edge != ANY:
            gained *= reals[ints[RATES_AT] + edge] / reals[ints[TOPS_AT] + pair]
        elif gained <= 1.0 + CERTAIN or i > turn:
            continue
        first = pairs + pair * PAIR_WORDS
        source, target = ints[first + TARGET], ints[first + SOURCE]
        if i >= 0:
            other, most = ints[hot_at + HOT_WORDS * i + HOT_PAIR], hottest
            gained *= reals[gains + other]
            enters, leaves = (
                ints[pairs + other * PAIR_WORDS + SOURCE],
                ints[pairs + other * PAIR_WORDS + TARGET],
            )
        if gained * most * most < reals[FLOOR]:
            continue
        meets, closes = enters == source, leaves == target
        # Where both hot pairs there are were taken, and cannot be taken again, all others are certified.
        if i >= 0 and not (meets and closes) and ints[HOT] <= 1 + (ints[first + HEAT] != 0 and other != pair):
            most = 1.0
        ints[PATH_AT] = pair
        for way in range(3 if i < 0 else 6):
            # What is missing from `begin` to `end`, at which place, and how many legs that makes.
            begin, end, place, missing, count, fits = source, target, 1, 1 + way, 2 + way, i < 0
            total = gained
            if i >= 0 and way < 3:
                begin, place, missing, fits = leaves, 2, way, meets and (closes or way > 0)
                ints[PATH_AT + 1] = other
            elif i >= 0 and way < 5:
                end, missing, count, fits = enters, way - 2, way, closes
                ints[PATH_AT + way - 1] = other
            elif i >= 0:
                begin, place, missing, count = leaves, 3, 1, 4
                onward = pair_between(ints, source, enters)
                ints[PATH_AT + 1], ints[PATH_AT + 2], fits = onward, other, onward != EMPTY
                total *= reals[gains + onward] if fits else 0.0
            if fits and count <= ints[LEGS_MAX]:
                join(ints, reals, begin, end, total, most, place, missing, count, edge)
