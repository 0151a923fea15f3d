"""A compact temporal convolution network (Bai et al., 2018) over the last rows: for batches, not ticks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from domain.draws import stream_seed
from learning.models import check, layers
from learning.models.descent import Descent, DescentConfig
from learning.models.model import F4, I1, Exported, Settings, Tensors
from learning.rows.row import FEATURE_COUNT

if TYPE_CHECKING:
    from torch import Tensor

TAPS = 3


class TcnConfig(DescentConfig):
    """The shape of the network and how it learns."""

    inputs: int = Field(FEATURE_COUNT, ge=1, le=256)
    reach: int = Field(16, ge=3, le=256)
    """Rows that a prediction looks back on, its own among them."""
    follow: float = Field(0.3, gt=0, le=1)
    channels: int = Field(16, ge=1, le=256)
    device: Literal["cpu", "cuda"] = "cpu"
    """Where it learns; it predicts anywhere."""


class Tcn:
    """Learn from each row with those before it: `columns` are `reach` rows of inputs, the oldest first."""

    kind: ClassVar[str] = "tcn"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(TcnConfig, config, self.kind)
        self.columns = self.config.inputs * self.config.reach
        self._seed = seed
        self._shapes = self._shape()
        self._layers = self._first()
        self._norm: Tensors | None = None

    def _shape(self) -> dict[str, tuple[int, ...]]:
        """Double the dilation for as long as the reach allows."""
        shapes: dict[str, tuple[int, ...]] = {}
        dilation, left, inputs = 1, self.config.reach - 1, self.config.inputs
        while left >= (TAPS - 1) * dilation:
            name = f"c{len(shapes) // 2}"
            shapes[f"{name}.weight"] = (self.config.channels, inputs, TAPS)
            shapes[f"{name}.bias"] = (self.config.channels,)
            left, dilation, inputs = left - (TAPS - 1) * dilation, dilation * 2, self.config.channels
        return shapes | {"head.weight": (layers.OUT, inputs), "head.bias": (layers.OUT,)}

    def _first(self) -> Tensors:
        draws = np.random.default_rng(stream_seed(self._seed, self.kind, "first"))
        first: Tensors = {}
        for name, shape in self._shapes.items():
            bound = (6.0 / float(np.prod(shape[1:]))) ** 0.5 if len(shape) > 1 else 0.0
            first[name] = draws.uniform(-bound, bound, shape).astype(np.float32)
        first["head.weight"] *= np.float32(0.1)
        return first

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Learn until the newest rows, which are held back, are no longer told better."""
        again = self._norm is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        self._reachable()
        if self._norm is None:
            self._norm = layers.norm_of(x[:, -self.config.inputs :], weights)
        seed = stream_seed(self._seed, self.kind, "order", len(x))
        descent = Descent(self.config, self._layers, forward, seed, device=self.config.device)
        figures = descent.run(self._sequences(x), y, weights)
        self._layers = descent.best
        return figures | {"rows": float(len(x))}

    def _reachable(self) -> None:
        if self.config.device == "cpu":
            return
        import torch

        if not torch.cuda.is_available():
            check.refuse("there is no CUDA device here", self.kind, "set device to cpu")

    def _sequences(self, x: F4) -> F4:
        assert self._norm is not None
        return layers.normed(self._norm, x.reshape(len(x), self.config.reach, self.config.inputs))

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes, without torch."""
        check.learnt(self._norm, self.kind)
        with np.errstate(over="ignore", invalid="ignore"):  # said by name at the end
            logits = self._logits(self._sequences(check.inputs(x, self.columns, self.kind)))
        return layers.softmax(logits, self.kind)

    def _logits(self, out: F4) -> F4:
        for i in range(len(self._layers) // 2 - 1):
            weight, dilation = self._layers[f"c{i}.weight"], 2**i
            steps = out.shape[1] - (TAPS - 1) * dilation
            taps = [out[:, tap * dilation :][:, :steps] @ weight[:, :, tap].T for tap in range(TAPS)]
            out = np.maximum(sum(taps[1:], taps[0]) + self._layers[f"c{i}.bias"], np.float32(0.0))
        return out[:, -1] @ self._layers["head.weight"].T + self._layers["head.bias"]

    def export(self) -> Exported:
        """Give norm, convolutions and head."""
        check.learnt(self._norm, self.kind)
        assert self._norm is not None
        return Exported(self.kind, self._norm | self._layers, self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported model."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        norm = {name: tensor for name, tensor in exported.tensors.items() if name.startswith("norm.")}
        model._norm = layers.checked(norm, (model.config.inputs,), cls.kind)
        found = {
            name: check.tensor(exported.tensors, name, shape, cls.kind)
            for name, shape in model._shapes.items()
        }
        model._layers = dict(found)
        return model


def forward(parts: dict[str, Tensor], x: Tensor) -> Tensor:
    """Run the network on torch tensors [rows, reach, inputs]."""
    from torch.nn import functional

    x = x.transpose(1, 2)
    for i in range(len(parts) // 2 - 1):
        x = functional.relu(functional.conv1d(x, parts[f"c{i}.weight"], parts[f"c{i}.bias"], dilation=2**i))
    return functional.linear(x[:, :, -1], parts["head.weight"], parts["head.bias"])
