"""Keep a value for every asset that no conversion beats: while one exists, no cycle of any length gains.

A pair is certified where `rate × value of target <= value of source`. What cannot be certified is *hot*, and
every cycle that gains passes a hot pair, for the values cancel around a cycle. A hot pair has a witness: a
cycle over certified pairs and itself that gains at the best rates, swaps reckoned free; while that stands
there is nothing to repair. Repair follows Cotton and Maler (difference constraints, SAT 2006), with ratios
for differences, after a cheaper try: one asset's value alone, in the middle of what its books leave free.
"""

from __future__ import annotations

import math

from arbitrage.graph.columns import (
    BACKS_AT,
    CHANGED_AT,
    CLASSES,
    EMPTY,
    GAINS_AT,
    HEAT,
    HOT,
    HOT_AT,
    HOT_PAIR,
    HOT_WORDS,
    LOADING,
    MARKS,
    OLD_AT,
    PAIR_WORDS,
    PAIRS,
    PAIRS_AT,
    PARENTS_AT,
    QUEUE_AT,
    REPAIRS,
    REVERSE,
    SOURCE,
    STARTS_AT,
    STRETCHED,
    TARGET,
    TARGETS_AT,
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
def degree(ints: Ints, place: int) -> int:
    """Count the pairs that leave a class."""
    at = ints[STARTS_AT] + place
    count: int = ints[at + 1] - ints[at]
    return count


@kernel
def refresh(ints: Ints, reals: Reals, place: int) -> None:
    """Work out anew what the pairs of a class gain, seen from both of their ends."""
    tops, values = ints[TOPS_AT], ints[VALUES_AT]
    gains, backs = ints[GAINS_AT], ints[BACKS_AT]
    mine = reals[values + VALUE_WORDS * place]
    for out in range(ints[ints[STARTS_AT] + place], ints[ints[STARTS_AT] + place + 1]):
        back = ints[ints[PAIRS_AT] + out * PAIR_WORDS + REVERSE]
        other = reals[values + VALUE_WORDS * ints[ints[TARGETS_AT] + out]]
        gain, gain_back = reals[tops + out] * other / mine, reals[tops + back] * mine / other
        reals[gains + out], reals[backs + out] = gain, gain_back
        reals[gains + back], reals[backs + back] = gain_back, gain


@kernel
def centre(ints: Ints, reals: Reals, place: int) -> bool:
    """Put one class's value in the middle of what its own pairs allow; leave it where they allow none."""
    pairs, low, high = ints[PAIRS_AT], 0.0, 0.0
    for out in range(ints[ints[STARTS_AT] + place], ints[ints[STARTS_AT] + place + 1]):
        gain, back = reals[ints[GAINS_AT] + out], reals[ints[BACKS_AT] + out]
        if gain > low and (gain <= 1.0 or ints[pairs + out * PAIR_WORDS + HEAT] == 0):
            low = gain
        if back > high and (
            back <= 1.0 or ints[pairs + ints[pairs + out * PAIR_WORDS + REVERSE] * PAIR_WORDS + HEAT] == 0
        ):
            high = back
    if low * high > 1.0:
        return False
    by = 1.0
    if low > 0.0 and high > 0.0:
        by = math.sqrt(low / high)
    elif low > 0.0:
        by = low * (1.0 + ALOOF)
    elif high > 0.0:
        by = (1.0 - ALOOF) / high
    reals[ints[VALUES_AT] + VALUE_WORDS * place] *= by
    refresh(ints, reals, place)
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
def spread(ints: Ints, reals: Reals, pair: int) -> None:
    """Repair values from one pair on, or mark it hot where a cycle gains or there is too much to repair.

    The end of lower degree gives way: values fall behind the target, or rise ahead of the source. Each class
    remembers the pair that moved it; what would move the end that stays closes a cycle that gains.
    """
    pairs, tops, values, old = ints[PAIRS_AT], ints[TOPS_AT], ints[VALUES_AT], ints[OLD_AT]
    queue, parents, waiting, changed = ints[QUEUE_AT], ints[PARENTS_AT], ints[WAITING_AT], ints[CHANGED_AT]
    stays, first = ints[pairs + pair * PAIR_WORDS + SOURCE], ints[pairs + pair * PAIR_WORDS + TARGET]
    falling = degree(ints, first) <= degree(ints, stays)
    if not falling:
        stays, first = first, stays
    gains, rate = ints[GAINS_AT] if falling else ints[BACKS_AT], reals[tops + pair]
    reals[old + first], ints[changed], ints[parents + first] = (
        reals[values + VALUE_WORDS * first],
        first,
        pair,
    )
    anchor = reals[values + VALUE_WORDS * stays]
    reals[values + VALUE_WORDS * first] = anchor / rate if falling else anchor * rate
    ints[queue] = first
    moved, head, length, outcome, work = 1, 0, 1, 0, WORK_MAX * ints[PAIRS]
    while length > 0 and outcome == 0:
        here = ints[queue + head]
        head, length = (head + 1) % ints[CLASSES], length - 1
        ints[waiting + here] = 0
        value = reals[values + VALUE_WORDS * here]
        by = reals[old + here] / value if falling else value / reals[old + here]
        for out in range(ints[ints[STARTS_AT] + here], ints[ints[STARTS_AT] + here + 1]):
            gain = reals[gains + out] * by
            if gain <= 1.0 + CERTAIN:
                continue
            other = ints[ints[TARGETS_AT] + out]
            step = out if falling else ints[pairs + out * PAIR_WORDS + REVERSE]
            theirs = reals[values + VALUE_WORDS * other]
            if ints[parents + other] != EMPTY:
                gain *= theirs / reals[old + other] if falling else reals[old + other] / theirs
            if gain <= 1.0 + CERTAIN or ints[pairs + step * PAIR_WORDS + HEAT] != 0:
                continue
            if other == stays:
                outcome = step + 1
                break
            if ints[parents + other] == EMPTY:
                ints[changed + moved], reals[old + other] = other, theirs
                moved += 1
            ints[parents + other], rate = step, reals[tops + step]
            reals[values + VALUE_WORDS * other] = value / rate if falling else value * rate
            if ints[waiting + other] == 0:
                ints[queue + (head + length) % ints[CLASSES]], ints[waiting + other] = other, 1
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
            reals[values + VALUE_WORDS * other] = reals[old + other]
    for i in range(moved if outcome == 0 else 0):
        refresh(ints, reals, ints[changed + i])


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
def settle(ints: Ints, reals: Reals, pair: int) -> None:
    """Make a pair whose rate changed certified or hot, then try again for hot pairs whose witness broke.

    A place among the hot ones that becomes free is taken by the last of them: they are seen from the last.
    """
    pairs = ints[PAIRS_AT]
    doubtful = ints[UNPROVEN] != 0 and ints[LOADING] == 0
    hot, broken = ints[HOT], doubtful or ints[pairs + pair * PAIR_WORDS + MARKS] != 0
    for i in range(hot, -1 if broken else hot - 1, -1):
        if i != hot and i >= ints[HOT]:
            continue
        one = pair if i == hot else ints[ints[HOT_AT] + HOT_WORDS * i + HOT_PAIR]
        at = pairs + one * PAIR_WORDS
        place = ints[at + HEAT] - 1
        certain = reals[ints[GAINS_AT] + one] <= 1.0 + CERTAIN
        if place >= 0:
            product, witness = 1.0, ints[HOT_AT] + HOT_WORDS * place
            for j in range(ints[witness + WITNESS_LEGS]):
                product *= reals[ints[TOPS_AT] + ints[witness + WITNESS + j]]
            if not certain and (i == hot or product > 1.0 + WITNESS_MAX * CERTAIN):
                continue
            let_go(ints, place)
        if certain:
            continue
        ints[REPAIRS] += 1
        small, large = ints[at + SOURCE], ints[at + TARGET]
        if degree(ints, small) > degree(ints, large) or (
            degree(ints, small) == degree(ints, large) and small < large
        ):
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
    for place in range(ints[CLASSES]):
        refresh(ints, reals, place)
    ints[STRETCHED] = 0
