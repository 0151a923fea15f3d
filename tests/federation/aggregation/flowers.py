"""Flower's own strategies, asked for the same answer."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.run.flower import (
    Array,
    ArrayRecord,
    ConfigRecord,
    Message,
    MetricRecord,
    RecordDict,
    TaskIdentity,
)
from federation.update import Arrays, Update

logging.getLogger("flwr").setLevel(logging.ERROR)
Floats = NDArray[np.floating]
SHAPES = ((3, 2), (2,), ())


def update(region: str, examples: int, seed: int, dtype: type = np.float32) -> Update:
    """Build a region's update out of seeded noise."""
    draws = np.random.default_rng(seed)
    arrays: list[Floats] = [np.asarray(draws.normal(size=shape), dtype=dtype) for shape in SHAPES]
    return Update(region, "base", arrays, examples)


def messages(updates: Sequence[Update]) -> list[Message]:
    """Put updates into replies as Flower's clients send them."""
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1
    found = []
    for node, one in enumerate(updates, 2):
        content = RecordDict(
            {"arrays": record(one.arrays), "metrics": MetricRecord({"num-examples": one.examples})}
        )
        found.append(Message(content, reply_to=Message(RecordDict(), node, "train")))
    return found


def record(arrays: Arrays) -> ArrayRecord:
    """Name arrays by their place."""
    return ArrayRecord({str(place): Array(np.asarray(array)) for place, array in enumerate(arrays)})


def strategy(name: str, **settings: Any) -> Any:
    """Make one of Flower's strategies."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import flwr.serverapp.strategy as strategies
    return getattr(strategies, name)(**settings)


def answer(
    theirs: Any, updates: Sequence[Update], current: Arrays | None = None, step: int = 1
) -> list[Floats]:
    """Ask a strategy to aggregate; one that steps on the server is told the current model first."""
    if current is not None:
        theirs.current_arrays = {str(place): array for place, array in enumerate(current)}
    arrays, _ = theirs.aggregate_train(step, messages(updates))
    assert arrays is not None
    return [array.numpy() for array in arrays.values()]


__all__ = ["ConfigRecord", "answer", "messages", "record", "strategy", "update"]
