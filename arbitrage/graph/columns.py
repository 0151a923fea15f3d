"""Lay the price graph out in two flat arrays that its kernels share.

A *class* is what one value stands for: an asset over all venues where its inventory is swapped, else an
asset at one venue. A *pair* is an ordered pair of classes that at least one book converts; its books are the
edges `2 × market + side`, selling (0) or buying (1). All pairs that leave a class lie beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

# Header of `ints`: counts and state, then where each table begins in `ints` and in `reals`.
CLASSES, PAIRS, MARKETS, LEGS_MAX, HOT, UNPROVEN, BEST, FOUND, REPAIRS, STRETCHED = range(10)
MARKETS_AT, PAIRS_AT, STARTS_AT, TARGETS_AT, BOOKS_AT, HOT_AT, QUEUE_AT, PARENTS_AT = range(10, 18)
CHANGED_AT, WAITING_AT, HUBS_AT, ROWS_AT = range(18, 22)
RATES_AT, SCALES_AT, TOPS_AT, GAINS_AT, BACKS_AT, VALUES_AT, OLD_AT = range(22, 29)
# Not 0 while all rates are being taken: no best is looked for, and what could not be proven is left so.
LOADING = 29
# Up to four each: the best cycle, pairs being walked, edges chosen for them, places, the same edges turned to
# begin with the lowest, a search's best.
BEST_AT, PATH_AT, CHOSEN_AT, CURSOR_AT, TURNED_AT, FOUND_AT = 32, 36, 40, 44, 48, 52
INTS_HEADER = 56

# Header of `reals`.
BEST_PRODUCT, FOUND_PRODUCT, PRODUCT_MIN, FLOOR, HOTTEST, STANDING = range(6)
PREFIX_AT, SUFFIX_AT = 6, 11
REALS_HEADER = 16

# A market: its touch, its venue and the pairs of its two edges; one cache line.
BID_TICKS, BID_LOTS, ASK_TICKS, ASK_LOTS, VENUE, PAIR, FEE_PPM = 0, 1, 2, 3, 4, 5, 7
MARKET_WORDS = 8
# A pair. HEAT is its place among the hot ones plus one, MARKS how many witnesses pass it.
SOURCE, TARGET, REVERSE, BOOKS, BOOK_COUNT, HEAT, MARKS = range(7)
PAIR_WORDS = 8
# A hot pair: which, and a cycle of pairs that shows why it cannot be certified.
HOT_PAIR, WITNESS_LEGS, WITNESS = 0, 1, 2
WITNESS_MAX = 14
HOT_WORDS = 16
# Reals of a market: what one tick is worth, and what a taker keeps. Of a class: value, what a swap leaves.
SCALE_WORDS, VALUE_WORDS = 2, 2
EMPTY = -1
# A class of this many pairs has a row of its own, by which its pairs are looked up.
HUB_DEGREE = 32


class GraphColumns:
    """Hold both arrays, and views on the tables in them for whoever is not a kernel."""

    def __init__(
        self, markets: Sequence[tuple[int, int, int]], swap_rests: Sequence[float], legs_max: int
    ) -> None:
        """Take (class of base, class of quote, venue) of every market, and what swaps leave of each class."""
        classes, pairs = len(swap_rests), _paired(markets)
        degrees = np.bincount([source for source, _ in pairs], minlength=classes)
        hubs = np.flatnonzero(degrees >= HUB_DEGREE)
        sizes = {
            MARKETS_AT: len(markets) * MARKET_WORDS,
            PAIRS_AT: len(pairs) * PAIR_WORDS,
            STARTS_AT: classes + 1,
            TARGETS_AT: len(pairs),
            BOOKS_AT: 2 * len(markets),
            HOT_AT: len(pairs) * HOT_WORDS,
            QUEUE_AT: classes,
            PARENTS_AT: classes,
            CHANGED_AT: classes,
            WAITING_AT: classes,
            HUBS_AT: classes,
            ROWS_AT: len(hubs) * 2 * classes,
        }
        real_sizes = {
            RATES_AT: 2 * len(markets),
            SCALES_AT: SCALE_WORDS * len(markets),
            TOPS_AT: len(pairs),
            GAINS_AT: len(pairs),
            BACKS_AT: len(pairs),
            VALUES_AT: VALUE_WORDS * classes,
            OLD_AT: classes,
        }
        places = _places(sizes, INTS_HEADER) | _places(real_sizes, REALS_HEADER)
        self.ints: Ints = np.zeros(INTS_HEADER + sum(sizes.values()), np.int64)
        self.reals: Reals = np.zeros(REALS_HEADER + sum(real_sizes.values()), np.float64)
        for word, place in places.items():
            self.ints[word] = place
        self.ints[[CLASSES, PAIRS, MARKETS]] = classes, len(pairs), len(markets)
        self.ints[LEGS_MAX] = legs_max

        def table(word: int, width: int) -> Ints:
            return self.ints[places[word] : places[word] + sizes[word]].reshape(-1, width)

        def real_table(word: int, width: int) -> Reals:
            return self.reals[places[word] : places[word] + real_sizes[word]].reshape(-1, width)

        self.markets, self.pairs = table(MARKETS_AT, MARKET_WORDS), table(PAIRS_AT, PAIR_WORDS)
        self.starts, self.books = table(STARTS_AT, 1)[:, 0], table(BOOKS_AT, 1)[:, 0]
        self.hot, self._targets = table(HOT_AT, HOT_WORDS), table(TARGETS_AT, 1)[:, 0]
        self.rates, self.scales = real_table(RATES_AT, 2), real_table(SCALES_AT, SCALE_WORDS)
        self.tops, self.values = real_table(TOPS_AT, 1)[:, 0], real_table(VALUES_AT, VALUE_WORDS)
        self._rows, self._hubs = table(ROWS_AT, 2), table(HUBS_AT, 1)[:, 0]
        table(PARENTS_AT, 1)[:], self._rows[:], self._hubs[:] = EMPTY, EMPTY, EMPTY
        self._hubs[hubs] = places[ROWS_AT] + 2 * classes * np.arange(len(hubs))
        self.values[:, 0], self.values[:, 1] = 1.0, swap_rests
        self._fill(markets, pairs)

    def _fill(self, markets: Sequence[tuple[int, int, int]], pairs: dict[tuple[int, int], list[int]]) -> None:
        """Number the pairs and tell every market its own."""
        numbers = {pair: number for number, pair in enumerate(pairs)}
        place = 0
        for (source, target), number in numbers.items():
            edges = pairs[source, target]
            reverse = numbers[target, source]
            self.pairs[number, :HEAT] = source, target, reverse, place, len(edges)
            self.books[place : place + len(edges)] = edges
            for edge in edges:
                self.markets[edge >> 1, PAIR + (edge & 1)] = number
            place += len(edges)
            self.starts[source + 1] += 1
            self._targets[number] = target
            if self._hubs[source] != EMPTY:
                row = (int(self._hubs[source]) - int(self.ints[ROWS_AT])) // 2
                self._rows[row + target] = number, reverse
        np.cumsum(self.starts, out=self.starts)
        self.markets[:, VENUE] = [venue for _, _, venue in markets]


def _paired(markets: Sequence[tuple[int, int, int]]) -> dict[tuple[int, int], list[int]]:
    """Give the edges of every ordered pair of classes, sorted by the pair."""
    pairs: dict[tuple[int, int], list[int]] = {}
    for market, (base, quote, _) in enumerate(markets):
        pairs.setdefault((base, quote), []).append(2 * market)
        pairs.setdefault((quote, base), []).append(2 * market + 1)
    return dict(sorted(pairs.items()))


def _places(sizes: dict[int, int], place: int) -> dict[int, int]:
    """Lay tables one behind the other."""
    places = {}
    for word, size in sizes.items():
        places[word], place = place, place + size
    return places
