"""Settings found by Optuna: tried fold by fold, given up early where the median did better."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from learning.models import check
from learning.models.model import Settings
from learning.rows.row import Rows
from learning.train.config import TrainConfig
from learning.train.score import figures
from learning.train.trainer import fitted, predicted
from learning.train.trial import Progress, silent
from learning.train.validation import stretches

# What is tried for each kind: (least, most, how) or the choices.
SPACES: dict[str, dict[str, tuple[float, float, str] | list[str]]] = {
    "persistence": {"column": (0, 15, "whole")},
    "logistic": {"ridge": (1e-5, 1.0, "log")},
    "ridge": {"ridge": (1e-2, 1e4, "log"), "keep_frac": (0.999, 1.0, "even")},
    "lightgbm": {
        "leaves": (4, 63, "log whole"),
        "leaf_rows": (10, 200, "log whole"),
        "rate": (0.01, 0.2, "log"),
        "columns_frac": (0.3, 1.0, "even"),
    },
    "mlp": {
        "hidden": ["16", "32", "16,16", "32,32", "64,32"],
        "rate": (3e-4, 3e-2, "log"),
        "decay": (1e-3, 10.0, "log"),
        "batch": (64, 1024, "log whole"),
    },
    "tcn": {"channels": (4, 32, "log whole"), "rate": (3e-4, 3e-2, "log"), "decay": (1e-3, 10.0, "log")},
}


class Searched(msgspec.Struct, frozen=True):
    """The best settings, and what was tried on the way; `sharpes` are of all that were tried to the end."""

    settings: Settings
    loss: float
    tried: int
    pruned: int
    sharpes: tuple[float, ...]


def search(rows: Rows, config: TrainConfig, trials: int, seed: int, progress: Progress = silent) -> Searched:
    """Search the settings of the config's kind by the mean log-loss of its walk forward."""
    import optuna

    if config.kind not in SPACES:
        check.refuse("it has no settings to search", config.kind, f"choose one of {', '.join(SPACES)}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1),
    )
    study.enqueue_trial({}, skip_if_exists=False)
    folds = stretches(rows, config.folds)

    def objective(trial: Any) -> float:
        progress("search", trial.number, trials)
        tested = config.model_copy(update={"model": config.model | suggested(config.kind, trial)})
        found: list[dict[str, float]] = []
        for fold in folds:
            model, _ = fitted(rows, fold, tested, seed)
            found.append(figures(rows.pick(fold.held), predicted(model, rows, fold), tested))
            mean = float(np.mean([each["log_loss"] for each in found]))
            trial.report(mean, len(found))
            if len(found) < len(folds) and trial.should_prune():
                raise optuna.TrialPruned
        trial.set_user_attr("sharpe", float(np.mean([each["sharpe"] for each in found])))
        return mean

    study.optimize(objective, n_trials=trials)
    progress("search", trials, trials)
    pruned = len([1 for each in study.trials if each.state is optuna.trial.TrialState.PRUNED])
    ratios = (each.user_attrs.get("sharpe") for each in study.trials)
    return Searched(
        config.model | study.best_params,
        study.best_value,
        len(study.trials),
        pruned,
        tuple(float(ratio) for ratio in ratios if ratio is not None),
    )


def suggested(kind: str, trial: Any) -> Settings:
    """Ask the trial for one value of each setting in the kind's space."""
    found: Settings = {}
    for name, space in SPACES[kind].items():
        if isinstance(space, list):
            found[name] = str(trial.suggest_categorical(name, space))
            continue
        least, most, how = space
        if "whole" in how:
            found[name] = int(trial.suggest_int(name, int(least), int(most), log="log" in how))
        else:
            found[name] = float(trial.suggest_float(name, least, most, log="log" in how))
    return found
