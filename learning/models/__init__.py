"""Every kind of model by name, and the way from arrays back to a model."""

from __future__ import annotations

from learning.models import check
from learning.models.hedge import Hedge
from learning.models.lightgbm import Lightgbm
from learning.models.logistic import Logistic
from learning.models.mlp import Mlp
from learning.models.model import Exported, Model, Settings, Tensors
from learning.models.persistence import Persistence
from learning.models.prior import Prior
from learning.models.ridge import Ridge
from learning.models.tcn import Tcn

KINDS: tuple[type[Model], ...] = (Prior, Persistence, Logistic, Ridge, Lightgbm, Mlp, Tcn, Hedge)
MODELS: dict[str, type[Model]] = {each.kind: each for each in KINDS}


def load(exported: Exported) -> Model:
    """Make a model of what was exported."""
    return _class(exported.kind).load(exported)


def begin(kind: str, config: Settings | None = None, seed: int = 0, tensors: Tensors | None = None) -> Model:
    """Begin a model of this kind, or go on from tensors."""
    made = _class(kind)(config, seed)
    if tensors is None:
        return made
    if isinstance(made, Mlp):
        made.adopt(tensors)
        return made
    return load(Exported(kind, tensors, {} if config is None else config))


def _class(kind: str) -> type[Model]:
    if kind not in MODELS:
        check.refuse("there is no such kind", repr(kind)[:40], f"choose one of {', '.join(MODELS)}")
    return MODELS[kind]
