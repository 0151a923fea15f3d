"""One row through a perceptron of 16, 32, 32 and 3, called from Python, against torch and ONNX Runtime.

Ours is `Engine.run` with all that it does: it checks the row, normalises it, and gives probabilities. The
peers get the same network at their fastest and need check nothing: normalisation is folded into the first
layer for them; torch in inference mode on one thread, as a module and written by hand (`addmm` over turned
weights, `relu_`, its input a tensor already; quicker here than its frozen trace); ONNX Runtime on one thread
with input and output bound once. All take turns in short stretches, so that a slow moment meets all.

Beside them, without a bar, 600 trees of fifteen leaves by our kernel, against LightGBM on one thread: its
`predict` of one row, and its C call for single rows that has been told all but the row beforehand. Each call
has another of 1,000 rows, since the ways of one row through the trees would soon be known by heart.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.result import Result
from hw.clock import perf_ns
from hw.gc_policy import GcPolicy
from hw.inference.engine import TOLERANCE, TOLERANCE_INT8, engine_of
from hw.inference.forest import forest_of
from hw.inference.fused_kernels import DEFAULT_SHAPE
from hw.inference.network import Floats, Network, network_of
from hw.inference.onnx_session import bound, session_of
from hw.inference.trees import Trees
from learning.models.lightgbm_text import joined, trees_of

CASE = "inference"
BAR = {"p50_us": ("<=", 1.5), "ratio": (">=", 10.0), "ratio_onnx": (">=", 3.0)}
STRETCH, BATCH, ROWS = 20, 4_096, 1_000
Call = Callable[[], object]


def tensors(seed: int = 5) -> dict[str, Floats]:
    """Draw a network as trainers begin with one."""
    draw = np.random.default_rng(seed)
    made = {"norm.mean": draw.normal(size=16), "norm.scale": draw.uniform(0.5, 2.0, 16)}
    for number, (before, width) in enumerate(pairwise(DEFAULT_SHAPE)):
        made[f"l{number}.weight"] = draw.normal(size=(width, before)) * np.sqrt(2 / before)
        made[f"l{number}.bias"] = 0.1 * draw.normal(size=width)
    return {name: np.asarray(array, np.float32) for name, array in made.items()}


def folded(network: Network) -> Network:
    """Give the same network with its normalisation as part of the first layer: fewer steps, fewer digits."""
    (weight, bias), *others = network.layers
    first = np.asarray(weight / network.scale, np.float32)
    zeros, ones = np.zeros_like(network.mean), np.ones_like(network.scale)
    return Network(zeros, ones, ((first, np.asarray(bias - first @ network.mean, np.float32)), *others))


def ours(name: str, x: Floats, out: Floats) -> Call:
    """Give the call of an engine, as a strategy makes it."""
    run = engine_of(name, tensors()).run
    return lambda: run(x, out)


def onnxs(network: Network, x: Floats, out: Floats) -> Call:
    """Give ONNX Runtime's call."""
    session = session_of(network)
    binding, run = bound(session, x, out), session.run_with_iobinding
    return lambda: run(binding)


def torchs(network: Network, x: Floats, out: Floats) -> dict[str, Call]:
    """Give torch's calls: the module, and the same by hand."""
    import torch

    from hw.inference.torch_module import Forward

    torch.set_num_threads(1)
    module, row, told = Forward(network).eval(), torch.from_numpy(x)[None], torch.from_numpy(out)
    layers = [(weight.detach().t().contiguous(), bias.detach()) for weight, bias in module.layers()]
    (first, a), (second, b), (third, c) = layers
    addmm, softmax = torch.addmm, torch.softmax

    def by_hand() -> object:
        h = addmm(a, row, first).relu_()
        h = addmm(b, h, second).relu_()
        return softmax(addmm(c, h, third), -1)

    with torch.inference_mode():
        told.copy_(torch.as_tensor(by_hand())[0])
    return {"torch_module": lambda: module(row), "torch_by_hand": by_hand}


def grown(rounds: int) -> Any:
    """Let LightGBM learn trees as the learner has it do."""
    import lightgbm.basic

    draw = np.random.default_rng(7)
    x = draw.normal(size=(3_000, 16)).astype(np.float32)
    pull = x[:, 0] - 0.5 * x[:, 1] + x[:, 2] * x[:, 3] + draw.normal(size=3_000)
    settings = {"objective": "multiclass", "num_class": 3, "num_leaves": 15, "min_data_in_leaf": 40}
    settings |= {"learning_rate": 0.05, "num_threads": 1, "deterministic": True, "verbosity": -1}
    rows = lightgbm.Dataset(x, np.digitize(pull, (-0.7, 0.7)), params={"verbosity": -1})
    return lightgbm.train(settings, rows, rounds)


def treed(rounds: int) -> dict[str, Call]:
    """Give the calls for one row of trees: ours, LightGBM's from Python, and its quickest."""
    import lightgbm.basic

    theirs = grown(rounds)
    norm = {"norm.mean": np.zeros(16, np.float32), "norm.scale": np.ones(16, np.float32)}
    run = Trees(forest_of(norm | joined(trees_of(theirs.model_to_string())))).run
    library, fast, found = vars(lightgbm.basic)["_LIB"], ctypes.c_void_p(), ctypes.c_int64()
    # Probabilities, from the first round, of all, of float32 (0, 0, -1, 0).
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        theirs._handle, 0, 0, -1, 0, 16, b"num_threads=1", ctypes.byref(fast)
    )
    call, size = library.LGBM_BoosterPredictForMatSingleRowFast, ctypes.byref(found)
    x, told = np.random.default_rng(8).normal(size=(ROWS, 16)).astype(np.float32), np.zeros(3, np.float32)
    ours, others, places = (itertools.cycle(each) for each in (list(x), [*x[:, None]], _places(x)))
    theirs_told = np.zeros(3)
    out = theirs_told.ctypes.data_as(ctypes.POINTER(ctypes.c_double))

    def from_python() -> object:
        return theirs.predict(next(others), num_threads=1)

    for row, place in zip(x, _places(x), strict=True):
        call(fast, place, size, out)
        run(row, told)
        np.testing.assert_allclose(told, theirs_told, atol=TOLERANCE)
    return {
        "trees": lambda: run(next(ours), told),
        "lightgbm": from_python,
        "lightgbm_c": lambda: call(fast, next(places), size, out),
    }


def _places(x: Floats) -> list[ctypes.c_void_p]:
    return [ctypes.c_void_p(row.ctypes.data) for row in x]


def in_turns(calls: dict[str, Call], rounds: int) -> dict[str, float]:
    """Give the median nanoseconds of each call, each by itself, in stretches that take turns."""
    import torch

    times: dict[str, list[int]] = {name: [] for name in calls}
    policy = GcPolicy()
    policy.freeze()
    with torch.inference_mode():
        for number in range(rounds + 1):
            for name, call in calls.items():
                for _ in range(STRETCH):
                    began_ns = perf_ns()
                    call()
                    took_ns = perf_ns() - began_ns
                    if number > 0:
                        times[name].append(took_ns)
    policy.release()
    return {name: float(np.median(each)) for name, each in times.items()}


def batch_ns(rounds: int) -> float:
    """Give nanoseconds per row where many rows come in one call."""
    draw = np.random.default_rng(1)
    x, out = draw.normal(size=(BATCH, 16)).astype(np.float32), np.zeros((BATCH, 3), np.float32)
    engine, times = engine_of("fused", tensors()), []
    for _ in range(rounds):
        began_ns = perf_ns()
        engine.batch(x, out)
        times.append((perf_ns() - began_ns) / BATCH)
    return float(np.median(times))


def run(quick: bool) -> Result:
    """Measure all in this process, and be sure first that they say the same."""
    x = np.random.default_rng(2).normal(size=16).astype(np.float32)
    outs = {name: np.zeros(3, np.float32) for name in ("fused", "int8", "onnx", "torch")}
    network = folded(network_of(tensors()))
    calls = {name: ours(name, x, outs[name]) for name in ("fused", "int8")}
    calls |= {"onnx": onnxs(network, x, outs["onnx"])} | torchs(network, x, outs["torch"])
    calls |= treed(20 if quick else 200)
    took = in_turns(calls, 20 if quick else 500)
    for name, out in outs.items():
        bound_by = TOLERANCE_INT8 if name == "int8" else TOLERANCE
        np.testing.assert_allclose(out, outs["torch"], atol=10 * bound_by)
    torch_ns = min(took["torch_module"], took["torch_by_hand"])
    metrics = {
        "p50_us": round(took["fused"] / 1_000, 3),
        "ratio": round(torch_ns / took["fused"], 1),
        "ratio_onnx": round(took["onnx"] / took["fused"], 1),
        "int8_us": round(took["int8"] / 1_000, 2),
        "batch_ns": round(batch_ns(5 if quick else 50), 1),
        "trees_us": round(took["trees"] / 1_000, 2),
    }
    return Result(
        CASE,
        metrics,
        "p50 <= 1.5 us, torch >= 10 times as long, ONNX Runtime >= 3 times",
        metrics["p50_us"] <= 1.5 and metrics["ratio"] >= 10 and metrics["ratio_onnx"] >= 3,
        peer="torch inference_mode, ONNX Runtime with bound buffers, LightGBM for trees, one thread each",
        peer_metrics={
            name: round(took[name] / 1_000, 2)
            for name in ("torch_by_hand", "torch_module", "onnx", "lightgbm", "lightgbm_c")
        },
        ratio=metrics["ratio"],
        note="a call's time includes reading the clock once, for all alike",
    )
