"""Every engine computes the same model: discovered, counted, and held against torch and against float64."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numpy as np
import pytest

import hw.inference
from domain.errors import ExitCode, SwarmError
from hw.inference.engine import (
    AGREEMENT_INT8,
    ENGINES,
    EXACT,
    TOLERANCE,
    TOLERANCE_INT8,
    Engine,
    engine_of,
    fastest,
)
from hw.inference.network import FAR, network_of
from hw.inference.quantised import NEAR
from tests.hw.inference.networks import Floats, Tensors, expected, rows, tensors, units

NAMES = sorted(ENGINES)
BOUNDS = {"int8": TOLERANCE_INT8}
SHAPES = [(16, 32, 32, 3), (16, 3), (9, 40, 12, 6, 4)]


def computed(engine: Engine, x: Floats, classes: int) -> tuple[Floats, int]:
    """Compute a batch, and hold each row by itself against it."""
    batch, single = np.full((2, len(x), classes), np.nan, np.float32)
    refused = engine.batch(x, batch)
    assert sum(engine.run(x[at], single[at]) for at in range(len(x))) == refused
    np.testing.assert_allclose(single, batch, atol=1e-5)
    return batch, refused


def discovered() -> dict[str, str]:
    """Find every module that opens an engine."""
    found = {}
    for module in pkgutil.iter_modules(hw.inference.__path__, "hw.inference."):
        open_engine = getattr(importlib.import_module(module.name), "open_engine", None)
        if open_engine is not None:
            found[open_engine.__annotations__["return"]] = module.name
    return found


def test_four_engines_are_found_and_each_can_be_named() -> None:
    assert sorted(discovered().values()) == sorted(ENGINES.values())
    assert len(ENGINES) == 4
    assert [engine_of(name, tensors()).name for name in NAMES] == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_engine_equals_float64_and_torch_within_its_tolerance(name: str, shape: tuple[int, ...]) -> None:
    for seed, gain in enumerate((0.3, 1.0, 3.0)):
        network = tensors(seed, shape, gain)
        x = rows(network, 12, seed, NEAR)
        found, refused = computed(engine_of(name, network), x, shape[-1])
        theirs, _ = computed(engine_of("torch", network), x, shape[-1])
        bound = BOUNDS.get(name, TOLERANCE) * units(network, x)
        assert refused == 0
        assert (np.abs(found - expected(network, x)) <= bound).all()
        assert (np.abs(found - theirs) <= bound + TOLERANCE * units(network, x)).all()
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_int8_names_the_same_top_class_as_torch_nearly_always() -> None:
    agreed = []
    for seed in range(8):
        network = tensors(seed)
        x, found = rows(network, 500, seed), np.zeros((2, 500, 3), np.float32)
        for at, name in enumerate(("int8", "torch")):
            engine_of(name, network).batch(x, found[at])
        agreed.append((found[0].argmax(axis=1) == found[1].argmax(axis=1)).mean())
    assert np.mean(agreed) >= AGREEMENT_INT8


@pytest.mark.parametrize("name", NAMES)
def test_a_row_that_is_not_finite_or_far_off_gets_equal_chances_and_is_counted(name: str) -> None:
    network = tensors()
    x = rows(network, 7)
    for at, value in enumerate((np.nan, np.inf, -np.inf, 3e38, -3e38)):
        x[at, at] = value
    x[5] = network["norm.mean"] + 2 * FAR * network["norm.scale"]
    found, refused = computed(engine_of(name, network), x, 3)
    assert refused == 6
    np.testing.assert_array_equal(found[:6], np.float32(1 / 3))
    assert found[6].std() > 0.01


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"int8"}))
def test_extreme_rows_that_are_taken_stay_within_the_tolerance(name: str) -> None:
    network = tensors(3)
    x = rows(network, 60, 3) * (10.0 ** np.arange(0, 5).repeat(12)[:, None]).astype(np.float32)
    found, refused = computed(engine_of(name, network), x, 3)
    assert refused == 0
    assert (np.abs(found - expected(network, x)) <= TOLERANCE * units(network, x)).all()


def test_int8_takes_what_is_farther_as_the_farthest_that_it_knows() -> None:
    network = tensors(3)
    engine, out = engine_of("int8", network), np.zeros((2, 3), np.float32)
    for at, far in enumerate((NEAR, 400.0)):
        engine.run((network["norm.mean"] + np.float32(far) * network["norm.scale"]), out[at])
    np.testing.assert_array_equal(out[0], out[1])


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_are_no_trouble(name: str) -> None:
    engine = engine_of(name, tensors())
    assert engine.batch(np.zeros((0, 16), np.float32), np.zeros((0, 3), np.float32)) == 0


@pytest.mark.parametrize("name", ["fused", "int8"])
def test_a_row_of_another_length_is_refused_and_not_read_beyond(name: str) -> None:
    out = np.zeros(3, np.float32)
    assert engine_of(name, tensors()).run(np.zeros(15, np.float32), out) == 1
    np.testing.assert_array_equal(out, np.float32(1 / 3))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "word"),
    [
        (np.zeros((2, 16)), "float32"),
        (np.zeros((2, 32), np.float32)[:, ::2], "contiguous"),
        (np.zeros((3, 16), np.float32), "fit"),
        (np.zeros((2, 15), np.float32), "fit"),
    ],
)
def test_rows_that_a_kernel_would_misread_are_our_mistake(name: str, x: Floats, word: str) -> None:
    with pytest.raises(AssertionError, match=word):
        engine_of(name, tensors()).batch(x, np.zeros((2, 3), np.float32))


def test_the_fastest_is_measured_and_is_not_one_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    assert fastest(tensors()) in EXACT
    monkeypatch.setitem(ENGINES, "missing", "hw.inference.missing")
    assert fastest(tensors(), ("missing", "fused")) == "fused"
    with pytest.raises(SwarmError, match=r"engine missing needs hw\.inference\.missing"):
        fastest(tensors(), ("missing",))


def test_the_slower_engine_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    took = {"fused": 900.0, "onnx": 400.0}
    monkeypatch.setattr("hw.inference.engine.run_ns", lambda engine, shape: took[engine.name])
    assert fastest(tensors()) == "onnx"


def test_an_unknown_engine_is_refused_by_name() -> None:
    with pytest.raises(SwarmError, match="no engine 'fusde'") as caught:
        engine_of("fusde", tensors())
    assert caught.value.code == ExitCode.CONFIG


def refused(network: Tensors) -> str:
    with pytest.raises(SwarmError) as caught:
        engine_of("fused", network)
    assert caught.value.code == ExitCode.BAD_DATA
    return caught.value.what


def test_tensors_that_are_not_a_network_are_refused_by_name() -> None:
    good = tensors()
    for missing in ("norm.mean", "norm.scale", "l0.weight", "l1.bias"):
        assert "missing" in refused({name: each for name, each in good.items() if name != missing})
    wrongs: tuple[tuple[str, Any, str], ...] = (
        ("norm.mean", good["norm.mean"].astype(np.float64), "norm.mean is float64"),
        ("norm.mean", good["norm.mean"][None], "norm.mean has shape"),
        ("norm.scale", 0 * good["norm.scale"], "norm.scale or norm.mean"),
        ("norm.mean", good["norm.mean"] + np.float32(1e31), "norm.scale or norm.mean"),
        ("l1.weight", good["l1.weight"][:, :5], "l1.weight has shape"),
        ("l1.weight", good["l1.weight"][0], "l1.weight has shape"),
        ("l1.bias", good["l1.bias"][:5], "l1.bias has shape"),
        ("l2.bias", good["l2.bias"] * np.float32(np.nan), "l2.bias has a value that is not finite"),
        ("l0.weight", good["l0.weight"] * np.float32(1e35), "too large to compute"),
        ("head", good["l2.bias"], "unknown tensor 'head'"),
    )
    for name, wrong, word in wrongs:
        assert word in refused({**good, name: wrong})
    assert "0 weights" in refused({name: each for name, each in good.items() if "norm" in name})


def test_int8_refuses_weights_that_its_sums_have_no_room_for() -> None:
    network = tensors()
    network["l2.weight"] = network["l2.weight"] * np.float32(1e9)
    with pytest.raises(SwarmError, match="too large for int8"):
        engine_of("int8", network)


def test_int8_takes_weights_of_any_smallness() -> None:
    network = {name: each * np.float32(1e-12 if "l1" in name else 1) for name, each in tensors().items()}
    network["l0.weight"][3] = 0
    x = rows(network, 20)
    found, _ = computed(engine_of("int8", network), x, 3)
    np.testing.assert_allclose(found, expected(network, x), atol=1e-4)


def test_torch_takes_a_large_batch_in_parts_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    torch_module = importlib.import_module(ENGINES["torch"])
    monkeypatch.setattr(torch_module, "GPU_ROWS_MIN", 8)
    monkeypatch.setattr(torch_module, "ROWS_MAX", 7)
    network = tensors(6)
    engine = torch_module.TorchModule(network_of(network), "cpu")
    x = rows(network, 30, 6)
    x[20, 2] = np.nan
    found, refused = computed(engine, x, 3)
    assert refused == 1
    x[20], wanted = network["norm.mean"], np.full(3, 1 / 3)
    expect = expected(network, x)
    expect[20] = wanted
    np.testing.assert_allclose(found, expect, atol=1e-5)
