"""One page about one version: how it did, beside the honest baselines, in a file that needs no other."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape

import msgspec
import numpy as np

from learning.models.model import F8
from learning.registry.gates import told
from learning.registry.manifest import Manifest
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
    """What a page tells of a version; what was not looked at is left out of it."""

    manifest: Manifest
    """What it is, with every gate that it was held against."""
    config: TrainConfig
    seed: int
    unseen: Trial | None
    """The version itself on rows that came after those it was trained on."""
    trials: list[Trial]
    """Its kind walked forward over all rows, and then its baselines."""
    columns: tuple[str, ...]
    importance: F8
    paths: list[float]
    """Sharpe ratios of the paths of combinatorial purged validation."""


def page(report: Report) -> str:
    """Write the whole page."""
    title = f"{report.manifest.kind} {report.manifest.model}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _about(report.manifest),
        _gates(report.manifest),
        *_unseen(report.unseen),
        *_walked(report),
        _importance(report),
        _paths(report),
        _settings(report),
    ]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(part for part in parts if part)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _about(manifest: Manifest) -> str:
    window, config = manifest.window, manifest.config
    said = f"Made {_minute(manifest.made_ns)} UTC by {manifest.source or 'hand'}"
    why = [str(config[name]) for name in ("train.reason", "train.how") if config.get(name)]
    said += f" ({', '.join(why)})" if why else ""
    said += f", from {manifest.parent}" if manifest.parent else ", from nothing before"
    said += (
        f". Trained on {window.rows} rows from {_minute(window.from_ns)} to {_minute(window.until_ns)} UTC"
    )
    return f"<p>{escape(said)}, with code {escape(manifest.code_version or 'unknown')}.</p>"


def _gates(manifest: Manifest) -> str:
    if not manifest.gates:
        return "<p>It was held against no gate yet.</p>"
    rows = "".join(
        f"<tr><td>{escape(gate.name)}</td><td>{'passed' if gate.passed else 'not passed'}</td>"
        f"<td>{escape(told(gate))}</td></tr>"
        for gate in manifest.gates
    )
    return f"<h2>Gates</h2><table><tr><th>gate</th><th></th><th>why</th></tr>{rows}</table>"


def _unseen(own: Trial | None) -> list[str]:
    head = "<h2>Rows that it has not seen</h2>"
    if own is None:
        return [head, "<p>There are none: they come after those that it was trained on.</p>"]
    return [
        head,
        f"<p>{_window(own)} {escape(earned(own))}</p>",
        _table([own]),
        _figure("Earned by its decisions after cost.", plot.curves({own.kind: own.curve()})),
        _figure("Can its probabilities be believed?", _reliability(own)),
        _figure(
            "What it said when each class came.", plot.confusion(confusion(own.probabilities, own.held.y))
        ),
    ]


def _walked(report: Report) -> list[str]:
    """Tell what its kind would have done, fitted anew for each fold."""
    if not report.trials:
        return []
    own, config = report.trials[0], report.config
    how = f"{config.folds} folds, {config.cost_bps:g} bps a side and back, seed {report.seed}."
    return [
        "<h2>Its kind walked forward</h2>",
        f"<p>{_window(own)} {escape(verdict(report.trials))} {how}</p>",
        _table(report.trials),
        _figure("Log-loss by fold: each was fitted on what was known before.", _losses(report)),
        _figure("Earned by decisions after cost.", plot.curves({t.kind: t.curve() for t in report.trials})),
    ]


def verdict(trials: list[Trial]) -> str:
    """Say in one or two sentences whether the model is better than the baselines."""
    own, others = trials[0], trials[1:]
    words = []
    if others:
        best = min(others, key=lambda trial: trial.figures["log_loss"])
        gap = best.figures["log_loss"] - own.figures["log_loss"]
        word = "below" if gap > 0 else "above"
        words.append(f"Its log-loss is {abs(gap):.4f} {word} that of {best.kind}, the best baseline.")
    return " ".join([*words, earned(own)])


def earned(own: Trial) -> str:
    """Say what decisions brought, and how likely that is skill."""
    total, skill = own.figures["total_bps"], own.figures.get("deflated_frac", own.figures["skill_frac"])
    if own.figures["taken_frac"] == 0:
        return "It takes no side: nothing is earned or lost."
    word = "earn" if total > 0 else "lose"
    return f"Its decisions {word} {abs(total):.0f} bps after cost; that this is skill is {skill:.2f} likely."


def _window(own: Trial) -> str:
    table = own.held.table
    first, last = (_minute(int(table["at_ns"][place])) for place in (0, -1))
    shares = np.bincount(own.held.y, minlength=3) / len(own.held)
    return (
        f"{len(own.held)} tested rows from {first} to {last} UTC: "
        f"{shares[0]:.2f} down, {shares[1]:.2f} flat, {shares[2]:.2f} up."
    )


def _minute(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M")


def _table(trials: list[Trial]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", *FIGURES.values()))
    rows = []
    for place, trial in enumerate(trials):
        cells = "".join(f"<td>{_figure_of(trial, name)}</td>" for name in FIGURES)
        own = ' class="own"' if place == 0 else ""
        rows.append(f"<tr{own}><td>{escape(trial.kind)}</td>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _figure_of(trial: Trial, name: str) -> str:
    figure = trial.figures.get(name)
    return "" if figure is None else f"{figure:.4g}"


def _figure(words: str, drawing: str) -> str:
    return f"<figure>{drawing}<figcaption>{escape(words)}</figcaption></figure>"


def _losses(report: Report) -> str:
    return plot.losses({t.kind: [fold["log_loss"] for fold in t.folds] for t in report.trials})


def _reliability(own: Trial) -> str:
    return plot.reliability({own.kind: reliability(own.probabilities, own.held.y)})


def _importance(report: Report) -> str:
    if len(report.importance) == 0:
        return ""
    return _figure("Which columns move it.", plot.importances(report.columns, report.importance))


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
    rows = "".join(
        f"<tr><td><code>{escape(str(name))}</code></td><td>{escape(str(value))}</td></tr>"
        for name, value in report.manifest.config.items()
    )
    return f"<h2>Settings</h2><table>{rows}</table>"
