"""What became of a decision: the first of three barriers, as far away as the market's volatility says.

Up and down barriers lie `multiple` standard deviations of the horizon's return away, and never nearer than
what trading costs, so that a label of up or down says that this side paid, net of cost. The third barrier is
the horizon's end: flat. The meta-label says whether the side that was taken paid (López de Prado, Advances in
Financial Machine Learning, 2018, chapter 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from learning.rows import labels_kernels as k
from learning.rows.row import Table

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
VOLATILITY_BPS_MIN = 0.05


class LabelConfig(BaseModel):
    """How far ahead a decision looks, where its barriers lie, and what taking a side costs in all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    horizon_s: Annotated[float, Field(gt=0, le=3_600)] = 10.0
    up_multiple: Annotated[float, Field(gt=0)] = 1.0
    down_multiple: Annotated[float, Field(gt=0)] = 1.0
    cost_bps: Annotated[float, Field(ge=0)] = 2.0

    @property
    def horizon_ns(self) -> int:
        """Give the horizon in the unit of time stamps."""
        return round(self.horizon_s * 1e9)

    def barrier_bps(self, multiple: float, volatility_bps: Reals) -> Reals:
        """Tell how far away a barrier lies, given the volatility of one second."""
        believed = np.maximum(volatility_bps.astype(np.float64), VOLATILITY_BPS_MIN)
        far: Reals = np.maximum(multiple * believed * np.sqrt(self.horizon_s), self.cost_bps)
        return far


@dataclass(frozen=True)
class Labels:
    """Labels of some decisions; `label` is -1 and `label_ns` 0 where it is not known yet."""

    label: NDArray[np.int8]
    label_ns: Ints
    gross_bps: Reals
    net_bps: Reals


def label_path(
    path_ns: Ints,
    path_mids: Reals,
    at_ns: Ints,
    mids: Reals,
    volatility_bps: Reals,
    config: LabelConfig,
    until_ns: int | None = None,
) -> Labels:
    """Label decisions by the path of mids that followed; times ascend.

    The path is whole before `until_ns`: by default the time of its last mid.
    """
    count = len(at_ns)
    label, label_ns, gross_bps = np.empty(count, np.int8), np.empty(count, np.int64), np.empty(count)
    if until_ns is None:
        until_ns = int(path_ns[-1]) if len(path_ns) else 0
    k.follow_path(
        np.ascontiguousarray(path_ns, np.int64),
        np.ascontiguousarray(path_mids, np.float64),
        np.searchsorted(path_ns, at_ns, side="right").astype(np.int64),
        np.ascontiguousarray(at_ns, np.int64),
        np.ascontiguousarray(mids, np.float64),
        config.barrier_bps(config.up_multiple, volatility_bps),
        config.barrier_bps(config.down_multiple, volatility_bps),
        config.horizon_ns,
        until_ns,
        label,
        label_ns,
        gross_bps,
    )
    net_bps = np.sign(gross_bps) * np.maximum(np.abs(gross_bps) - config.cost_bps, 0.0)
    return Labels(label, label_ns, gross_bps, net_bps)


def meta_of(decision_ppm: NDArray[np.int32], labels: Labels, cost_bps: float) -> NDArray[np.int8]:
    """Tell whether the side that was decided paid: 1, 0, or -1 where there was none or nobody knows yet."""
    paid = np.sign(decision_ppm) * labels.gross_bps - cost_bps > 0.0
    known = (decision_ppm != 0) & (labels.label >= 0)
    return np.where(known, paid, -1).astype(np.int8)


def write_labels(table: Table, labels: Labels, config: LabelConfig) -> None:
    """Write labels into rows."""
    for name in ("label", "label_ns", "gross_bps", "net_bps"):
        table[name] = getattr(labels, name)
    table["meta"] = meta_of(table["decision_ppm"], labels, config.cost_bps)


def uniqueness(at_ns: Ints, label_ns: Ints) -> NDArray[np.float32]:
    """Weigh rows by how little of their time they share with others, as `learn` takes weights; mean 1.

    Rows whose horizons overlap tell partly the same story (the same book, chapter 4).
    """
    if len(at_ns) == 0:
        return np.empty(0, np.float32)
    ends_ns = np.maximum(label_ns, at_ns + 1)
    times, places = np.unique(np.concatenate([at_ns, ends_ns]), return_inverse=True)
    begins, ends = places[: len(at_ns)], places[len(at_ns) :]
    changes = np.bincount(begins, minlength=len(times)) - np.bincount(ends, minlength=len(times))
    alive = np.maximum(np.cumsum(changes)[:-1], 1)
    shared = np.concatenate([[0.0], np.cumsum(np.diff(times) / alive)])
    weight = (shared[ends] - shared[begins]) / (ends_ns - at_ns)
    weight /= weight.mean()
    return np.asarray(weight, np.float32)
