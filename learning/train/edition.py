"""One new version: searched, tried beside its baselines, fitted, held against gates, kept and reported."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from learning.models import load
from learning.models.model import F8, Exported, Settings
from learning.places import page_of
from learning.registry.blob import SCHEMA
from learning.registry.files import nothing, replace
from learning.registry.gates import OFFLINE, offline_gates
from learning.registry.manifest import Gate, Manifest, Window
from learning.registry.registry import Registry
from learning.rows.row import FEATURE_COUNT, Rows
from learning.train.code import code_version
from learning.train.config import BASELINES, TrainConfig
from learning.train.importance import importance
from learning.train.report import Report, page
from learning.train.score import figures, gains_of, periods_of
from learning.train.search import Searched, search
from learning.train.sharpe import deflated_of
from learning.train.tracking import tracked
from learning.train.trainer import Trained, fit_to_learn, inputs_of, predicted, train
from learning.train.trial import Progress, Trial, compared, path_sharpes, silent, with_deflated
from learning.train.validation import Fold, held_out


class Order(msgspec.Struct, frozen=True):
    """What kind of version is wanted, and how much trouble to take."""

    config: TrainConfig
    source: str
    seed: int = 0
    searches: int = 0
    """Settings to try; none are searched at nought."""
    purged: bool = False
    """Whether combinatorial purged validation is run too: fifteen fits."""
    base: str = ""
    """The version to go on from, by its hash; the rows should then be those since its window."""


class Edition(msgspec.Struct, frozen=True, eq=False):
    """A version that was made, and all that was found on the way."""

    version: str
    trained: Trained
    trials: list[Trial]
    gates: tuple[Gate, ...]
    report: Path
    searched: Searched | None = None
    run: str = ""


def make(rows: Rows, order: Order, registry: Registry, now_ns: int, progress: Progress = silent) -> Edition:
    """Make one version of these rows and keep it as a candidate with its gates and its page."""
    rows = fit_to_learn(rows, order.config)
    searched = _searched(rows, order, progress) if order.searches > 0 else None
    config = (
        order.config if searched is None else order.config.model_copy(update={"model": searched.settings})
    )
    start = None if order.base == "" else registry.get(order.base)
    if start is not None:
        config = config.model_copy(update={"kind": start.kind, "model": dict(start.config)})
    order = msgspec.structs.replace(order, config=config)
    others = () if searched is None else searched.sharpes
    trials = with_deflated(compared(rows, config, BASELINES, order.seed, progress), config, others)
    trained = train(rows, None if start is None else start.tensors, config, order.seed)
    ratios = [trials[0].figures["sharpe"], *others]
    gates = judged(rows, trained, order, registry, ratios)
    version = registry.put(trained.exported, manifest_of(rows, trained, order, gates, now_ns))
    registry.judge(version, gates)
    paths = path_sharpes(rows, config, order.seed, progress=progress) if order.purged else []
    report = write_report(rows, order, registry, version, trials, paths)
    return Edition(
        version, trained, trials, gates, report, searched, tracked(config, trained, version, report)
    )


def _searched(rows: Rows, order: Order, progress: Progress) -> Searched:
    """Search settings without the rows that the gates judge by."""
    seen = rows.pick(held_out(rows, order.config.held_frac).fit)
    return search(seen, order.config, order.searches, order.seed, progress)


def judged(
    rows: Rows, trained: Trained, order: Order, registry: Registry, ratios: list[float]
) -> tuple[Gate, ...]:
    """Hold the version against the champion and the baselines, all on the same held-out rows."""
    config = order.config
    fold = held_out(rows, config.held_frac)
    held = rows.pick(fold.held)

    def of(exported: Exported) -> dict[str, float]:
        told = predicted(load(exported), rows, fold)
        periods = periods_of(held, gains_of(held, told, config), config)
        return figures(held, told, config) | {"skill_frac": deflated_of(periods, ratios)}

    fits = ((name, train(rows, None, config.for_kind(name), order.seed)) for name in BASELINES)
    baselines = {name: of(fit.exported) for name, fit in fits if name != trained.exported.kind}
    champion = registry.pointer().champion
    serving = of(registry.get(champion)) if champion != "" else None
    return offline_gates(trained.exported, SCHEMA, of(trained.exported), serving, baselines)


def manifest_of(rows: Rows, trained: Trained, order: Order, gates: tuple[Gate, ...], now_ns: int) -> Manifest:
    """Describe the version."""
    fit = rows.pick(held_out(rows, order.config.held_frac).fit).table
    return Manifest(
        model="",
        kind=trained.exported.kind,
        source=order.source,
        made_ns=now_ns,
        parent=order.base,
        features=columns_of(FEATURE_COUNT),
        window=Window(int(fit["at_ns"][0]), int(fit["label_ns"].max()), len(fit)),
        config=_plain(order) | dict(trained.exported.config),
        code_version=code_version(),
        metrics=dict(trained.metrics),
        gates=gates,
    )


def _plain(order: Order) -> Settings:
    given = order.config.model_dump(exclude={"model", "kind", "tracking_uri"})
    plain = {name: int(value) if isinstance(value, bool) else value for name, value in given.items()}
    return {f"train.{name}": value for name, value in plain.items()} | {"train.seed": order.seed}


def write_report(
    rows: Rows, order: Order, registry: Registry, version: str, trials: list[Trial], paths: list[float]
) -> Path:
    """Write the page of a version beside the registry, and remove those of versions that are gone.

    Without trials it is the short one: what the version is, its gates, and how it does on unseen rows.
    """
    manifest, exported = registry.show(version), registry.get(version)
    report = Report(
        manifest,
        order.config,
        order.seed,
        unseen_of(rows, exported, manifest, order.config),
        trials,
        columns_of(FEATURE_COUNT),
        _importance(rows, exported, order.seed) if trials else np.empty(0),
        paths,
    )
    path = page_of(registry.folder, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, page(report).encode(), nothing, "report")
    for old in path.parent.glob("*.html"):
        if not (registry.folder / "manifests" / f"{old.stem}.json").exists():
            old.unlink(missing_ok=True)
    return path


def unseen_of(rows: Rows, exported: Exported, manifest: Manifest, config: TrainConfig) -> Trial | None:
    """Try a version itself on the rows that were decided after all that it learnt from was known."""
    places = np.flatnonzero(rows.table["at_ns"] > manifest.window.until_ns)
    if len(places) == 0:
        return None
    told, held = predicted(load(exported), rows, Fold(np.empty(0, np.int64), places)), rows.pick(places)
    of = figures(held, told, config)
    return Trial(f"{exported.kind}, this version", held, told, [], of, gains_of(held, told, config))


def _importance(rows: Rows, exported: Exported, seed: int) -> F8:
    model = load(exported)
    say = importance(model, inputs_of(rows, model), seed)
    whole: F8 = say.reshape(-1, FEATURE_COUNT).sum(axis=0)
    return whole


def columns_of(count: int) -> tuple[str, ...]:
    """Name the features."""
    from learning.rows.features import FEATURES

    assert len(FEATURES) == count
    return FEATURES


def passed(gates: tuple[Gate, ...]) -> bool:
    """Tell whether a version could be made a canary."""
    good = {gate.name for gate in gates if gate.passed}
    return set(OFFLINE) <= good
