"""An ensemble whose shares follow what each model's decisions would have earned after cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from learning.models import check
from learning.models.model import F4, F8, I1, Exported, Model, Settings, Tensors
from learning.models.stake import Stake
from learning.rows.row import DOWN, FEATURE_COUNT, FLAT, UP

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPERTS_MAX = 16


class HedgeConfig(BaseModel):
    """The models and what their decisions cost; `logistic/ridge` and the like are settings of a model."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)

    inputs: int = Field(FEATURE_COUNT, ge=1, le=4096)
    experts: Annotated[str, Field(pattern=r"^[a-z]+(,[a-z]+)*$")] = "logistic,ridge,mlp"
    cost_bps: float = Field(2.0, ge=0, le=1000)
    unit_bps: float = Field(5.0, gt=0, le=10_000)
    """What a move of the right class is taken to be worth where the rows' own moves are not given."""
    round_rows: int = Field(50, ge=1, le=100_000)
    """Rows whose gains make one round."""
    staked_frac: float = Field(0.3, gt=0, lt=0.9)
    """Share of the first rows ever, the newest, that the experts do not learn from but are staked on."""


class Hedge:
    """Mix the experts' probabilities; learning again first stakes on the new rows, then learns from them."""

    kind: ClassVar[str] = "hedge"

    def __init__(self, config: Settings | None = None, seed: int = 0) -> None:
        given = {} if config is None else config
        own: Settings = {name: value for name, value in given.items() if "/" not in name}
        self.config = check.settings_of(HedgeConfig, own, self.kind)
        self.columns = self.config.inputs
        self.names = self.config.experts.split(",")
        self._check_experts(given)
        self.experts: list[Model] = [self._expert(name, given, seed) for name in self.names]
        self.stake = Stake(len(self.experts))
        self._learnt: bool | None = None

    def _check_experts(self, given: Settings) -> None:
        """Refuse settings of no model: they would be passed over."""
        from learning.models import MODELS

        wrong = next((key for key in given if "/" in key and key.split("/")[0] not in MODELS), None)
        if wrong is not None:
            check.refuse(f"setting {wrong!r} is of no model", self.kind, "correct or leave out the setting")

    def _expert(self, name: str, given: Settings, seed: int) -> Model:
        from learning.models import begin

        if name == self.kind or self.names.count(name) > 1 or len(self.names) > EXPERTS_MAX:
            check.refuse(f"expert {name!r} is one too many", self.kind, "name each model once, and no hedge")
        inner: Settings = {"inputs": self.columns}
        inner |= {key.split("/", 1)[1]: value for key, value in given.items() if key.split("/")[0] == name}
        expert = begin(name, inner, seed)
        if expert.columns != self.columns:
            check.refuse(f"expert {name!r} looks at more than one row", self.kind, "choose another")
        return expert

    def learn(
        self, x: F4, y: I1, weight: F4 | None = None, *, gross_bps: F4 | None = None
    ) -> dict[str, float]:
        """Learn from rows whose price moved by `gross_bps`, or by a unit each where that is not given."""
        again = self._learnt is not None
        x, y, weights = check.examples(x, y, weight, self.columns, self.kind, one_class=again)
        moved = self.config.unit_bps * (y - np.float64(FLAT)) if gross_bps is None else gross_bps
        staked = slice(0 if again else int(len(x) * (1 - self.config.staked_frac)), None)
        fitted = slice(None) if again else slice(0, staked.start)
        if again:
            self._staked(x, moved.astype(np.float64))
        for expert in self.experts:
            expert.learn(x[fitted], y[fitted], weights[fitted].astype(np.float32))
        if not again:
            self._staked(x[staked], moved[staked].astype(np.float64))
        self._learnt = True
        shares = zip(self.names, self.stake.shares, strict=True)
        return {f"share.{name}": float(share) for name, share in shares} | {"rows": float(len(x))}

    def _staked(self, x: F4, moved_bps: F8) -> None:
        gains = np.array([self._gains(expert.predict(x), moved_bps) for expert in self.experts])
        for begin in range(0, len(x), self.config.round_rows):
            self.stake.step(gains[:, begin : begin + self.config.round_rows].sum(axis=1))

    def _gains(self, told: F4, moved_bps: F8) -> F8:
        """Take the side that is told to be likeliest: what it earns, less its cost."""
        best = told.argmax(axis=1)
        side = np.where(best == UP, 1.0, np.where(best == DOWN, -1.0, 0.0))
        gains: F8 = side * moved_bps - np.abs(side) * self.config.cost_bps
        return gains

    def predict(self, x: F4) -> F4:
        """Give the experts' probabilities by their shares."""
        check.learnt(self._learnt, self.kind)
        x = check.inputs(x, self.columns, self.kind)
        mixed = np.zeros((len(x), 3))
        for share, expert in zip(self.stake.shares, self.experts, strict=True):
            mixed += share * expert.predict(x)
        shares: F8 = mixed / mixed.sum(axis=1, keepdims=True)
        return shares.astype(np.float32)

    def export(self) -> Exported:
        """Give the experts' tensors and settings under their names, and the stake."""
        check.learnt(self._learnt, self.kind)
        tensors: Tensors = {"hedge.gains": self.stake.gains.copy(), "hedge.gap": np.array([self.stake.gap])}
        config: Settings = self.config.model_dump()
        for name, exported in self._exports():
            tensors |= {f"{name}/{inner}": tensor for inner, tensor in exported.tensors.items()}
            config |= {f"{name}/{key}": value for key, value in exported.config.items()}
        return Exported(self.kind, tensors, config)

    def _exports(self) -> Iterator[tuple[str, Exported]]:
        return ((name, expert.export()) for name, expert in zip(self.names, self.experts, strict=True))

    @classmethod
    def load(cls, exported: Exported) -> Self:
        """Take up an exported ensemble with all its experts."""
        check.of_kind(exported, cls.kind)
        model = cls(exported.config)
        count = len(model.experts)
        model.stake.gains = check.tensor(exported.tensors, "hedge.gains", (count,), cls.kind, np.float64)
        model.stake.gap = float(check.tensor(exported.tensors, "hedge.gap", (1,), cls.kind, np.float64)[0])
        if model.stake.gap < 0.0:
            check.refuse("tensor 'hedge.gap' is below zero", cls.kind, "go back to the version before")
        model.experts = [_inner(exported, name, type(old)) for name, old in model._named()]
        model._learnt = True
        return model

    def _named(self) -> Iterator[tuple[str, Model]]:
        return zip(self.names, self.experts, strict=True)


def _inner(exported: Exported, name: str, kind: type[Model]) -> Model:
    begins = f"{name}/"
    tensors = {
        key.removeprefix(begins): tensor for key, tensor in exported.tensors.items() if key.startswith(begins)
    }
    config = {
        key.removeprefix(begins): value for key, value in exported.config.items() if key.startswith(begins)
    }
    return kind.load(Exported(name, tensors, config))
