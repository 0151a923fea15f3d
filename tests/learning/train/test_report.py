from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree

import msgspec
import numpy as np

from learning.registry.manifest import Gate, Manifest, Window
from learning.train.config import TrainConfig
from learning.train.report import Report, page, verdict
from learning.train.trial import Trial, compared
from tests.learning.builders import rows_with_signal

CONFIG = TrainConfig(kind="logistic", folds=3)
NAMES = tuple(f"column {place}" for place in range(16))
GATES = (
    Gate("norm", True, 1.5, 100.0, "size of <b>"),
    Gate("baselines", False, 1.2, 1.1, "log-loss, best baseline's"),
)


@lru_cache(maxsize=1)
def trials() -> list[Trial]:
    return compared(rows_with_signal(500), CONFIG, ("prior",), 0)


def manifest(**changed: object) -> Manifest:
    given = {
        "model": "<0abc>",
        "kind": "logistic",
        "source": "tokyo",
        "made_ns": 1_750_000_000 * 10**9,
        "window": Window(1_749_999_000 * 10**9, 1_749_999_900 * 10**9, 321),
        "config": {"ridge": 0.25, "train.seed": 7, "train.reason": "drift", "train.how": "whole"},
        "code_version": "c0de",
        "gates": GATES,
    }
    return Manifest(**(given | changed))  # type: ignore[arg-type]


def report(**changed: object) -> Report:
    unseen = msgspec.structs.replace(trials()[0], kind="logistic, this version")
    given = {
        "manifest": manifest(),
        "config": CONFIG,
        "seed": 7,
        "unseen": unseen,
        "trials": trials(),
        "columns": NAMES,
        "importance": np.arange(16.0),
        "paths": [0.1, 0.2, -0.1],
    }
    return Report(**(given | changed))  # type: ignore[arg-type]


@lru_cache(maxsize=1)
def written() -> str:
    return page(report())


def test_the_page_is_whole_in_itself_and_the_same_every_time() -> None:
    text = written()
    assert text == page(report())
    links = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', text)
    assert all(link.startswith("#") for link in links)
    assert "<script" not in text and "@import" not in text


def test_every_plot_is_there_and_is_well_formed() -> None:
    text = written()
    drawings = re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)
    words = ["earned after cost", "stated probability", "said"]  # of the version itself
    words += ["fold of the walk forward", "earned after cost", "column 15"]
    for drawing, word in zip(drawings, words, strict=True):
        ElementTree.fromstring(drawing)
        assert word in drawing


def test_the_figures_of_model_and_baselines_are_in_the_table() -> None:
    text = written()
    for trial in trials():
        assert f"<td>{trial.kind}</td><td>{trial.figures['log_loss']:.4g}</td>" in text
    assert (
        "3 paths" in text
        and "<code>ridge</code></td><td>0.25" in text
        and "<code>train.seed</code></td><td>7" in text
    )


def test_it_tells_what_the_version_is_and_every_gate_it_was_held_against() -> None:
    text = written()
    assert "Made 2025-06-15 15:06 UTC by tokyo (drift, whole), from nothing before." in text
    assert "Trained on 321 rows from 2025-06-15 14:50 to 2025-06-15 15:05 UTC, with code c0de." in text
    assert (
        "<td>baselines</td><td>not passed</td><td>log-loss, best baseline&#x27;s: 1.2, limit 1.1</td>" in text
    )
    assert "size of &lt;b&gt;: 1.5, limit 100" in text
    plain = page(report(manifest=manifest(gates=(), config={}, source="", parent="1a2b", code_version="")))
    assert "held against no gate yet" in plain and "by hand, from 1a2b." in plain and "code unknown" in plain


def test_what_was_not_looked_at_is_left_out_and_said_where_it_would_be_missed() -> None:
    text = page(report(unseen=None, trials=[], importance=np.empty(0), paths=[]))
    assert "<svg" not in text and "walked forward" not in text
    assert "There are none: they come after those that it was trained on." in text
    assert "ridge" in text and "baselines" in text


def test_what_comes_from_outside_is_escaped() -> None:
    assert "<0abc>" not in written() and "&lt;0abc&gt;" in written()


def test_without_paths_none_are_told_of() -> None:
    assert "paths" not in page(report(paths=[]))


def test_the_verdict_is_honest_about_a_model_that_is_worse() -> None:
    made = trials()
    assert "below that of prior" in verdict(made) and "earn " in verdict(made)
    assert "above that of logistic" in verdict(made[::-1])
    assert "It takes no side" in verdict(made[::-1])
    noise = compared(
        rows_with_signal(500, strength=0.0), TrainConfig(kind="logistic", edge_frac=0.0, cost_bps=9.0), (), 0
    )
    assert "lose" in verdict(noise) and "baseline" not in verdict(noise)
