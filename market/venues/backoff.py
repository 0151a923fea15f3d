"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Double the wait from `least_s` to `most_s`, each time shortened by a random part of its half.

    The jitter keeps nodes that lost one venue together from coming back together.
    """

    def __init__(self, least_s: float, most_s: float, draws: random.Random) -> None:
        self._least_s, self._most_s, self._draws = least_s, most_s, draws
        self._tries = 0

    def next_s(self) -> float:
        """Give the next wait."""
        wait_s = min(self._most_s, self._least_s * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return wait_s * (0.5 + 0.5 * self._draws.random())

    def reset(self) -> None:
        """Begin again at the least wait."""
        self._tries = 0
