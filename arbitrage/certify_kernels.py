"""Keep a value for every asset that no conversion beats: while one exists, no cycle of any length gains.

A pair is certified where `rate × value of target <= value of source`. What cannot be certified is *hot*, and
every cycle that gains passes a hot pair, for the values cancel around a cycle. A hot pair has a witness: a
cycle over certified pairs and itself that gains at the best rates, swaps reckoned free; while that stands
there is nothing to repair. Repair follows Cotton and Maler (difference constraints, SAT 2006), with ratios
for differences, after a cheaper try: one asset's value alone, in the middle of what its books leave free.
"""

from __future__ import annotations

import math

from arbitrage.graph_columns import (
    CHANGED_AT,
    CLASSES,
    EMPTY,
    HASH_FACTOR,
    HASH_SHIFT,
    HEAT,
    HOT,
    HOT_AT,
    HOT_PAIR,
    HOT_WORDS,
    MARKS,
    OLD_AT,
    PAIR_WORDS,
    PAIRS,
    PAIRS_AT,
    PARENTS_AT,
    QUEUE_AT,
    REPAIRS,
    REVERSE,
    SLOT_MASK,
    SLOTS_AT,
    SOURCE,
    STARTS_AT,
    STRETCHED,
    TARGET,
    TOPS_AT,
    UNPROVEN,
    VALUE_WORDS,
    VALUES_AT,
    WAITING_AT,
    WITNESS,
    WITNESS_LEGS,
    WITNESS_MAX,
    Ints,
    Reals,
)
from hw.kernel import kernel

# Rounding of one comparison: n certified legs stay under (1 + CERTAIN)^n, far below any gain told.
CERTAIN = 1e-14
# How far a value is put from the only side that binds it.
ALOOF = 1e-3
WORK_MAX = 16
# Values drift, for only their ratios matter; those that came this far are brought back.
FAR = 1e60


@kernel
def pair_between(ints: Ints, source: int, target: int) -> int:
    """Look up the pair that converts one class into another, -1 where no book does."""
    key = source * ints[CLASSES] + target
    mask, at = ints[SLOT_MASK], ints[SLOTS_AT]
    slot = (key * HASH_FACTOR >> HASH_SHIFT) & mask
    while ints[at + 2 * slot] != key and ints[at + 2 * slot] != EMPTY:
        slot = (slot + 1) & mask
    found: int = ints[at + 2 * slot + 1] if ints[at + 2 * slot] == key else EMPTY
    return found


@kernel
def heat(ints: Ints, reals: Reals, pair: int) -> float:
    """Give what a pair's best rate gains at the values that stand: above 1 is not certified."""
    at, values = ints[PAIRS_AT] + pair * PAIR_WORDS, ints[VALUES_AT]
    top = reals[ints[TOPS_AT] + pair]
    gain: float = (
        top
        * reals[values + VALUE_WORDS * ints[at + TARGET]]
        / reals[values + VALUE_WORDS * ints[at + SOURCE]]
    )
    return gain


@kernel
def degree(ints: Ints, place: int) -> int:
    """Count the pairs that leave a class."""
    at = ints[STARTS_AT] + place
    count: int = ints[at + 1] - ints[at]
    return count


@kernel
def centre(ints: Ints, reals: Reals, place: int) -> bool:
    """Put one class's value in the middle of what its own pairs allow; leave it where they allow none."""
    pairs, tops, values = ints[PAIRS_AT], ints[TOPS_AT], ints[VALUES_AT]
    low, high = 0.0, 0.0
    for out in range(ints[ints[STARTS_AT] + place], ints[ints[STARTS_AT] + place + 1]):
        at = pairs + out * PAIR_WORDS
        back = ints[at + REVERSE]
        other = reals[values + VALUE_WORDS * ints[at + TARGET]]
        if ints[at + HEAT] == 0:
            low = max(low, reals[tops + out] * other)
        if ints[pairs + back * PAIR_WORDS + HEAT] == 0:
            high = max(high, reals[tops + back] / other)
    if low * high > 1.0:
        return False
    if low > 0.0 and high > 0.0:
        reals[values + VALUE_WORDS * place] = math.sqrt(low / high)
    elif low > 0.0:
        reals[values + VALUE_WORDS * place] = low * (1.0 + ALOOF)
    elif high > 0.0:
        reals[values + VALUE_WORDS * place] = (1.0 - ALOOF) / high
    return True


@kernel
def mark_hot(ints: Ints, pair: int, last: int, falling: bool) -> None:
    """Set a pair apart, with its witness: from its last pair along what moved each class, to the pair."""
    pairs, parents = ints[PAIRS_AT], ints[PARENTS_AT]
    at = ints[HOT_AT] + HOT_WORDS * ints[HOT]
    ints[HOT] += 1
    ints[pairs + pair * PAIR_WORDS + HEAT] = ints[HOT]
    ints[at + HOT_PAIR] = pair
    legs, step = 0, last
    while step >= 0 and legs < WITNESS_MAX:
        ints[at + WITNESS + legs] = step
        legs += 1
        if step == pair:
            break
        step = ints[parents + ints[pairs + step * PAIR_WORDS + (SOURCE if falling else TARGET)]]
    if step != pair:
        legs = 0
        ints[UNPROVEN] += 1
    ints[at + WITNESS_LEGS] = legs
    for i in range(legs):
        ints[pairs + ints[at + WITNESS + i] * PAIR_WORDS + MARKS] += 1


@kernel
def spread(ints: Ints, reals: Reals, pair: int) -> int:
    """Repair values from one pair on; give 0, or the last pair of a cycle that gains, or -1 for giving up.

    The end of lower degree gives way: values fall behind the target, or rise ahead of the source. Each class
    remembers the pair that moved it; what would move the end that stays closes a cycle that gains.
    """
    pairs, tops, values = ints[PAIRS_AT], ints[TOPS_AT], ints[VALUES_AT]
    queue, parents, waiting, changed = ints[QUEUE_AT], ints[PARENTS_AT], ints[WAITING_AT], ints[CHANGED_AT]
    at, count = pairs + pair * PAIR_WORDS, ints[CLASSES]
    falling = degree(ints, ints[at + TARGET]) <= degree(ints, ints[at + SOURCE])
    first, stays = ints[at + TARGET], ints[at + SOURCE]
    if not falling:
        first, stays = stays, first
    anchor, rate = reals[values + VALUE_WORDS * stays], reals[tops + pair]
    ints[changed], ints[parents + first] = first, pair
    reals[ints[OLD_AT]] = reals[values + VALUE_WORDS * first]
    reals[values + VALUE_WORDS * first] = anchor / rate if falling else anchor * rate
    ints[queue], ints[waiting + first] = first, 1
    moved, head, length, outcome, work = 1, 0, 1, 0, WORK_MAX * ints[PAIRS]
    while length > 0 and outcome == 0:
        here = ints[queue + head]
        head, length = (head + 1) % count, length - 1
        ints[waiting + here] = 0
        value = reals[values + VALUE_WORDS * here]
        for out in range(ints[ints[STARTS_AT] + here], ints[ints[STARTS_AT] + here + 1]):
            other = ints[pairs + out * PAIR_WORDS + TARGET]
            step = out if falling else ints[pairs + out * PAIR_WORDS + REVERSE]
            rate = reals[tops + step]
            if rate <= 0.0 or ints[pairs + step * PAIR_WORDS + HEAT] != 0:
                continue
            theirs = reals[values + VALUE_WORDS * other]
            if falling and rate * theirs <= value * (1.0 + CERTAIN):
                continue
            if not falling and rate * value <= theirs * (1.0 + CERTAIN):
                continue
            if other == stays:
                outcome = step + 1
                break
            if ints[parents + other] == EMPTY:
                ints[changed + moved], reals[ints[OLD_AT] + moved] = other, theirs
                moved += 1
            ints[parents + other] = step
            reals[values + VALUE_WORDS * other] = value / rate if falling else value * rate
            if ints[waiting + other] == 0:
                ints[queue + (head + length) % count], ints[waiting + other] = other, 1
                length += 1
        work -= degree(ints, here)
        if work < 0 and outcome == 0:
            outcome = EMPTY
    if outcome != 0:
        mark_hot(ints, pair, outcome - 1, falling)
    for i in range(moved):
        other = ints[changed + i]
        ints[parents + other], ints[waiting + other] = EMPTY, 0
        if outcome != 0:
            reals[values + VALUE_WORDS * other] = reals[ints[OLD_AT] + i]
    return outcome


@kernel
def let_go(ints: Ints, place: int) -> None:
    """Let the hot pair at a place be as others."""
    pairs = ints[PAIRS_AT]
    at, last = ints[HOT_AT] + HOT_WORDS * place, ints[HOT_AT] + HOT_WORDS * (ints[HOT] - 1)
    if ints[at + WITNESS_LEGS] == 0:
        ints[UNPROVEN] -= 1
    for i in range(ints[at + WITNESS_LEGS]):
        ints[pairs + ints[at + WITNESS + i] * PAIR_WORDS + MARKS] -= 1
    ints[pairs + ints[at + HOT_PAIR] * PAIR_WORDS + HEAT] = 0
    ints[HOT] -= 1
    if at != last:
        for i in range(HOT_WORDS):
            ints[at + i] = ints[last + i]
        ints[pairs + ints[at + HOT_PAIR] * PAIR_WORDS + HEAT] = place + 1


@kernel
def stands(ints: Ints, reals: Reals, at: int) -> bool:
    """Tell whether the witness of a hot pair still gains."""
    product = 1.0
    for i in range(ints[at + WITNESS_LEGS]):
        product *= reals[ints[TOPS_AT] + ints[at + WITNESS + i]]
    return product > 1.0 + WITNESS_MAX * CERTAIN


@kernel
def settle(ints: Ints, reals: Reals, pair: int) -> None:
    """Make a pair whose rate changed certified or hot, then try again for hot pairs whose witness broke.

    A place among the hot ones that becomes free is taken by the last of them: they are seen from the last.
    """
    pairs = ints[PAIRS_AT]
    hot, broken = ints[HOT], ints[UNPROVEN] != 0 or ints[pairs + pair * PAIR_WORDS + MARKS] != 0
    for i in range(hot, -1 if broken else hot - 1, -1):
        if i != hot and i >= ints[HOT]:
            continue
        one = pair if i == hot else ints[ints[HOT_AT] + HOT_WORDS * i + HOT_PAIR]
        at = pairs + one * PAIR_WORDS
        place = ints[at + HEAT] - 1
        certain = heat(ints, reals, one) <= 1.0 + CERTAIN
        if place >= 0:
            if not certain and (i == hot or stands(ints, reals, ints[HOT_AT] + HOT_WORDS * place)):
                continue
            let_go(ints, place)
        if certain:
            continue
        ints[REPAIRS] += 1
        small, large = ints[at + SOURCE], ints[at + TARGET]
        if (degree(ints, small), -small) > (degree(ints, large), -large):
            small, large = large, small
        fits = False
        for end in range(2):
            fits = fits or centre(ints, reals, small if end == 0 else large)
        if not fits:
            spread(ints, reals, one)
        for end in range(2):
            value = reals[ints[VALUES_AT] + VALUE_WORDS * (small if end == 0 else large)]
            if not 1.0 / FAR < value < FAR:
                ints[STRETCHED] = 1 + (small if end == 0 else large)


@kernel
def level(ints: Ints, reals: Reals) -> None:
    """Bring values that drifted far from 1 back; every pair must be settled again after it."""
    values = ints[VALUES_AT]
    by = reals[values + VALUE_WORDS * (ints[STRETCHED] - 1)]
    for place in range(ints[CLASSES]):
        at = values + VALUE_WORDS * place
        reals[at] = min(max(reals[at] / by, 1.0 / FAR), FAR)
    ints[STRETCHED] = 0
