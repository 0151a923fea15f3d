"""Quantiles of the latest values of a stream."""

from __future__ import annotations

from bisect import bisect_left, insort


class Window:
    """Keep the latest `size` values, in their order and in order of size: its quantiles are exact.

    >>> window = Window(4)
    >>> for value in (9.0, 1.0, 2.0, 3.0, 4.0):
    ...     window.add(value)
    >>> window.quantile(0.5), window.quantile(1.0)
    (2.5, 4.0)
    """

    def __init__(self, size: int, values: list[float] | None = None) -> None:
        self.size = size
        self.values: list[float] = list(values or ())[-size:]
        self._next = 0
        self._ordered = sorted(self.values)

    def add(self, value: float) -> None:
        """Take a finite value; the oldest leaves a full window."""
        assert value - value == 0, f"not finite: {value}"
        if len(self.values) == self.size:
            del self._ordered[bisect_left(self._ordered, self.values[self._next])]
            self.values[self._next] = value
            self._next = (self._next + 1) % self.size
        else:
            self.values.append(value)
        insort(self._ordered, value)

    def quantile(self, frac: float) -> float:
        """Give a quantile, between neighbours by their distance; an empty window has none."""
        assert self._ordered, "no values yet"
        place = frac * (len(self._ordered) - 1)
        low = int(place)
        high = min(low + 1, len(self._ordered) - 1)
        return self._ordered[low] + (place - low) * (self._ordered[high] - self._ordered[low])

    def __len__(self) -> int:
        return len(self.values)

    def oldest_first(self) -> list[float]:
        """Give the values in the order in which they came, which makes an equal window."""
        return self.values[self._next :] + self.values[: self._next]
