"""The region's side: train on its own rows, keep what is personal, send only what the list allows."""

from __future__ import annotations

import os

import numpy as np

from domain.errors import SwarmError
from federation.privacy.blur import blurred
from federation.privacy.leaving import listed_figures
from federation.privacy.ledger import PrivacyLedger
from federation.run.config import RegionSettings, region_settings
from federation.run.flower import ClientApp, Context, Message, RecordDict
from federation.run.messages import config_of, refusal_content, reply_content, tensors_of, unlisted_in
from federation.run.region_folder import DUE_FILE, LEDGER_FILE, PERSONAL_FILE, keep_sent
from federation.run.tensors import Tensors, read_tensors, write_tensors
from federation.run.trainer import Trained, Trainer, trainer_of

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the version sent, and answer with what is shared of it."""
    return Message(answer(message.content, region_settings(context.node_config)), reply_to=message)


@app.query("who")
def who(message: Message, context: Context) -> Message:
    """Say which region this node is."""
    return Message(
        refusal_content(region_settings(context.node_config).region, "asked who"), reply_to=message
    )


def answer(asked: RecordDict, region: RegionSettings, trainer: Trainer | None = None) -> RecordDict:
    """Do a region's work for one message; trouble becomes a refusal that tells its kind only."""
    try:
        return _learn(asked, region, trainer or trainer_of(region.trainer))
    except SwarmError as error:
        return refusal_content(region.region, error.what[:200])
    except Exception as error:  # a mistake here is told by its kind, and is in the region's own log
        _log(error)
        return refusal_content(region.region, f"a mistake of ours: {type(error).__name__}")


def _learn(asked: RecordDict, region: RegionSettings, trainer: Trainer) -> RecordDict:
    config = config_of(asked)
    shared = tensors_of(asked)
    if any(region.stays(name) for name in shared):
        return refusal_content(region.region, "asked for a personal tensor")
    keep_sent(region.state, int(config["version"]), shared)
    due = region.state / DUE_FILE
    if region.waits and not due.exists():
        return refusal_content(region.region, "too few new rows")
    kept = region.state / PERSONAL_FILE
    trained = trainer(region.store, {**shared, **read_tensors(kept)}, config, int(config["seed"]))
    reason = _wrong(trained, shared)
    if reason is not None:
        return refusal_content(region.region, reason)
    write_tensors(kept, {name: each for name, each in trained.tensors.items() if region.stays(name)})
    due.unlink(missing_ok=True)
    base, attempt = str(config["base"]), int(config["attempt"])
    leaving = _blurred(trained.tensors, shared, region, base, attempt)
    figures = listed_figures(trained.metrics)
    content = reply_content(leaving, region.region, base, attempt, trained.examples, figures)
    assert not (odd := unlisted_in(content, shared)), f"not on the list of what leaves: {odd}"
    return content


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


def _log(error: Exception) -> None:
    import logging

    logging.getLogger(__name__).error("training failed", exc_info=error)


__all__ = ["Tensors", "answer", "app"]
