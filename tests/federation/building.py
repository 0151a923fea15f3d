"""Builders: a federation's folder, its regions' node configs, and a shell over our own Grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federation.run.client import app
from federation.run.config import CONFIG_FILE, FIRST_FILE, FederationConfig
from federation.run.grid import LocalGrid
from federation.run.server import open_shell
from federation.run.shell import RoundShell
from federation.run.tensors import write_tensors
from tests.federation.trainers import first_tensors, write_rows

REGIONS = ("frankfurt", "nyc", "tokyo")
TRAINER = "tests.federation.trainers:softmax"


def federation(root: Path, **config: Any) -> Path:
    """Write a federation's folder."""
    folder = root / "federation"
    folder.mkdir(parents=True, exist_ok=True)
    known = {
        "train": {"steps": 20},
        "holdout": "tests.federation.trainers:holdout",
        "holdout_path": Path("99"),
    }
    (folder / CONFIG_FILE).write_text(FederationConfig.model_validate(known | config).model_dump_json())
    write_tensors(folder / FIRST_FILE, first_tensors())
    return folder


def region(root: Path, name: str, seed: int, **settings: Any) -> dict[str, Any]:
    """Write a region's rows and give its node config."""
    rows = settings.pop("rows", 300)
    store = write_rows(root / name / "rows.npz", seed, rows, shift=0.5 * (seed - 2))
    return {"store": str(store), "state": str(root / name), "trainer": TRAINER, "region": name, **settings}


def regions(root: Path, **settings: Any) -> dict[str, dict[str, Any]]:
    """Write three regions whose worlds differ."""
    return {name: region(root, name, seed, **settings) for seed, name in enumerate(REGIONS, 1)}


def shell(root: Path, **config: Any) -> tuple[RoundShell, LocalGrid]:
    """Open a whole federation in this process."""
    grid = LocalGrid(app, regions(root))
    return open_shell(federation(root, **config), grid), grid


def deployment_file(root: Path, secure: bool = False) -> Path:
    """Write a deployment's TOML file, its first tensors and its regions' rows."""
    write_tensors(root / "first.safetensors", first_tensors())
    text = f'first = "{root / "first.safetensors"}"\n[federation]\npoll_s = 0.2\n'
    text += f"secure = {str(secure).lower()}\n[federation.train]\nsteps = 20\n"
    for name, each in regions(root).items():
        text += f'[regions.{name}]\nstore = "{each["store"]}"\ntrainer = "{each["trainer"]}"\n'
    path = root / "federation.toml"
    path.write_text(text)
    return path
