"""Ways to compute one model, equal within a stated tolerance, and the choice among them by measurement."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domain.errors import ExitCode, SwarmError
from hw.clock import perf_ns
from hw.inference.forest import Forest, bounded, forest_of, is_forest
from hw.inference.network import Floats, Network, network_of

# Name → module with `open_engine(network)`. torch takes a second to import, so nobody who trades names it.
ENGINES = {
    "fused": "hw.inference.fused",
    "onnx": "hw.inference.onnx_session",
    "torch": "hw.inference.torch_module",
    "int8": "hw.inference.fixed",
}
# Those that a node chooses from: the same probabilities, and quick to load. int8's differ a little more.
EXACT = ("fused", "onnx")
# What trees are computed by.
FOR_TREES, _TREES = "fused", "hw.inference.trees"

# How far a probability may be from float64's for each unit of the row's largest logit (at least one):
# float32 keeps fewer digits of a larger number.
TOLERANCE = 1e-6
# int8 keeps weights to 1/254 of the largest in their row, and cuts features off at NEAR scales from their
# means; up to there it names the same top class for AGREEMENT_INT8 of rows of a random network, and is within
# TOLERANCE_INT8 for each such unit where weights are up to twice as large as 1/sqrt(inputs) in two hidden
# layers. What is rounded adds up: three layers of 64 with such weights were 0.3 off, so nobody chooses it
# unless it is named.
TOLERANCE_INT8, AGREEMENT_INT8 = 0.06, 0.98

_WARM, _ROUNDS, _CALLS = 20, 5, 40


class Engine(Protocol):
    """Compute a model's class probabilities; one thread at a time.

    A row that has a feature which is not finite, or over FAR scales from its mean, gets equal chances,
    and is counted in what `run` and `batch` give.
    """

    name: str

    @property
    def run(self) -> Run:
        """Give the call for one row: contiguous float32 `x` and `out`, taken on trust."""
        ...

    def batch(self, x: Floats, out: Floats) -> int:
        """Compute rows `x` [n, features] into `out` [n, classes], and give how many were refused."""
        ...


class Run(Protocol):
    """The call for one row."""

    def __call__(self, x: Floats, out: Floats, /) -> int:
        """Write the probabilities into `out`; give 1 where the row was refused, else 0."""
        ...


def engine_of(name: str, tensors: Mapping[str, NDArray[np.generic]]) -> Engine:
    """Check a model's tensors and give the named engine for them, or say what is wrong.

    Trees have one way to be computed, whatever is named for networks.
    """
    return _opened(name, model_of(tensors))


def model_of(tensors: Mapping[str, NDArray[np.generic]]) -> Network | Forest:
    """Read a network or trees, or say what is wrong."""
    return forest_of(bounded(tensors)) if is_forest(tensors) else network_of(tensors)


def fastest(tensors: Mapping[str, NDArray[np.generic]], engines: Sequence[str] = EXACT) -> str:
    """Measure engines here and now, and name the fastest; one that cannot be had is left out."""
    model = model_of(tensors)
    measured: dict[str, float] = {}
    trouble: SwarmError | None = None
    for name in engines:
        try:
            measured[name] = run_ns(_opened(name, model), model.shape)
        except SwarmError as error:
            trouble = error
        except Exception as error:  # of a library that does not fit: the others are asked
            trouble = SwarmError(
                f"engine {name}: {type(error).__name__}: {error}",
                where="inference",
                mend="install the locked set",
                code=ExitCode.CONFIG,
            )
    if not measured:
        assert trouble is not None, "no engine to choose from"
        raise trouble
    return min(measured, key=lambda name: measured[name])


def run_ns(engine: Engine, shape: Sequence[int]) -> float:
    """Give the nanoseconds of one call: the best of a few rounds, since only delays add to it."""
    x, out = np.zeros(shape[0], np.float32), np.zeros(shape[-1], np.float32)
    run, best = engine.run, float("inf")
    for _ in range(_WARM):
        run(x, out)
    for _ in range(_ROUNDS):
        began_ns = perf_ns()
        for _ in range(_CALLS):
            run(x, out)
        best = min(best, (perf_ns() - began_ns) / _CALLS)
    return best


def _opened(name: str, model: Network | Forest) -> Engine:
    module = ENGINES.get(name)
    if module is None:
        raise SwarmError(
            f"no engine {name[:40]!a}",
            where="inference",
            mend=f"choose from {', '.join(ENGINES)}",
            code=ExitCode.CONFIG,
        )
    if isinstance(model, Forest):
        trees: Engine = importlib.import_module(_TREES).Trees(model)
        return trees
    try:
        engine: Engine = importlib.import_module(module).open_engine(model)
    except ImportError as error:
        raise SwarmError(
            f"engine {name} needs {error.name}", where="inference", mend="install it", code=ExitCode.CONFIG
        ) from error
    return engine
