"""Three regions whose markets differ, for the federation's cases: rows, a trainer and a public hold-out."""

from __future__ import annotations

import functools
import json
import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.run.client import app
from federation.run.config import CONFIG_FILE, FIRST_FILE, FederationConfig
from federation.run.flower import ConfigRecord
from federation.run.grid import LocalGrid
from federation.run.messages import FORM, FORM_KNOWN
from federation.run.tensors import Tensors, write_tensors
from federation.run.trainer import Trained
from learning.models import begin, load
from learning.models.layers import shapes_of
from learning.models.model import Exported

REGIONS = ("frankfurt", "nyc", "tokyo")
SIZES, INPUTS, CLASSES = (16, 32, 32, 3), 16, 3
PUBLIC_SEED = 99
Rows = tuple[NDArray[np.float32], NDArray[np.int8]]
Config = Mapping[str, str | int | float | bool]
_READING = threading.Lock()


def draw_rows(seed: int, count: int, tilt: float) -> Rows:
    """Draw rows of one law, seen from another side in each region; the labels are noisy, as markets are."""
    draws, law = np.random.default_rng(seed), np.random.default_rng(7).normal(size=(INPUTS, CLASSES))
    x = draws.normal(0, 1, (count, INPUTS)).astype(np.float32)
    x[:, 0] += tilt
    score = x @ law + np.abs(x[:, :CLASSES]) * 2 + draws.gumbel(0, 2.0, (count, CLASSES))
    return x, np.argmax(score, axis=1).astype(np.int8)


def write_regions(root: Path, count: int, **settings: Any) -> dict[str, dict[str, Any]]:
    """Write every region's rows and give the node configs."""
    configs: dict[str, dict[str, Any]] = {}
    for place, name in enumerate(REGIONS):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        x, y = draw_rows(place + 1, count, tilt=place - 1.0)
        np.savez(folder / "rows.npz", x=x, y=y)
        configs[name] = {
            "store": str(folder / "rows.npz"),
            "state": str(folder),
            "trainer": "benchmarks.fed_world:train_mlp",
            **settings,
        }
    return configs


def write_federation(root: Path, train: dict[str, Any], **config: Any) -> Path:
    """Write a federation's folder with layers that nobody has trained yet."""
    folder = root / "federation"
    folder.mkdir(parents=True, exist_ok=True)
    known = {"train": train, "holdout": "benchmarks.fed_world:public_loss", **config}
    read = FederationConfig.model_validate(known)
    (folder / CONFIG_FILE).write_text(read.model_dump_json())
    write_tensors(folder / FIRST_FILE, first_layers())
    return folder


def first_layers() -> Tensors:
    """Draw the shared layers."""
    draws, tensors = np.random.default_rng(5), {}
    for name, shape in list(shapes_of(SIZES).items())[2:]:
        bound = 1 / np.sqrt(shape[-1])
        tensors[name] = draws.uniform(-bound, bound, shape).astype(np.float32)
    return tensors


def read_rows(store: Path) -> tuple[Any, Any]:
    """Read a region's rows: clients are threads, and numpy's reader is not made for that."""
    with _READING, np.load(store) as held:
        return held["x"], held["y"]


def train_mlp(store: Path, tensors: Tensors, config: Config, seed: int) -> Trained:
    """Train the perceptron for a few epochs on a region's rows."""
    x, y = read_rows(store)
    settings: dict[str, str | int | float] = {
        "epochs": int(config.get("epochs", 2)),
        "held_frac": 0.0,
        "linear_start": int(config.get("linear_start", 0)),
    }
    model = begin("mlp", settings, seed, tensors)
    model.learn(x, y)
    return Trained(model.export().tensors, len(y))


def wait_and_step(store: Path, tensors: Tensors, config: Config, seed: int) -> Trained:
    """Take as long as the region's file says, and move a little: for cases that measure the loop alone."""
    threading.Event().wait(float(json.loads(store.read_text())["seconds"]))
    draws = np.random.default_rng(seed)
    moved = {
        name: each + draws.normal(0, 1e-3, each.shape).astype(np.float32) for name, each in tensors.items()
    }
    return Trained(moved, 100)


def public_loss(path: Path) -> Callable[[Tensors], float]:
    """Measure log-loss on the coordinator's own rows, with their own norm."""
    x, y = public_rows()
    norm = {"norm.mean": x.mean(axis=0), "norm.scale": x.std(axis=0)}

    def loss(tensors: Tensors) -> float:
        ordered = {name: ({**norm, **tensors})[name] for name in shapes_of(SIZES)}
        sure = load(Exported("mlp", ordered, {})).predict(x)[np.arange(len(y)), y]
        return float(-np.log(np.maximum(sure, 1e-9)).mean())

    return loss


@functools.lru_cache
def public_rows() -> Rows:
    """Draw the public rows: a little of every region's side."""
    parts = [draw_rows(PUBLIC_SEED + place, 1000, tilt=place - 1.0) for place in range(3)]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


def grid_of(configs: Mapping[str, Mapping[str, Any]]) -> LocalGrid:
    """Open our own Grid, with Flower's own talk off."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    return LocalGrid(app, configs)


def norm_of(rows: Rows) -> Tensors:
    """Give a region's own norm."""
    return {"norm.mean": rows[0].mean(axis=0), "norm.scale": rows[0].std(axis=0)}


def write(folder: Path, rows: Rows) -> Path:
    """Put rows in a file."""
    folder.mkdir(parents=True)
    np.savez(folder / "rows.npz", x=rows[0], y=rows[1])
    return folder / "rows.npz"


def loss_of(tensors: Tensors, test: Rows) -> float:
    """Measure log-loss."""
    model = load(Exported("mlp", {name: tensors[name] for name in shapes_of(SIZES)}, {}))
    sure = model.predict(test[0])[np.arange(len(test[1])), test[1]]
    return float(-np.log(np.maximum(sure, 1e-9)).mean())


def flower_fields(seed: int = 1, **more: int) -> ConfigRecord:
    """Give what our clients want to be told beside the arrays, where Flower's own loop asks them."""
    return ConfigRecord({FORM: FORM_KNOWN, "base": "", "version": 0, "attempt": 0, "seed": seed, **more})
