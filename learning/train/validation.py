"""Splits in the order of time: no row is learnt from whose outcome the tested rows could share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from domain.errors import ExitCode, SwarmError
from learning.rows.row import Rows

Places = npt.NDArray[np.int64]


class Fold(msgspec.Struct, frozen=True, eq=False):
    """Places of the rows to fit on and of those to test on."""

    fit: Places
    held: Places
    ends: tuple[int, ...] = ()
    """Where, in the held rows, one stretch ends and another begins."""


def held_out(rows: Rows, frac: float) -> Fold:
    """Hold out the newest share of the rows; what was not yet known then is left out of the fit."""
    first = len(rows) - max(1, round(len(rows) * frac))
    return Fold(_known_before(rows, first), np.arange(first, len(rows)))


def walk_forward(rows: Rows, folds: int) -> Iterator[Fold]:
    """Fit on all that was known before each next stretch of the rows, and test on the stretch."""
    edges = np.linspace(0, len(rows), folds + 2).astype(np.int64)
    for first, last in pairwise(edges[1:]):
        fit = _known_before(rows, int(first))
        if len(fit) > 0 and last > first:
            yield Fold(fit, np.arange(first, last))


def stretches(rows: Rows, folds: int) -> list[Fold]:
    """Give the folds of the walk forward that can be fitted, or say that there are none."""
    found = [fold for fold in walk_forward(rows, folds) if len(np.unique(rows.y[fold.fit])) > 1]
    if not found:
        what = f"of {len(rows)} rows no stretch has two classes known before it"
        mend = "gather more rows, or ask for fewer folds"
        raise SwarmError(what, where="walk forward", mend=mend, code=ExitCode.BAD_DATA)
    return found


def _known_before(rows: Rows, first: int) -> Places:
    begin_ns = rows.table["at_ns"][first]
    return np.flatnonzero(rows.table["label_ns"][:first] < begin_ns)


def combinatorial(rows: Rows, folds: int, tested: int, embargo_ns: int) -> Iterator[Fold]:
    """Test on every choice of `tested` stretches out of `folds`; fit on the rest, purged and embargoed.

    The choices are those of skfolio, which purges by a number of rows; rows here last unequally long.
    """
    for fit, stretches in _choices(folds, tested).split(np.empty((len(rows), 1))):
        kept = purged(rows, fit, list(stretches), embargo_ns)
        if len(kept) == 0:
            what = f"outcomes last so long that of {len(rows)} rows none is left to fit on"
            mend = "gather more rows, or ask for fewer stretches"
            raise SwarmError(what, where="combinatorial validation", mend=mend, code=ExitCode.BAD_DATA)
        ends = np.cumsum([len(stretch) for stretch in stretches])[:-1]
        yield Fold(kept, np.concatenate(stretches).astype(np.int64), tuple(int(end) for end in ends))


def paths_of(folds: int, tested: int) -> list[list[tuple[int, int]]]:
    """Give each path through all stretches, as places (choice, which of its stretches)."""
    choices = _choices(folds, tested)
    chosen = choices.test_set_index
    return [
        [(int(split), int(np.flatnonzero(chosen[split] == fold)[0])) for fold, split in enumerate(path)]
        for path in choices.recombined_paths.T
    ]


def _choices(folds: int, tested: int) -> Any:
    from skfolio.model_selection import CombinatorialPurgedCV

    return CombinatorialPurgedCV(n_folds=folds, n_test_folds=tested, purged_size=0, embargo_size=0)


def purged(rows: Rows, fit: Places, stretches: list[Places], embargo_ns: int) -> Places:
    """Leave out rows whose span overlaps a tested stretch's, or that begin within the embargo after it."""
    begins, ends = rows.table["at_ns"][fit], rows.table["label_ns"][fit]
    kept = np.ones(len(fit), dtype=bool)
    for stretch in stretches:
        first_ns = rows.table["at_ns"][stretch].min()
        last_ns = rows.table["label_ns"][stretch].max() + embargo_ns
        kept &= (ends < first_ns) | (begins > last_ns)
    return fit[kept].astype(np.int64)
