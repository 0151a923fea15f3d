"""Whether a canary does better or worse than the champion, told at any time without being fooled by looking.

A confidence sequence on the mean difference of outcomes: the empirical Bernstein bound with predictable
weights (Waudby-Smith and Ramdas, Estimating means of bounded random variables by betting, 2023, theorem 2).
It holds for every number of outcomes at once, whatever their distribution, since outcomes are cut off at a
limit. Looking after each one costs nothing, so a bad canary is withdrawn as soon as that is known.
"""

from __future__ import annotations

from math import inf, isnan, log, log1p, sqrt

import msgspec
from pydantic import BaseModel, ConfigDict, Field

CANARY, CHAMPION = "canary", "champion"
BETTER, WORSE, OPEN = "better", "worse", "open"
_BET_MAX = 0.5


class SequentialConfig(BaseModel):
    """What is an outcome, and how sure a verdict must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit_bps: float = Field(50.0, gt=0)
    """Outcomes are cut off here on both sides: the difference is of the means of what is left."""
    alpha: float = Field(0.05, gt=0, lt=1)
    """Greatest probability, over all looks together, that the interval ever leaves out the truth."""


class _State(msgspec.Struct):
    sums: list[float]
    counts: list[int]
    pairs: int = 0
    total: float = 0.0
    squares: float = 0.25
    weights: float = 0.0
    weighted: float = 0.0
    spent: float = 0.0


class Comparison:
    """Take outcomes of canary and champion as they come; the arms need not have equally many.

    Outcomes since the last pair are averaged for each arm, and their difference is one observation. So what
    the market did to both at a time cancels.

    >>> comparison = Comparison()
    >>> for _ in range(2_000):
    ...     comparison.add("champion", -20.0)
    ...     comparison.add("canary", 20.0)
    >>> comparison.verdict
    'better'
    """

    def __init__(self, config: SequentialConfig | None = None, state: bytes = b"") -> None:
        self.config = config or SequentialConfig()
        self._state = (
            _State([0.0, 0.0], [0, 0]) if state == b"" else msgspec.msgpack.decode(state, type=_State)
        )

    def save(self) -> bytes:
        """Give the state, to go on from after a restart."""
        return msgspec.msgpack.encode(self._state)

    @property
    def pairs(self) -> int:
        """Count the differences that were observed."""
        return self._state.pairs

    def add(self, arm: str, outcome_bps: float) -> None:
        """Take one outcome."""
        assert arm in (CANARY, CHAMPION), arm
        assert not isnan(outcome_bps), "an outcome that is not a number"
        limit, state, place = self.config.limit_bps, self._state, int(arm == CANARY)
        state.sums[place] += min(max(outcome_bps, -limit), limit)
        state.counts[place] += 1
        if min(state.counts) > 0:
            champion, canary = (total / count for total, count in zip(state.sums, state.counts, strict=True))
            state.sums, state.counts = [0.0, 0.0], [0, 0]
            # Within [0, 1], a half meaning no difference.
            self._observe(0.5 + (canary - champion) / (4 * limit))

    def _observe(self, x: float) -> None:
        state, sure = self._state, log(2 / self.config.alpha)
        mean, count = (0.5 + state.total) / (state.pairs + 1), state.pairs + 1
        variance = state.squares / count
        # Of the past alone, so that it is fixed before x is seen.
        bet = min(_BET_MAX, sqrt(2 * sure / (variance * count * log1p(count))))
        state.pairs, state.total = count, state.total + x
        state.squares += (x - (0.5 + state.total) / (count + 1)) ** 2
        state.weights += bet
        state.weighted += bet * x
        state.spent += (x - mean) ** 2 * (-log1p(-bet) - bet)

    @property
    def interval(self) -> tuple[float, float]:
        """Give the canary's mean outcome less the champion's, in bps, as an interval."""
        state = self._state
        if state.pairs == 0:
            return -inf, inf
        centre, radius = (
            state.weighted / state.weights,
            (log(2 / self.config.alpha) + state.spent) / state.weights,
        )
        scale = 4 * self.config.limit_bps
        return (centre - radius - 0.5) * scale, (centre + radius - 0.5) * scale

    @property
    def verdict(self) -> str:
        """Tell whether the canary is better or worse, or that this is open yet."""
        low, high = self.interval
        return BETTER if low > 0 else WORSE if high < 0 else OPEN
