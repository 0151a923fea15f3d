"""The proximal term is the paper's: squared, so that its gradient is the distance."""

from __future__ import annotations

import numpy as np
import torch

from federation.aggregation.proximal import proximal_pull, proximal_term


def test_the_term_is_half_mu_times_the_squared_distance() -> None:
    weights, started = [np.array([3.0, 1.0]), np.array([[2.0]])], [np.array([1.0, 1.0]), np.array([[0.0]])]
    assert proximal_term(weights, started, mu=0.5) == 0.25 * (4 + 4)


def test_its_gradient_by_torch_is_the_pull() -> None:
    weight = torch.tensor([3.0, -1.0], requires_grad=True)
    started = torch.tensor([1.0, 1.0])
    proximal_term([weight], [started], mu=0.3).backward()
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad, proximal_pull(weight.detach(), started, mu=0.3))


def test_there_is_no_pull_where_training_starts() -> None:
    weight = torch.zeros(2, requires_grad=True)
    proximal_term([weight], [torch.zeros(2)], mu=1.0).backward()
    assert weight.grad is not None and bool((weight.grad == 0).all())
