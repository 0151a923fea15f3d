"""A small multi-layer perceptron: the model that regions learn together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from domain.draws import stream_seed
from learning.models import check, layers
from learning.models.model import F4, F8, I1, Exported, Settings, Tensors
from learning.rows.row import FEATURE_COUNT

if TYPE_CHECKING:
    from torch import Tensor

HELD_LEAST = 32


class MlpConfig(BaseModel):
    """The shape of the perceptron and how it learns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    hidden: Annotated[str, Field(pattern=r"^[1-9]\d{0,3}(,[1-9]\d{0,3}){0,7}$")] = "32,32"
    """Sizes of the hidden layers, by commas."""
    epochs: int = Field(20, ge=1, le=10_000)
    batch: int = Field(256, ge=1, le=1_000_000)
    rate: float = Field(3e-3, gt=0, le=1)
    decay: float = Field(1e-4, ge=0, le=1)
    patience: int = Field(4, ge=1, le=1000)
    """Epochs without a better loss on the held-back tail before it stops."""
    held_frac: float = Field(0.1, ge=0, le=0.5)
    """Share of the newest rows that only tell when to stop."""
    proximal: float = Field(0.0, ge=0, le=1e3)
    """FedProx: half of this times the squared distance from where learning started is added to the loss."""
    personal_head: int = Field(0, ge=0, le=1)
    """Whether the last layer is the region's own: the proximal term leaves it free."""


class Mlp:
    """Learn by Adam over shuffled batches on one thread: the same rows and seed give the same bytes."""

    kind: ClassVar[str] = "mlp"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        self.config = check.settings_of(MlpConfig, config, self.kind)
        self.columns = self.config.inputs
        hidden = tuple(int(size) for size in self.config.hidden.split(","))
        self.sizes = (self.columns, *hidden, layers.OUT)
        self._seed = seed
        self._layers = self._first()
        self._norm: Tensors | None = None

    def _first(self) -> Tensors:
        draws = np.random.default_rng(stream_seed(self._seed, self.kind, "first"))
        first: Tensors = {}
        for name, shape in list(layers.shapes_of(self.sizes).items())[2:]:
            bound = (6.0 / shape[1]) ** 0.5 if len(shape) == 2 else 0.0
            first[name] = draws.uniform(-bound, bound, shape).astype(np.float32)
        last = f"l{len(self.sizes) - 2}.weight"
        first[last] *= np.float32(0.1)  # so that it begins near the prior, without opinions
        return first

    def adopt(self, tensors: Tensors) -> None:
        """Go on from these layers; what is not given, such as the region's norm or head, stays its own."""
        shapes = layers.shapes_of(self.sizes)
        if (extra := next((name for name in tensors if name not in shapes), None)) is not None:
            check.refuse(
                f"tensor {extra!r} is not one of this model's", self.kind, "use a model of the same shape"
            )
        found = {name: check.tensor(tensors, name, shapes[name], self.kind) for name in tensors}
        norm: Tensors = {name: found.pop(name) for name in ("norm.mean", "norm.scale") if name in found}
        self._layers |= found
        if len(norm) == 2:
            self._norm = norm

    def learn(self, x: F4, y: I1, weight: F4 | None = None) -> dict[str, float]:
        """Learn until the newest rows, which are held back, are no longer told better."""
        again = self._norm is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        if self._norm is None:
            self._norm = layers.norm_of(x, weights)
        held = int(len(x) * self.config.held_frac)
        held = held if held >= HELD_LEAST else 0
        fit = Fit(self.config, self._layers, stream_seed(self._seed, self.kind, "order", len(x)))
        figures = fit.run(layers.normed(self._norm, x), y, weights, len(x) - held)
        self._layers = fit.best
        return figures | {"rows": float(len(x))}

    def predict(self, x: F4) -> F4:
        """Give the probabilities of the classes, without torch."""
        x = check.inputs(x, self.columns, self.kind)
        return layers.softmax(layers.logits_of(self._whole(), x))

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


class Fit:
    """One run of learning: parameters as one vector, so that a step of Adam is a handful of operations."""

    def __init__(self, config: MlpConfig, start: Tensors, seed: int) -> None:
        self.config = config
        self.best = start
        self._shapes = {name: tensor.shape for name, tensor in start.items()}
        self._draws = np.random.default_rng(seed)

    def run(self, x: F4, y: I1, weight: F8, fitted: int) -> dict[str, float]:
        """Learn from the first `fitted` rows; the rest tell when to stop."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            rows = (
                torch.from_numpy(x),
                torch.from_numpy(y.astype(np.int64)),
                torch.from_numpy(weight.astype(np.float32)),
            )
            return self._epochs(rows, fitted)
        finally:
            torch.set_num_threads(threads)

    def _epochs(self, rows: tuple[Tensor, Tensor, Tensor], fitted: int) -> dict[str, float]:
        import torch

        flat = torch.from_numpy(np.concatenate([tensor.ravel() for tensor in self.best.values()]))
        flat.requires_grad_(True)
        adam = Adam(flat, self.config, self._bound())
        held = slice(fitted, None) if fitted < len(rows[0]) else slice(0, fitted)
        best, best_loss, waited, epoch = flat.detach().clone(), self._held(flat, rows, held), 0, 0
        begin_loss, loss = best_loss, best_loss
        for epoch in range(1, self.config.epochs + 1):  # noqa: B007
            order = torch.from_numpy(self._draws.permutation(fitted))
            for begin in range(0, fitted, self.config.batch):
                chosen = order[begin : begin + self.config.batch]
                adam.step(self._loss(flat, *(part[chosen] for part in rows)))
            loss = self._held(flat, rows, held)
            if loss < best_loss:
                best, best_loss, waited = flat.detach().clone(), loss, 0
            elif (waited := waited + 1) >= self.config.patience:
                break
        self.best = {name: part.numpy().copy() for name, part in self._parts(best).items()}
        return {"loss": best_loss, "begin_loss": begin_loss, "end_loss": loss, "epochs": float(epoch)}

    def _bound(self) -> Any:
        import torch

        head = set(list(self._shapes)[-2:]) if self.config.personal_head == 1 else set()
        sizes = [(name not in head, int(np.prod(shape))) for name, shape in self._shapes.items()]
        return torch.cat([torch.full((size,), float(shared)) for shared, size in sizes])

    def _parts(self, flat: Tensor) -> dict[str, Tensor]:
        import torch

        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        split = torch.split(flat, sizes)
        return {
            name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), split, strict=True)
        }

    def _loss(self, flat: Tensor, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        from torch.nn import functional

        parts = list(self._parts(flat).values())
        for i in range(0, len(parts), 2):
            x = functional.linear(x if i == 0 else functional.relu(x), parts[i], parts[i + 1])
        return (functional.cross_entropy(x, y, reduction="none") * weight).mean()

    def _held(self, flat: Tensor, rows: tuple[Tensor, Tensor, Tensor], held: slice) -> float:
        import torch

        with torch.inference_mode():
            return float(self._loss(flat, *(part[held] for part in rows)))


class Adam:
    """AdamW on one vector (Loshchilov and Hutter, 2019) with the pull of FedProx (Li et al., 2020)."""

    def __init__(self, flat: Tensor, config: MlpConfig, bound: Tensor) -> None:
        self._flat, self._config, self._bound = flat, config, bound
        self._start = flat.detach().clone()
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
