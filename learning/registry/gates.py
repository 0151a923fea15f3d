"""What a version has to show before it may serve: each gate is a name, a figure, a limit and a reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from domain.errors import ExitCode, SwarmError
from learning.models.model import Exported
from learning.registry.blob import SCHEMA, refused
from learning.registry.manifest import Gate
from learning.registry.served import check_served
from learning.registry.standing import CANARY, CANDIDATE, CHAMPION, LIVE

# What it takes to serve at all; a canary has to show LIVE beside it before it serves all.
OFFLINE = ("finite", "schema", "served", "norm", "log_loss", "baselines", "calibration", "sharpe", "gain")

Figures = Mapping[str, float]


class GatesConfig(BaseModel):
    """How much worse than what serves a version may be, and what it must reach by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    norm_max: float = Field(100.0, gt=0)
    """Largest root of the summed squares of one tensor, per root of its size."""
    log_loss_more: float = Field(0.002, ge=0)
    """How far the held-out log-loss may be above the champion's."""
    baseline_less: float = Field(0.0, ge=0)
    """How far it must be below the best baseline's."""
    calibration_max: float = Field(0.1, gt=0, le=1)
    skill_frac_min: float = Field(0.5, ge=0, le=1)
    """Least probability that its Sharpe ratio, deflated by the number of trials, is above nought."""
    skill_frac_less: float = Field(0.1, ge=0, le=1)
    """How far that probability may be below the champion's."""
    gain_less_bps: float = Field(0.1, ge=0)
    """How far its gain a decision, net of cost, may be below the champion's."""


def offline_gates(
    exported: Exported,
    schema: str,
    figures: Figures,
    champion: Figures | None,
    baselines: Mapping[str, Figures],
    config: GatesConfig | None = None,
) -> tuple[Gate, ...]:
    """Hold a version against what serves and what is simple, all measured on the same held-out rows.

    Figures are those of `learning.train.score.figures`; `skill_frac` should be deflated where many were
    tried. Without a champion a version has the baselines to beat, and must not earn less than doing nothing.
    """
    config = config or GatesConfig()
    best = min((each["log_loss"] for each in baselines.values()), default=-math.inf)
    loss = None if champion is None else champion["log_loss"] + config.log_loss_more
    skill = config.skill_frac_min
    if champion is not None:
        skill = max(skill, champion["skill_frac"] - config.skill_frac_less)
    gain = (0.0 if champion is None else champion["gain_bps"]) - config.gain_less_bps
    return (
        _finite(exported),
        _schema(schema),
        _served(exported),
        _norm(exported, config.norm_max),
        _below("log_loss", figures.get("log_loss"), loss, "log-loss on held-out rows, champion's and a bit"),
        _below(
            "baselines",
            figures.get("log_loss"),
            best - config.baseline_less,
            "log-loss, best baseline's" if baselines else "no baseline was measured",
        ),
        _below("calibration", figures.get("calibration_error"), config.calibration_max, "calibration error"),
        _above("sharpe", figures.get("skill_frac"), skill, "probability of skill, deflated"),
        _above("gain", figures.get("gain_bps"), gain, "gain a decision in bps, net of cost"),
    )


def live_gate(low_bps: float, high_bps: float, pairs: int, less_bps: float, pairs_min: int) -> Gate:
    """Judge a canary by the confidence sequence on its outcomes less the champion's."""
    if pairs < pairs_min:
        return Gate(LIVE, False, float(pairs), float(pairs_min), "too few outcomes side by side")
    reason = f"outcomes less the champion's are between {low_bps:.3g} and {high_bps:.3g} bps"
    return Gate(LIVE, low_bps >= -less_bps, low_bps, -less_bps, reason)


def check_gates(model: str, state: str, to: str, has_champion: bool, gates: Iterable[Gate]) -> None:
    """Refuse a promotion that is out of turn, or for which a gate is missing or was not passed."""
    first = to == CHAMPION and not has_champion
    # A canary may be made one again, with another share; who is retired comes back by a rollback alone.
    turns = {CANARY: (CANDIDATE, CANARY), CHAMPION: (CANDIDATE, CANARY) if first else (CANARY,)}
    if to not in turns:
        raise refused(f"no version can be made {to[:20]!a}", f"choose {CANARY} or {CHAMPION}")
    if state not in turns[to]:
        needed = " or ".join(turns[to])
        raise _held(model, f"a {state} cannot become {to}", f"it takes a {needed}")
    passed = {gate.name: gate for gate in gates}
    for name in OFFLINE if to == CANARY or first else (*OFFLINE, LIVE):
        gate = passed.get(name)
        if gate is None:
            raise _held(model, f"gate {name} was never tried", "have it judged first")
        if not gate.passed:
            raise _held(model, f"gate {name} was not passed: {told(gate)}", "train it better")


def told(gate: Gate) -> str:
    """Say what a gate found.

    >>> told(Gate("norm", False, 12.5, 4.0, "largest tensor"))
    'largest tensor: 12.5, limit 4'
    """
    parts = [f"{gate.figure:.6g}" if gate.figure is not None else "no figure"]
    if gate.limit is not None:
        parts.append(f"limit {gate.limit:.6g}")
    return f"{gate.reason or gate.name}: {', '.join(parts)}"


def _finite(exported: Exported) -> Gate:
    wrong = [name for name, tensor in exported.tensors.items() if not np.isfinite(tensor).all()]
    return Gate("finite", not wrong, float(len(wrong)), 0.0, f"not finite: {wrong[0]}" if wrong else "")


def _schema(schema: str) -> Gate:
    right = schema == SCHEMA
    return Gate("schema", right, None, None, "" if right else f"features {schema!a}, not {SCHEMA!a}")


def _served(exported: Exported) -> Gate:
    try:
        check_served(exported)
    except SwarmError as error:
        return Gate("served", False, None, None, error.what)
    return Gate("served", True, None, None)


def _norm(exported: Exported, limit: float) -> Gate:
    norms = {
        name: float(np.sqrt(np.mean(np.square(tensor.astype(np.float64)))))
        for name, tensor in exported.tensors.items()
        # What learning alone goes on from is float64; what is run is float32.
        if tensor.dtype == np.float32 and tensor.size > 0 and not name.split("/")[-1].startswith("norm.")
    }
    if not norms:
        return Gate("norm", True, None, limit, "no weights")
    largest = max(norms, key=lambda name: math.inf if math.isnan(norms[name]) else norms[name])
    return Gate("norm", norms[largest] <= limit, _plain(norms[largest]), limit, f"size of {largest}")


def _below(name: str, figure: float | None, limit: float | None, reason: str) -> Gate:
    if limit is None:
        return Gate(name, _plain(figure) is not None, _plain(figure), None, "no champion to compare with")
    passed = figure is not None and math.isfinite(figure) and figure <= limit
    return Gate(name, passed, _plain(figure), _plain(limit), reason)


def _above(name: str, figure: float | None, limit: float | None, reason: str) -> Gate:
    if limit is None:
        return Gate(name, _plain(figure) is not None, _plain(figure), None, "no champion to compare with")
    passed = figure is not None and math.isfinite(figure) and figure >= limit
    return Gate(name, passed, _plain(figure), _plain(limit), reason)


def _plain(figure: float | None) -> float | None:
    """Leave out what JSON has no word for."""
    return figure if figure is not None and math.isfinite(figure) else None


def _held(model: str, what: str, mend: str) -> SwarmError:
    return SwarmError(what, where=f"model {model[:12]}", mend=mend, code=ExitCode.NOT_PROMOTED)
