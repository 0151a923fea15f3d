"""One run of learning by torch: parameters as one vector, so that a step of Adam is a few operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from learning.models.model import F4, F8, I1, Tensors

if TYPE_CHECKING:
    from torch import Tensor

HELD_LEAST = 32


class DescentConfig(BaseModel):
    """How a network learns."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    epochs: int = Field(20, ge=1, le=10_000)
    batch: int = Field(256, ge=1, le=1_000_000)
    rate: float = Field(3e-3, gt=0, le=1)
    decay: float = Field(0.3, ge=0, le=10)
    """What is taken off the parameters in a step, in units of the rate."""
    follow: float = Field(0.05, gt=0, le=1)
    """How far, in a step, the running mean of the parameters follows them; the mean is what is kept."""
    patience: int = Field(4, ge=1, le=1000)
    """Epochs without a better loss on the held-back tail before it stops."""
    held_frac: float = Field(0.1, ge=0, le=0.5)
    """Share of the newest rows that only tell when to stop."""
    proximal: float = Field(0.0, ge=0, le=1e3)
    """FedProx: half of this times the squared distance from where learning started is added to the loss."""


def fitted_rows(rows: int, held_frac: float) -> int:
    """Count the rows that are learnt from; too few are not worth holding back.

    >>> fitted_rows(1000, 0.1), fitted_rows(100, 0.1)
    (900, 100)
    """
    held = int(rows * held_frac)
    return rows - (held if held >= HELD_LEAST else 0)


class Descent:
    """Learn parameters by Adam over shuffled batches, on one thread or on a device."""

    def __init__(
        self,
        config: DescentConfig,
        start: Tensors,
        forward: Callable[[dict[str, Tensor], Tensor], Tensor],
        seed: int,
        *,
        free: frozenset[str] = frozenset(),
        device: str = "cpu",
    ) -> None:
        self.config, self.best = config, start
        self._forward, self._free, self._device = forward, free, device
        self._shapes = {name: tensor.shape for name, tensor in start.items()}
        self._draws = np.random.default_rng(seed)

    def run(self, x: F4, y: I1, weight: F8) -> dict[str, float]:
        """Learn from the older rows; the newest tell when to stop and which parameters were best."""
        import torch

        fitted = fitted_rows(len(x), self.config.held_frac)
        parts = (x, y.astype(np.int64), weight.astype(np.float32))
        rows = tuple(torch.from_numpy(part).to(self._device) for part in parts)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self._epochs(rows, fitted)
        finally:
            torch.set_num_threads(threads)

    def _epochs(self, rows: tuple[Tensor, ...], fitted: int) -> dict[str, float]:
        import torch

        start = np.concatenate([tensor.ravel() for tensor in self.best.values()])
        flat = torch.from_numpy(start).to(self._device).requires_grad_(True)
        adam = Adam(flat, self.config, self._bound())
        held = slice(fitted, None) if fitted < len(rows[0]) else slice(0, fitted)
        loss = begin_loss = best_loss = self._told(flat, rows, held)
        best, waited, epoch, best_epoch = flat.detach().clone(), 0, 0, 0
        mean = flat.detach().clone()
        while epoch < self.config.epochs and waited < self.config.patience:
            epoch += 1
            order = torch.from_numpy(self._draws.permutation(fitted)).to(self._device)
            for begin in range(0, fitted, self.config.batch):
                chosen = order[begin : begin + self.config.batch]
                adam.step(self._loss(flat, *(part[chosen] for part in rows)))
                mean.lerp_(flat.detach(), self.config.follow)
            loss, waited = self._told(mean, rows, held), waited + 1
            if loss < best_loss:
                best, best_loss, waited, best_epoch = mean.clone(), loss, 0, epoch
        self.best = {name: part.cpu().numpy().copy() for name, part in self._parts(best).items()}
        told = {"loss": best_loss, "begin_loss": begin_loss, "end_loss": loss}
        return told | {"epochs": float(epoch), "best_epoch": float(best_epoch)}

    def _bound(self) -> Tensor:
        import torch

        sizes = [(name not in self._free, int(np.prod(shape))) for name, shape in self._shapes.items()]
        return torch.cat([torch.full((size,), float(bound)) for bound, size in sizes]).to(self._device)

    def _parts(self, flat: Tensor) -> dict[str, Tensor]:
        import torch

        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        split = torch.split(flat, sizes)
        return {
            name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), split, strict=True)
        }

    def _loss(self, flat: Tensor, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        from torch.nn import functional

        logits = self._forward(self._parts(flat), x)
        return (functional.cross_entropy(logits, y, reduction="none") * weight).mean()

    def _told(self, flat: Tensor, rows: tuple[Tensor, ...], held: slice) -> float:
        import torch

        with torch.inference_mode():
            return float(self._loss(flat, *(part[held] for part in rows)))


class Adam:
    """AdamW on one vector (Loshchilov and Hutter, 2019) with the pull of FedProx (Li et al., 2020).

    torch's own imports its compiler at the first step, which takes longer than a region's whole training.
    """

    def __init__(self, flat: Tensor, config: DescentConfig, bound: Tensor) -> None:
        self._flat, self._config, self._bound = flat, config, bound
        self._start: Any = flat.detach().clone()
        self._first, self._second = self._start * 0, self._start * 0
        self._steps = 0

    def step(self, loss: Tensor) -> None:
        """Move against the slope of the loss."""
        import torch

        (slope,) = torch.autograd.grad(loss, self._flat)
        with torch.no_grad():
            if self._config.proximal > 0:
                slope = slope + self._config.proximal * self._bound * (self._flat - self._start)
            self._steps += 1
            self._first.mul_(0.9).add_(slope, alpha=0.1)
            self._second.mul_(0.999).addcmul_(slope, slope, value=0.001)
            rate = self._config.rate
            second = (self._second / (1 - 0.999**self._steps)).sqrt_().add_(1e-8)
            self._flat.mul_(1 - rate * self._config.decay)
            self._flat.addcdiv_(self._first, second, value=-rate / (1 - 0.9**self._steps))
