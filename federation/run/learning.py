"""What a region does with a version: train on its own rows, keep what is personal, blur what may leave."""

from __future__ import annotations

import os

import numpy as np

from federation.privacy.blur import blurred
from federation.privacy.ledger import PrivacyLedger
from federation.run.config import RegionSettings
from federation.run.flower import RecordDict
from federation.run.messages import FORM, config_of, odd_form, tensors_of
from federation.run.region_folder import DUE_FILE, LEDGER_FILE, PERSONAL_FILE, keep_sent
from federation.run.tensors import Tensors, read_tensors, write_tensors
from federation.run.trainer import Trained, Trainer

OWN = frozenset({FORM, "sum", "step", "clip", "examples_max"})  # what is no trainer's business


def learn(asked: RecordDict, region: RegionSettings, trainer: Trainer) -> Trained | str:
    """Train from what was sent, and give what may leave, clipped and blurred, or why nothing may."""
    config = config_of(asked)
    if (odd := odd_form(config)) is not None:
        return f"what was asked cannot be read: {odd}"
    shared = tensors_of(asked)
    if any(region.stays(name) for name in shared):
        return "asked for a personal tensor"
    keep_sent(region.state, int(config["version"]), shared)
    if region.waits and not (region.state / DUE_FILE).exists():
        return "too few new rows"
    kept = region.state / PERSONAL_FILE
    told = {name: value for name, value in config.items() if name not in OWN}
    trained = trainer(region.store, {**shared, **read_tensors(kept)}, told, int(config["seed"]))
    reason = _wrong(trained, shared)
    if reason is not None:
        return reason
    write_tensors(kept, {name: each for name, each in trained.tensors.items() if region.stays(name)})
    leaving = _blurred(trained.tensors, shared, region, str(config["base"]), int(config["attempt"]))
    # A figure that is not blurred would tell of the rows what the noise is to hide.
    return Trained(leaving, trained.examples, {} if region.noise > 0 else trained.metrics)


def _blurred(trained: Tensors, shared: Tensors, region: RegionSettings, base: str, attempt: int) -> Tensors:
    """Clip and blur what leaves, once the region's ledger has taken it down."""
    arrays, began = [trained[name] for name in shared], list(shared.values())
    if region.noise > 0:
        ledger = PrivacyLedger(region.state / LEDGER_FILE, region.epsilon_max, region.delta)
        ledger.spend(base, attempt, region.noise, region.clip)
    if region.clip > 0:
        draws = np.random.default_rng(int.from_bytes(os.urandom(32), "big"))
        arrays = blurred(arrays, began, region.clip, region.noise, draws)
    return dict(zip(shared, arrays, strict=True))


def _wrong(trained: Trained, shared: Tensors) -> str | None:
    if trained.examples == 0:
        return "no rows"
    if missing := [name for name in shared if name not in trained.tensors]:
        return f"the trainer gave no {missing[0]}"
    if not all(np.isfinite(trained.tensors[name]).all() for name in shared):
        return "training diverged"
    return None
