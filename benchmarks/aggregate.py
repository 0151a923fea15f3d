"""Average ten clients of a million parameters each, beside one matrix product and beside Flower's FedAvg."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.result import Result
from federation.aggregation.mean import fedavg, shares
from federation.run.flower import Array, ArrayRecord, MetricRecord, RecordDict, settled
from federation.update import Update
from hw.clock import perf_ns

CASE = "aggregate"
BAR = {"to_numpy": ("<=", 2.0), "ratio": (">", 1.0)}
CLIENTS, SHAPES = 10, ((1000, 900), (900,), (110, 900), (100,))


def once_ms(work: Callable[[], object]) -> float:
    """Time one go."""
    began = perf_ns()
    work()
    return (perf_ns() - began) / 1e6


def run(quick: bool) -> Result:
    """Time all three on the same arrays; ours is Flower's answer to the bit."""
    with settled():
        from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

    draws, tries = np.random.default_rng(1), 5 if quick else 40
    updates = [
        Update(f"r{i}", "base", [draws.normal(size=shape).astype(np.float32) for shape in SHAPES], 100 + i)
        for i in range(CLIENTS)
    ]
    weights = shares([each.examples for each in updates])
    like = updates[0].arrays
    stacked = np.stack([np.concatenate([array.reshape(-1) for array in each.arrays]) for each in updates])
    factors = np.array(weights, np.float32)
    records = [
        RecordDict(
            {
                "arrays": ArrayRecord({str(place): Array(array) for place, array in enumerate(each.arrays)}),
                "metrics": MetricRecord({"num-examples": each.examples}),
            }
        )
        for each in updates
    ]
    theirs = aggregate_arrayrecords(records, "num-examples")
    for mine, other in zip(fedavg(updates, weights, like), theirs.values(), strict=True):
        assert mine.tobytes() == other.numpy().tobytes(), "the same answer, to the bit"
    ours_ms = numpy_ms = flower_ms = float("inf")
    for _ in range(tries):  # in turns, so that what else the machine does hits all three
        ours_ms = min(ours_ms, once_ms(lambda: fedavg(updates, weights, like)))
        numpy_ms = min(numpy_ms, once_ms(lambda: factors @ stacked))
        flower_ms = min(flower_ms, once_ms(lambda: aggregate_arrayrecords(records, "num-examples")))
    to_numpy, ratio = ours_ms / numpy_ms, flower_ms / ours_ms
    return Result(
        case=CASE,
        metrics={"ms": ours_ms, "to_numpy": to_numpy, "ratio": ratio, "parameters": float(stacked.shape[1])},
        bar="to_numpy <= 2, ratio to Flower's FedAvg > 1",
        met=to_numpy <= 2.0 and ratio > 1.0,
        peer="Flower FedAvg; numpy is one matrix product over arrays that lie stacked already",
        peer_metrics={"ms": flower_ms, "numpy_ms": numpy_ms},
        ratio=ratio,
        note="equal to Flower's to the bit; Flower's time has the unpacking of its records in it",
    )
