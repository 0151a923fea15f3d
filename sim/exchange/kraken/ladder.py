"""One side of a book as its listeners see it: cut to a depth, told in changes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

Level = tuple[int, int]

# Beyond every price: such a bound lets all levels through.
_NOWHERE = 1 << 62


class Ladder:
    """Keep a side's levels, best first. `side` is +1 for bids and -1 for asks."""

    __slots__ = ("_keys", "_sign", "_sizes")

    def __init__(self, side: int, levels: Iterable[Level]) -> None:
        self._sign = -side
        self._sizes = {-side * price: size for price, size in levels}
        self._keys = sorted(self._sizes)

    def best(self, depth: int) -> list[Level]:
        """Give the best levels."""
        return [(self._sign * key, self._sizes[key]) for key in self._keys[:depth]]

    def change(self, levels: Iterable[Level], depths: Sequence[int]) -> list[list[Level]]:
        """Take changed levels, and tell for each depth what somebody who sees so far must be told.

        A level that falls out of sight is not told: who looks cuts to the depth. One that comes back is.
        """
        before = [self._bound(depth) for depth in depths]
        touched = {self._sign * price: self._set(self._sign * price, size) for price, size in levels}
        return [
            self._seen(touched, old, self._bound(depth)) for old, depth in zip(before, depths, strict=True)
        ]

    def _set(self, key: int, size: int) -> bool:
        """Set a level; tell whether it was there."""
        known = key in self._sizes
        if size > 0:
            self._sizes[key] = size
            if not known:
                insort(self._keys, key)
        elif known:
            del self._sizes[key], self._keys[bisect_left(self._keys, key)]
        return known

    def _bound(self, depth: int) -> int:
        return self._keys[depth - 1] if len(self._keys) >= depth else _NOWHERE

    def _seen(self, touched: dict[int, bool], before: int, after: int) -> list[Level]:
        told: list[Level] = []
        for key, known in touched.items():
            size = self._sizes.get(key, 0)
            if (size > 0 and key <= after) or (size == 0 and known and key <= before):
                told.append((self._sign * key, size))
        if after > before:
            back = self._keys[bisect_right(self._keys, before) : bisect_right(self._keys, after)]
            told += [(self._sign * key, self._sizes[key]) for key in back if key not in touched]
        return told
