"""A small multi-layer perceptron: the model that regions learn together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from domain.draws import stream_seed
from learning.models import check, layers
from learning.models.descent import Descent, DescentConfig, fitted_rows
from learning.models.logistic import BIAS_RIDGE, newton
from learning.models.model import F4, F8, I1, Exported, Settings, Tensors
from learning.models.thread import one_thread
from learning.rows.row import FEATURE_COUNT

if TYPE_CHECKING:
    from torch import Tensor

NORM = ("norm.mean", "norm.scale")


class MlpConfig(DescentConfig):
    """The shape of the perceptron and how it learns."""

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    hidden: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,7}$")] = "32,32"
    """Sizes of the hidden layers, by commas."""
    linear_start: int = Field(1, ge=0, le=2)
    """1: what begins by itself begins as the logistic model of its first rows, and so only learns what bends;
    2: so does what begins with given layers, as regions do that train together for the first time."""
    line_ridge: float = Field(1e-2, gt=0, le=1e3)
    """Penalty on that line, as of the logistic model: those to be averaged had better not be bold."""
    line_rows: int = Field(0, ge=0, le=1_000_000)
    """The line of fewer rows is held back the more, its bias too: what a minute shows is mostly chance."""
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
        self._adopted = False

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
        self._adopted = self._adopted or len(found) > 0
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
        inner = layers.normed(self._norm, x)
        begun = not again and self._lined(inner, y, weights, self.config.held_frac)
        free = frozenset(self.head if self.config.personal_head == 1 else ())
        seed = stream_seed(self._seed, self.kind, "order", len(x))
        descent = Descent(self.config, self._layers, forward, seed, free=free)
        figures = descent.run(inner, y, weights)
        self._layers = descent.best
        if begun and figures["best_epoch"] == 0.0:  # no curve helped: then the line of all rows is the best
            self._lined(inner, y, weights, 0.0)
        return figures | {"rows": float(len(x))}

    def _lined(self, inner: F4, y: I1, weights: F8, held_frac: float) -> bool:
        """Begin where the best line ends, if the layers are wide enough to carry it."""
        wanted = self.config.linear_start == 2 or (self.config.linear_start == 1 and not self._adopted)
        if not wanted or min(self.sizes[1:-1]) < 2 * layers.OUT:
            return False
        rows = fitted_rows(len(inner), held_frac)
        start = np.zeros((layers.OUT, self.columns + 1))
        few = max(0.0, self.config.line_rows / rows - 1.0)
        ridge = self.config.line_ridge * (1.0 + few)
        bias_ridge = max(BIAS_RIDGE, self.config.line_ridge * few)
        with one_thread():
            line, _, _ = newton(
                inner[:rows].astype(np.float64), y[:rows], weights[:rows], ridge, start, bias_ridge
            )
        self._layers = lined(self._layers, line.astype(np.float32))
        return True

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


def lined(start: Tensors, line: F4) -> Tensors:
    """Carry a line through the first units of each layer: as it is and negated, since ReLU stops one."""
    made = {name: tensor.copy() for name, tensor in start.items()}
    carried, last = 2 * len(line), len(start) // 2 - 1
    weights = line - line.mean(axis=0)
    for i in range(last):
        made[f"l{i}.bias"][:carried] = 0.0
    made["l0.weight"][:carried] = np.concatenate([weights[:, :-1], -weights[:, :-1]])
    for i in range(1, last):
        made[f"l{i}.weight"][:carried] = np.eye(carried, made[f"l{i}.weight"].shape[1])
    ones = np.eye(len(line), dtype=np.float32)
    made[f"l{last}.weight"][:] = 0.0
    made[f"l{last}.weight"][:, :carried] = np.concatenate([ones, -ones], axis=1)
    made[f"l{last}.bias"][:] = weights[:, -1]
    return made


def forward(parts: dict[str, Tensor], x: Tensor) -> Tensor:
    """Run the layers on torch tensors."""
    from torch.nn import functional

    for i in range(len(parts) // 2):
        x = functional.linear(x if i == 0 else functional.relu(x), parts[f"l{i}.weight"], parts[f"l{i}.bias"])
    return x
