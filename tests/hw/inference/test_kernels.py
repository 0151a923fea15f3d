"""Kernels give the same in plain Python, and int8 gives the same bits as plain integers."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from hw.inference import fused_kernels
from hw.inference.engine import engine_of
from hw.inference.fixed_kernels import DEEPEST, LOG2E
from hw.inference.fused_kernels import DEFAULT_SHAPE, forward_of, source
from hw.inference.network import network_of
from hw.inference.ood import DEFAULTS, LIMIT, SHARE, Bounds
from hw.inference.quantised import LOGIT_BITS, NEAR, POWERS, SUM_MAX, VALUE_MAX, quantised
from tests.hw.inference.forests import forest
from tests.hw.inference.networks import SHAPE, Floats, Tensors, rows, tensors

_PLAIN = """
import json, sys
from tests.hw.inference.test_kernels import computed
print(json.dumps([computed(), "numba" in sys.modules]))
"""


def computed() -> dict[str, list[int]]:
    """Compute rows, some of them odd, as bits."""
    network = tensors(4)
    x = rows(network, 12, 4, 30.0)
    x[3, 3], x[4, 4] = np.nan, np.inf
    told = {}
    for name in ("fused", "int8"):
        out = np.zeros((12, 3), np.float32)
        assert engine_of(name, network).batch(x, out) == 2
        told[name] = out.view(np.int32).reshape(-1).tolist()
    out = np.zeros((12, 3), np.float32)
    assert engine_of("fused", forest(4).tensors()).batch(x, out) == 2
    told["trees"] = out.view(np.int32).reshape(-1).tolist()
    foreign = Bounds(network["norm.mean"], network["norm.scale"], {SHARE: 0.0}).foreign
    return told | {"foreign": [int(foreign(row)) for row in x]}


def test_kernels_switched_off_give_the_same() -> None:
    environment = {**os.environ, "SWARM_KERNELS": "off"}
    ended = subprocess.run(
        [sys.executable, "-c", _PLAIN], env=environment, capture_output=True, text=True, check=True
    )
    plain, with_numba = json.loads(ended.stdout)
    told = computed()
    assert not with_numba and sum(plain["foreign"]) >= 2
    assert plain["int8"] == told["int8"] and plain["foreign"] == told["foreign"]
    for name in ("fused", "trees"):
        ours, theirs = (np.array(each[name], np.int32).view(np.float32) for each in (plain, told))
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def in_integers(network: Tensors, row: Floats) -> tuple[list[float], int]:
    """Compute a row in Python's integers, and tell the largest sum on the way."""
    made = quantised(network_of(network))
    inputs, largest, at = len(row), 0, 0
    numbers = made.numbers[: -len(POWERS)].tolist()
    depth, widths = numbers[0], numbers[1 : 2 + numbers[0]]
    told = 2 + depth
    z = (row - made.norm[:inputs]) * made.norm[inputs:]
    values = [max(-VALUE_MAX, min(VALUE_MAX, int(np.floor(each + np.float32(0.5))))) for each in z]
    for layer in range(depth):
        before, width = widths[layer], widths[layer + 1]
        weights = made.weights[at : at + before * width].reshape(width, before).tolist()
        biases, factors, shifts = (numbers[told + k * width : told + (k + 1) * width] for k in range(3))
        at, told = at + before * width, told + 3 * width
        sums = [
            bias + sum(w * v for w, v in zip(row_of, values, strict=True))
            for bias, row_of in zip(biases, weights, strict=True)
        ]
        largest = max(largest, *(abs(total) for total in sums))
        values = [
            (total * factor + (1 << (shift - 1))) >> shift
            for total, factor, shift in zip(sums, factors, shifts, strict=True)
        ]
        if layer + 1 < depth:
            values = [max(0, min(VALUE_MAX, value)) for value in values]
    shares = []
    for value in values:
        deep = (min(max(values) - value, DEEPEST) * LOG2E) >> LOGIT_BITS
        whole, place, low = deep >> LOGIT_BITS, (deep >> 8) & 255, deep & 255
        here, following = int(POWERS[place]), int(POWERS[place + 1])
        shares.append((here - (((here - following) * low) >> 8)) >> whole)
    return [(share << 24) // sum(shares) / 2**24 for share in shares], largest


@pytest.mark.parametrize(("seed", "gain"), [(0, 1.0), (1, 0.01), (2, 30.0)])
def test_int8_gives_the_bits_of_plain_integers_and_its_sums_fit_32_bits(seed: int, gain: float) -> None:
    network = tensors(seed, gain=gain)
    x = rows(network, 15, seed, 3 * NEAR)
    x[0], x[1] = (network["norm.mean"] + sign * 99 * network["norm.scale"] for sign in (-1, 1))
    engine, out = engine_of("int8", network), np.zeros((15, 3), np.float32)
    engine.batch(x, out)
    for row, found in zip(x, out, strict=True):
        expected, largest = in_integers(network, row)
        assert found.tolist() == expected
        assert largest <= SUM_MAX + (1 << 20)


def test_int8_has_a_scale_for_each_channel() -> None:
    network = tensors(5)
    network["l0.weight"] *= np.float32(10) ** -(np.arange(32, dtype=np.float32) / 8)[:, None]
    network["l0.bias"] *= 0
    first = quantised(network_of(network)).weights[: 16 * 32].reshape(32, 16)
    assert first.dtype == np.int8 and (np.abs(first).max(axis=1) == 127).all()


def test_the_kernel_is_written_for_its_shape_and_made_once() -> None:
    assert DEFAULT_SHAPE == SHAPE
    assert forward_of(SHAPE) is fused_kernels.forward is forward_of(SHAPE)
    text = source((16, 3))
    assert text.startswith("def forward_16_3(") and "range(0, 16, 4)" in text


def test_shapes_beyond_a_number_are_forgotten_but_never_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_kernels, "SHAPES_MAX", 2)
    monkeypatch.setattr(fused_kernels, "kernel", lambda signature: lambda function: function)
    monkeypatch.setattr(fused_kernels, "_made", {DEFAULT_SHAPE: fused_kernels.forward})
    for width in (2, 3, 4):
        forward_of((width, 2))
    assert list(fused_kernels._made) == [DEFAULT_SHAPE, (4, 2)]


def bounds(**config: float | str) -> Bounds:
    return Bounds(np.full(8, 2.0, np.float32), np.full(8, 0.5, np.float32), config)


def test_a_row_is_foreign_where_too_many_features_are_too_far() -> None:
    row = np.full(8, 2.0, np.float32)
    assert not bounds().foreign(row)
    row[0] = 2 + 0.5 * DEFAULTS[LIMIT] + 0.1
    assert not bounds().foreign(row) and bounds(**{SHARE: 0.1}).foreign(row)
    row[1] = np.nan
    assert bounds().foreign(row) and not bounds(**{SHARE: 0.25}).foreign(row)
    row[1:] = np.inf
    assert bounds(**{SHARE: 0.9}).foreign(row) and not bounds(**{SHARE: 1.0}).foreign(row)


@pytest.mark.parametrize(
    "config", [{LIMIT: 0.0}, {LIMIT: float("nan")}, {LIMIT: "far"}, {SHARE: 1.1}, {SHARE: -0.1}]
)
def test_bounds_that_bound_nothing_are_refused(config: dict[str, float | str]) -> None:
    from domain.errors import SwarmError

    with pytest.raises(SwarmError, match="ood_"):
        bounds(**config)
