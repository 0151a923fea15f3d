from __future__ import annotations

import numpy as np
import pytest

from domain.errors import SwarmError
from learning.models.tcn import Tcn, forward


def rows_of_a_sequence(count: int = 900) -> tuple[np.ndarray, np.ndarray]:
    """Build rows whose label is in the row three before: nothing of it can be seen in the row itself."""
    draws = np.random.default_rng(0)
    series = draws.normal(size=(count + 6, 2)).astype(np.float32)
    x = np.stack([series[i : i + 7].ravel() for i in range(count)])
    y = np.digitize(x[:, 2 * 3], [-0.5, 0.5]).astype(np.int8)
    return x, y


def test_what_happened_rows_ago_is_learnt() -> None:
    x, y = rows_of_a_sequence()
    model = Tcn({"inputs": 2, "reach": 7, "channels": 8, "epochs": 30, "rate": 0.01}, seed=1)
    model.learn(x[:700], y[:700])
    assert (model.predict(x[700:]).argmax(axis=1) == y[700:]).mean() > 0.85


def test_it_predicts_as_torch_does() -> None:
    import torch

    x, y = rows_of_a_sequence(200)
    model = Tcn({"inputs": 2, "reach": 7, "epochs": 1})
    model.learn(x, y)
    tensors = model.export().tensors
    inner = (x.reshape(-1, 7, 2) - tensors["norm.mean"]) / tensors["norm.scale"]
    parts = {name: torch.from_numpy(each) for name, each in tensors.items() if name[:4] != "norm"}
    told = torch.softmax(forward(parts, torch.from_numpy(inner)), dim=1).numpy()
    assert np.abs(told - model.predict(x)).max() < 1e-6


def test_a_machine_without_the_device_says_so() -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    x, y = rows_of_a_sequence(100)
    with pytest.raises(SwarmError, match="no CUDA device"):
        Tcn({"inputs": 2, "reach": 7, "device": "cuda"}).learn(x, y)
