"""One decision as a row: what was seen and said, and, once its horizon is over, what became of it.

`label` is -1 while unknown, then 0 down, 1 flat, 2 up. `gross_bps` is the return of the mid from the
decision to `label_ns`. `net_bps` is that less the cost, towards nought: +3 says that a buyer earned 3, -3
that a seller did, 0 that neither side paid. `meta` is 1 where the decision's own side earned more than its
cost, 0 where it did not, -1 where no side was taken. `realised_bps` is what the decision's own fills
earned, NaN without any. Everything in a row is known at `label_ns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError

FEATURE_COUNT, CLASS_COUNT = 16, 3
DOWN, FLAT, UP, UNLABELLED = 0, 1, 2, -1
MODEL_BYTES = 32

ROW = np.dtype(
    [
        ("at_ns", np.int64),
        ("shard", np.int64),
        ("model", f"S{MODEL_BYTES}"),
        ("mode", np.int8),
        ("features", np.float32, (FEATURE_COUNT,)),
        ("probabilities", np.float32, (CLASS_COUNT,)),
        ("decision_ppm", np.int32),
        ("mid", np.float64),
        ("spread_bps", np.float32),
        ("volatility_bps", np.float32),
        ("label", np.int8),
        ("label_ns", np.int64),
        ("gross_bps", np.float32),
        ("net_bps", np.float32),
        ("meta", np.int8),
        ("realised_bps", np.float32),
    ]
)
Table = NDArray[np.void]


@dataclass(frozen=True)
class Rows:
    """Rows of several markets; `market` is each one's place in `markets`, named (venue, symbol)."""

    table: Table
    markets: tuple[tuple[str, str], ...]
    market: NDArray[np.int16]

    @staticmethod
    def of(venue: str, symbol: str, table: Table) -> Rows:
        """Take the rows of one market."""
        assert table.dtype == ROW
        return Rows(table, ((venue, symbol),), np.zeros(len(table), np.int16))

    @staticmethod
    def empty() -> Rows:
        """Give no rows at all."""
        return Rows(np.empty(0, ROW), (), np.empty(0, np.int16))

    @staticmethod
    def joined(parts: Iterable[Rows]) -> Rows:
        """Put rows together in the order of their times, shard by shard where those are equal."""
        given = [part for part in parts if len(part) > 0]
        if not given:
            return Rows.empty()
        markets = tuple(dict.fromkeys(market for part in given for market in part.markets))
        places = [np.array([markets.index(one) for one in part.markets], np.int16) for part in given]
        table = np.concatenate([part.table for part in given])
        market = np.concatenate([place[part.market] for place, part in zip(places, given, strict=True)])
        order = np.lexsort((table["shard"], table["at_ns"]))
        return Rows(table[order], markets, market[order])

    def __len__(self) -> int:
        return len(self.table)

    def pick(self, chosen: NDArray[Any] | slice) -> Rows:
        """Give some of the rows, by mask, places or slice."""
        return Rows(self.table[chosen], self.markets, self.market[chosen])

    @property
    def x(self) -> NDArray[np.float32]:
        """Give the features as a matrix, a row each."""
        return np.ascontiguousarray(self.table["features"])

    @property
    def y(self) -> NDArray[np.int8]:
        """Give the labels: 0 down, 1 flat, 2 up."""
        return np.ascontiguousarray(self.table["label"])

    def earned_bps(self, side: NDArray[np.int8], cost_bps: float) -> NDArray[np.float64]:
        """Tell what a side (-1, 0, +1) taken at each row would have earned by its label, after cost."""
        return side * self.table["gross_bps"].astype(np.float64) - np.abs(side) * cost_bps

    def need(self, where: str, rows_min: int = 1, classes: Sequence[int] = (DOWN, FLAT, UP)) -> Rows:
        """Give the rows back where they can be learnt from; refuse them, by name, where they cannot."""
        labelled = int((self.table["label"] >= 0).sum())
        if labelled < max(1, rows_min):
            raise _unfit(f"the region has {labelled} labelled rows of the {max(1, rows_min)} it needs", where)
        present = np.unique(self.table["label"])
        missing = [("down", "flat", "up")[one] for one in classes if one not in present]
        if len(classes) - len(missing) < 2:
            raise _unfit(f"all labelled rows are of one class: there is no {' and no '.join(missing)}", where)
        if not np.isfinite(self.table["features"]).all():
            raise _unfit("a row has a feature that is not finite", where)
        known = self.table[self.table["label"] >= 0]
        if not np.isfinite(known["gross_bps"]).all():
            raise _unfit("a row has an outcome that is not finite", where)
        if (known["label_ns"] < known["at_ns"]).any():
            raise _unfit("a row's outcome was known before its decision", where)
        return self


def _unfit(what: str, where: str) -> SwarmError:
    return SwarmError(
        what, where=where, mend="let it gather more rows; the model in use goes on", code=ExitCode.BAD_DATA
    )
