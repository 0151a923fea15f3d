"""Make the next version of the updates that are there, however late each is (FedBuff, Nguyen et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from federation.aggregation import AGGREGATORS
from federation.aggregation.adam import fedadam
from federation.aggregation.mean import shares
from federation.loop.config import LoopConfig
from federation.loop.version import Member, Version, next_hash
from federation.update import Arrays, RejectedUpdate, Update
from federation.vetting.history import norm, step_of

Loss = Callable[[Arrays], float]


class Counted(msgspec.Struct, frozen=True):
    """An update that passed, with the version that it was learnt from."""

    update: Update
    base: Version


class Regressed(msgspec.Struct, frozen=True):
    """A model that is worse than its parent, so that it did not become a version."""

    reason: str


def merged(
    config: LoopConfig,
    current: Version,
    counted: Sequence[Counted],
    left_out: Sequence[RejectedUpdate],
    durations_ns: Mapping[str, tuple[int, ...]],
    now_ns: int,
    loss: Loss | None = None,
    best: Version | None = None,
) -> Version | Regressed:
    """Aggregate, gate, and describe the next version; its champion is left as the current one's.

    The gate holds it against the best version so far: against its parent, many small losses would add up.
    """
    weights = shares([min(each.update.examples, config.examples_max) for each in counted])
    late = [current.number - each.base.number for each in counted]
    moved = [
        _moved(each, current, (1 + staleness) ** -config.staleness_power)
        for each, staleness in zip(counted, late, strict=True)
    ]
    arrays: Arrays = tuple(AGGREGATORS[config.aggregator](moved, weights, current.arrays))
    moments = current.moments
    if config.aggregator == "fedadam":
        stepped, moments = fedadam(arrays, current.arrays, moments, current.number + 1, config.adam)
        arrays = tuple(stepped)
    if not all(np.isfinite(array).all() for array in arrays):
        return Regressed("the aggregate is not finite")
    measured = None if loss is None else loss(arrays)
    if loss is not None and measured is not None:
        best = best or current
        before = loss(best.arrays)
        if not measured <= before * (1 + config.regress_frac):
            return Regressed(f"hold-out loss {measured:.4g} where version {best.number} has {before:.4g}")
    steps = [step_of(each.update.arrays, each.base.arrays) for each in counted]
    return Version(
        number=current.number + 1,
        hash=next_hash(current, arrays),
        parent=current.hash,
        names=current.names,
        arrays=arrays,
        made_ns=now_ns,
        members=tuple(
            Member(
                each.update.region,
                each.base.number,
                each.update.attempt,
                each.update.examples,
                weight,
                staleness,
            )
            for each, weight, staleness in zip(counted, weights, late, strict=True)
        ),
        left_out=tuple(left_out),
        counted={**current.counted, **{each.update.region: _place(each) for each in counted}},
        durations_ns=durations_ns,
        history=current.history.with_steps([norm(step) for step in steps], step_of(arrays, current.arrays)),
        moments=moments,
        loss=measured,
        champion=current.champion,
    )


def champion_of(made: Version, best: Version | None, loss: Loss | None) -> int:
    """Name the best on the hold-out so far; the newest where there is none."""
    return (
        made.number if loss is None or best is None or loss(made.arrays) <= loss(best.arrays) else best.number
    )


def _place(each: Counted) -> tuple[int, int]:
    return each.base.number, each.update.attempt


def _moved(each: Counted, current: Version, discount: float) -> Update:
    """Carry a late update's step over to the current version; one on time stays as it is, to the bit."""
    if each.base.number == current.number:
        return each.update
    arrays = [
        np.asarray(now + (new - then) * now.dtype.type(discount))
        for now, new, then in zip(current.arrays, each.update.arrays, each.base.arrays, strict=True)
    ]
    return msgspec.structs.replace(each.update, arrays=arrays)
