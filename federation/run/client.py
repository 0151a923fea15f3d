"""The region's side: train on its own rows, keep what is personal, send only what the list allows."""

from __future__ import annotations

from collections.abc import Callable

from domain.errors import SwarmError
from federation.privacy.leaving import listed_figures
from federation.run.config import RegionSettings, region_settings
from federation.run.flower import ClientApp, Context, Message, RecordDict
from federation.run.learning import learn
from federation.run.messages import config_of, refusal_content, reply_content, unlisted_in
from federation.run.region_folder import DUE_FILE
from federation.run.secure_client import answer_sum
from federation.run.trainer import Trainer, trainer_of

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train from the version sent, and answer with what is shared of it."""
    return Message(answer(message.content, region_settings(context.node_config)), reply_to=message)


@app.train("sum")
def take_part(message: Message, context: Context) -> Message:
    """Do the next step of a secure sum."""
    region = region_settings(context.node_config)
    content = guarded(region, lambda: answer_sum(message.content, region, trainer_of(region.trainer)))
    return Message(content, reply_to=message)


@app.query("who")
def who(message: Message, context: Context) -> Message:
    """Say which region this node is."""
    return Message(
        refusal_content(region_settings(context.node_config).region, "asked who"), reply_to=message
    )


def answer(asked: RecordDict, region: RegionSettings, trainer: Trainer | None = None) -> RecordDict:
    """Do a region's work for one message."""
    return guarded(region, lambda: _learn(asked, region, trainer or trainer_of(region.trainer)))


def guarded(region: RegionSettings, work: Callable[[], RecordDict]) -> RecordDict:
    """Turn trouble into a refusal that tells its kind only."""
    try:
        return work()
    except SwarmError as error:
        return refusal_content(region.region, error.what[:200])
    except Exception as error:  # a mistake here is told by its kind, and is in the region's own log
        _log(error)
        return refusal_content(region.region, f"a mistake of ours: {type(error).__name__}")


def _learn(asked: RecordDict, region: RegionSettings, trainer: Trainer) -> RecordDict:
    if region.secure:
        return refusal_content(region.region, "this region answers under masks only")
    learnt = learn(asked, region, trainer)
    if isinstance(learnt, str):
        return refusal_content(region.region, learnt)
    figures = listed_figures(learnt.metrics)
    config = config_of(asked)
    base, attempt = str(config["base"]), int(config["attempt"])
    content = reply_content(learnt.tensors, region.region, base, attempt, learnt.examples, figures)
    odd = unlisted_in(content, learnt.tensors)
    assert not odd, f"not on the list of what leaves: {odd}"
    (region.state / DUE_FILE).unlink(missing_ok=True)
    return content


def _log(error: Exception) -> None:
    import logging

    logging.getLogger(__name__).error("training failed", exc_info=error)


__all__ = ["answer", "app", "guarded"]
