"""One page about one version: how it did, beside the honest baselines, in a file that needs no other."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

import msgspec
import numpy as np

from learning.models.model import F8, Settings
from learning.train import plot
from learning.train.calibration import reliability
from learning.train.config import NS_PER_S, TrainConfig
from learning.train.score import confusion
from learning.train.sharpe import expected_best
from learning.train.trial import Trial

FIGURES = {
    "log_loss": "log-loss",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "accuracy_frac": "right (share)",
    "taken_frac": "sides taken (share)",
    "gain_bps": "earned a side (bps)",
    "total_bps": "earned (bps)",
    "sharpe": "Sharpe a period",
    "deflated_frac": "skill after deflation",
}
STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;margin:1rem 0}
td,th{padding:.25rem .7rem;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}
tr.own{font-weight:600;background:#eef5fb}
svg{max-width:100%;height:auto}
code{background:#f2f2f2;padding:0 .2rem}figure{margin:1.5rem 0}figcaption{color:#555}
body{background:#fff}"""


class Report(msgspec.Struct, frozen=True, eq=False):
    """What a page tells: the model's trial first, then its baselines'."""

    version: str
    config: TrainConfig
    settings: Settings
    seed: int
    trials: list[Trial]
    columns: tuple[str, ...]
    importance: F8
    paths: list[float]
    """Sharpe ratios of the paths of combinatorial purged validation; none where it was not run."""


def page(report: Report) -> str:
    """Write the whole page."""
    own = report.trials[0]
    title = f"{own.kind} {report.version}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{_window(own)} {escape(verdict(report.trials))}</p>",
        _table(report.trials),
        _figure("Log-loss by fold: each was fitted on what was known before.", _losses(report)),
        _figure("Earned by decisions after cost.", plot.curves({t.kind: t.curve() for t in report.trials})),
        _figure("Can its probabilities be believed?", _reliability(own)),
        _figure(
            "What it said when each class came.", plot.confusion(confusion(own.probabilities, own.held.y))
        ),
        _figure("Which columns move it.", plot.importances(report.columns, report.importance)),
        _paths(report),
        _settings(report),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def verdict(trials: list[Trial]) -> str:
    """Say in one or two sentences whether the model is better than the baselines."""
    own, others = trials[0], trials[1:]
    told = []
    if others:
        best = min(others, key=lambda trial: trial.figures["log_loss"])
        gap = best.figures["log_loss"] - own.figures["log_loss"]
        word = "below" if gap > 0 else "above"
        told.append(f"Its log-loss is {abs(gap):.4f} {word} that of {best.kind}, the best baseline.")
    total, skill = own.figures["total_bps"], own.figures.get("deflated_frac", own.figures["skill_frac"])
    if own.figures["taken_frac"] == 0:
        return " ".join([*told, "It takes no side: nothing is earned or lost."])
    earned = "earn" if total > 0 else "lose"
    told.append(
        f"Its decisions {earned} {abs(total):.0f} bps after cost; that this is skill is {skill:.2f} likely."
    )
    return " ".join(told)


def _window(own: Trial) -> str:
    table = own.held.table
    first, last = (
        datetime.fromtimestamp(int(at_ns) // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")
        for at_ns in (table["at_ns"][0], table["at_ns"][-1])
    )
    shares = np.bincount(own.held.y, minlength=3) / len(own.held)
    return (
        f"{len(own.held)} tested rows from {first} to {last} UTC: "
        f"{shares[0]:.2f} down, {shares[1]:.2f} flat, {shares[2]:.2f} up."
    )


def _table(trials: list[Trial]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *FIGURES.values()))
    rows = []
    for place, trial in enumerate(trials):
        cells = "".join(f"<td>{trial.figures.get(name, float('nan')):.4g}</td>" for name in FIGURES)
        own = ' class="own"' if place == 0 else ""
        rows.append(f"<tr{own}><td>{escape(trial.kind)}</td>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _figure(words: str, drawing: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(words)}</figcaption></figure>"


def _losses(report: Report) -> str:
    return plot.losses({t.kind: [fold["log_loss"] for fold in t.folds] for t in report.trials})


def _reliability(own: Trial) -> str:
    return plot.reliability({own.kind: reliability(own.probabilities, own.held.y)})


def _paths(report: Report) -> str:
    if not report.paths:
        return ""
    ratios = np.array(report.paths)
    luck = expected_best(len(ratios), float(ratios.var(ddof=1))) if len(ratios) > 1 else 0.0
    return (
        f"<p>Combinatorial purged validation: {len(ratios)} paths, Sharpe a period from {ratios.min():.3f} "
        f"to {ratios.max():.3f}, mean {ratios.mean():.3f}, {(ratios > 0).mean():.2f} of them above zero; "
        f"luck alone would make {luck:.3f} of the best.</p>"
    )


def _settings(report: Report) -> str:
    pairs = (
        {"seed": report.seed} | report.config.model_dump(exclude={"model", "tracking_uri"}) | report.settings
    )
    rows = "".join(
        f"<tr><td><code>{escape(str(name))}</code></td><td>{escape(str(value))}</td></tr>"
        for name, value in pairs.items()
    )
    return f"<h2>Settings</h2><table>{rows}</table>"
