"""Plots of a report as inline SVG, the same bytes for the same figures."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from learning.models.model import CLASSES, F8
from learning.train.calibration import Reliability

WIDTH, HEIGHT = 6.0, 3.2
POINTS_MAX = 2000
COLORS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#444444")
SETTINGS: Any = {
    "svg.hashsalt": "swarm",
    "svg.fonttype": "none",
    "font.size": 9.0,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


def losses(folds: dict[str, list[float]]) -> str:
    """Draw each model's log-loss fold by fold."""

    def draw(axes: Any) -> None:
        for (kind, values), color in zip(folds.items(), _colors(len(folds)), strict=True):
            axes.plot(range(1, len(values) + 1), values, marker="o", label=kind, color=color)
        most = max((len(values) for values in folds.values()), default=1)
        axes.set(xlabel="fold of the walk forward", ylabel="log-loss", xticks=range(1, most + 1))
        axes.legend()

    return svg(draw)


def curves(gains: dict[str, F8]) -> str:
    """Draw what each model's decisions earned after cost, row by row."""

    def draw(axes: Any) -> None:
        for (kind, values), color in zip(gains.items(), _colors(len(gains)), strict=True):
            places = np.unique(np.linspace(0, len(values) - 1, POINTS_MAX).astype(np.int64))
            axes.plot(places, values[places], label=kind, color=color, linewidth=1.2)
        axes.axhline(0.0, color="#888888", linewidth=0.8)
        axes.set(xlabel="tested row", ylabel="earned after cost (bps)")
        axes.legend()

    return svg(draw)


def reliability(found: dict[str, Reliability]) -> str:
    """Draw what was stated against what came true."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.8)
        for (kind, each), color in zip(found.items(), _colors(len(found)), strict=True):
            seen = each.counts > 0
            axes.plot(each.stated[seen], each.found[seen], marker="o", label=kind, color=color)
        axes.set(xlabel="stated probability", ylabel="came true (share)", xlim=(0, 1), ylim=(0, 1))
        axes.legend()

    return svg(draw)


def importances(names: tuple[str, ...], values: F8) -> str:
    """Draw the columns by their mean absolute say, the largest on top."""

    def draw(axes: Any) -> None:
        order = np.argsort(values, kind="stable")
        axes.barh([names[place] for place in order], values[order], color=COLORS[0])
        axes.set(xlabel="mean |SHAP value| of up less down")

    return svg(draw, height=max(HEIGHT, 0.24 * len(names)))


def confusion(counts: npt.NDArray[np.int64]) -> str:
    """Draw how often each class came and what was said then."""

    def draw(axes: Any) -> None:
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.grid(visible=False)
        edges = np.arange(len(CLASSES) + 1) - 0.5
        axes.pcolormesh(edges, edges, shares, cmap="Blues", vmin=0.0, vmax=1.0)
        axes.invert_yaxis()
        for came in range(len(CLASSES)):
            for said in range(len(CLASSES)):
                color = "white" if shares[came, said] > 0.5 else "black"
                axes.text(said, came, str(counts[came, said]), ha="center", va="center", color=color)
        places = range(len(CLASSES))
        axes.set(xlabel="said", ylabel="came", xticks=places, yticks=places)
        axes.set_xticklabels(CLASSES)
        axes.set_yticklabels(CLASSES)

    return svg(draw, width=3.2)


def svg(draw: Any, width: float = WIDTH, height: float = HEIGHT) -> str:
    """Draw on one pair of axes and give the bare element."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        out = io.BytesIO()
        canvas.print_svg(out, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue().decode()
    return re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)


def _colors(count: int) -> list[str]:
    return [COLORS[place % len(COLORS)] for place in range(count)]
