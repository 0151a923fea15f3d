"""Find what is wrong with an update: one bad one would spoil the version."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import median

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from federation.update import Arrays, Names, RejectedUpdate, Update, plain
from federation.vetting.history import History, cosine, norm, step_of

Loss = Callable[[Arrays], float]

_MAD_TO_SIGMA = 1.4826  # of a normal distribution


class VettingConfig(BaseModel):
    """Bound what an update may be; a region's market may differ from the others', its step not wildly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm_z_max: float = Field(default=4.0, gt=0)
    norm_history_min: int = Field(default=4, ge=1)
    norm_spread_min: float = Field(default=0.25, gt=0, description="of the logarithm: below is noise")
    norm_base_max: float = Field(default=20.0, gt=0, description="a step against the base's own size")
    cosine_min: float = Field(default=-0.8, ge=-1, le=1)
    loss_slack_frac: float = Field(default=0.1, ge=0, description="worse on the hold-out than its base")
    against_cosine: float = Field(default=-0.2, ge=-1, le=1, description="below it, no worse at all")


def vet(
    update: Update,
    like: Arrays,
    history: History,
    holdout: Loss | None = None,
    *,
    names: Names = (),
    config: VettingConfig | None = None,
) -> RejectedUpdate | None:
    """Give the first thing that is wrong, `None` for an update that counts; `like` is what it began from."""
    config = config or VettingConfig()
    reason = _form(update, like, names)
    if reason is None:
        step = step_of(update.arrays, like)
        reason = (
            _size(step, like, history, config)
            or _way(step, history, config)
            or _loss(update, like, step, history, holdout, config)
        )
    return None if reason is None else RejectedUpdate(update.region, reason)


def _form(update: Update, like: Arrays, names: Names) -> str | None:
    if update.examples <= 0:
        return f"learnt from {update.examples} examples"
    if len(update.arrays) != len(like):
        return f"{len(update.arrays)} arrays where {len(like)} are due"
    if names and update.names != names:
        odd = sorted(set(update.names) ^ set(names)) or ["their order"]
        return f"names differ: {plain(', '.join(odd))}"
    for place, (array, model) in enumerate(zip(update.arrays, like, strict=True)):
        if array.shape != model.shape or array.dtype != model.dtype:
            found, due = f"{array.dtype}{array.shape}", f"{model.dtype}{model.shape}"
            return f"array {place} is {found} where {due} is due"
        if not np.isfinite(array).all():
            return f"array {place} is not finite"
    return None


def _size(step: Arrays, like: Arrays, history: History, config: VettingConfig) -> str | None:
    size, base = norm(step), norm(like)
    # Of a model of zeros nothing is known but how many numbers it has: each may come to be about one.
    unit = base if base > 0 else math.sqrt(sum(array.size for array in like))
    if size > config.norm_base_max * unit:
        return f"step of {size:.3g} from a model of {base:.3g}"
    if size == 0 or len(history.norms) < config.norm_history_min:
        return None
    logs = [math.log(each) for each in history.norms if each > 0]
    if not logs:
        return None
    middle = median(logs)
    spread = _MAD_TO_SIGMA * median(abs(each - middle) for each in logs)
    z = (math.log(size) - middle) / max(spread, config.norm_spread_min)
    return f"step of {size:.3g} is {z:.1f} deviations above the usual" if z > config.norm_z_max else None


def _way(step: Arrays, history: History, config: VettingConfig) -> str | None:
    alike = _alike(step, history)
    return f"goes against the others (cosine {alike:.2f})" if alike < config.cosine_min else None


def _alike(step: Arrays, history: History) -> float:
    """Compare with the way that the last version went; what cannot be compared is not held against it."""
    alike = cosine(step, history.direction) if history.direction else None
    return 1.0 if alike is None else alike


def _loss(
    update: Update, like: Arrays, step: Arrays, history: History, holdout: Loss | None, config: VettingConfig
) -> str | None:
    """Hold an update against its base: a region's market may be another, but not a mirror of the others'."""
    if holdout is None:
        return None
    before, after = holdout(like), holdout(update.arrays)
    slack = 0.0 if _alike(step, history) < config.against_cosine else config.loss_slack_frac
    if after <= before * (1 + slack):  # not so for a loss that is not a number
        return None
    return f"hold-out loss {after:.4g} where its base has {before:.4g}"
