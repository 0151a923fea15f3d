"""A small multi-layer perceptron: the model that regions learn together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from domain.draws import stream_seed
from learning.models import check, layers
from learning.models.descent import Descent, DescentConfig
from learning.models.model import F4, I1, Exported, Settings, Tensors
from learning.rows.row import FEATURE_COUNT

if TYPE_CHECKING:
    from torch import Tensor

NORM = ("norm.mean", "norm.scale")


class MlpConfig(DescentConfig):
    """The shape of the perceptron and how it learns."""

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    hidden: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,7}$")] = "32,32"
    """Sizes of the hidden layers, by commas."""
    personal_head: int = Field(0, ge=0, le=1)
    """Whether the last layer is the region's own: the proximal term leaves it free."""


class Mlp:
    """Learn by Adam on one thread: the same rows and seed give the same bytes."""

    kind: ClassVar[str] = "mlp"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(MlpConfig, config, self.kind)
        self.columns = self.config.inputs
        hidden = tuple(int(size) for size in self.config.hidden.split(","))
        self.sizes = (self.columns, *hidden, layers.OUT)
        self._seed = seed
        self._layers = self._first()
        self._norm: Tensors | None = None

    @property
    def head(self) -> tuple[str, str]:
        """Name the tensors of the last layer."""
        last = len(self.sizes) - 2
        return f"l{last}.weight", f"l{last}.bias"

    def _first(self) -> Tensors:
        draws = np.random.default_rng(stream_seed(self._seed, self.kind, "first"))
        first: Tensors = {}
        for name, shape in list(layers.shapes_of(self.sizes).items())[len(NORM) :]:
            bound = (6.0 / shape[1]) ** 0.5 if len(shape) == 2 else 0.0
            first[name] = draws.uniform(-bound, bound, shape).astype(np.float32)
        first[self.head[0]] *= np.float32(0.1)  # so that it begins near the prior, without opinions
        return first

    def layers(self) -> Tensors:
        """Give the layers without the norm: what regions share, untrained too."""
        return dict(self._layers)

    def adopt(self, tensors: Tensors) -> None:
        """Go on from these layers; what is not given, such as the region's norm or head, stays its own."""
        found = layers.checked(tensors, self.sizes, self.kind, partly=True)
        norm = {name: found.pop(name) for name in NORM if name in found}
        self._layers |= found
        if len(norm) == len(NORM):
            self._norm = norm

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Learn until the newest rows, which are held back, are no longer told better."""
        again = self._norm is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        if self._norm is None:
            self._norm = layers.norm_of(x, weights)
        free = frozenset(self.head if self.config.personal_head == 1 else ())
        seed = stream_seed(self._seed, self.kind, "order", len(x))
        descent = Descent(self.config, self._layers, forward, seed, free=free)
        figures = descent.run(layers.normed(self._norm, x), y, weights)
        self._layers = descent.best
        return figures | {"rows": float(len(x))}

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes, without torch."""
        x = check.inputs(x, self.columns, self.kind)
        return layers.told(self._whole(), x, self.kind)

    def _whole(self) -> Tensors:
        check.learnt(self._norm, self.kind)
        assert self._norm is not None
        return self._norm | self._layers

    def export(self) -> Exported:
        """Give norm and layers, in the order that is sent."""
        return Exported(self.kind, self._whole(), self.config.model_dump())

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported model."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        model.adopt(layers.checked(exported.tensors, model.sizes, cls.kind))
        return model


def forward(parts: dict[str, Tensor], x: Tensor) -> Tensor:
    """Run the layers on torch tensors."""
    from torch.nn import functional

    for i in range(len(parts) // 2):
        x = functional.linear(x if i == 0 else functional.relu(x), parts[f"l{i}.weight"], parts[f"l{i}.bias"])
    return x
