"""Many updates into one: plain functions `(updates, weights, like) -> arrays`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.krum import krum
from federation.aggregation.mean import fedavg
from federation.aggregation.robust import median, trimmed_mean
from federation.update import Arrays, Update

Aggregator = Callable[[Sequence[Update], Sequence[float], Arrays], list[NDArray[np.floating]]]

# FedProx is FedAvg here: its term is the client's. FedAdam is FedAvg and the server's step after it.
AGGREGATORS: dict[str, Aggregator] = {
    "fedavg": fedavg,
    "fedprox": fedavg,
    "fedadam": fedavg,
    "trimmed_mean": trimmed_mean,
    "median": median,
    "krum": krum,
}
