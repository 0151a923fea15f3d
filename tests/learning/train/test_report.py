from __future__ import annotations

import re
from functools import lru_cache
from xml.etree import ElementTree

import numpy as np

from learning.train.config import TrainConfig
from learning.train.report import Report, page, verdict
from learning.train.trial import Trial, compared
from tests.learning.builders import rows_with_signal

CONFIG = TrainConfig(kind="logistic", folds=3)
NAMES = tuple(f"column {place}" for place in range(16))


@lru_cache(maxsize=1)
def trials() -> list[Trial]:
    return compared(rows_with_signal(500), CONFIG, ("prior",), 0)


def report(**changed: object) -> Report:
    given = {
        "version": "<0abc>",
        "config": CONFIG,
        "settings": {"ridge": 0.25},
        "seed": 7,
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
    assert len(drawings) == 5
    words = ["fold of the walk forward", "earned after cost", "stated probability", "said", "column 15"]
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
        and "<code>seed</code></td><td>7" in text
    )


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
