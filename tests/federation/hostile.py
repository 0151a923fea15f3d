"""Clients that mean harm, each over the real messages: an honest answer, turned into what they send."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.run.client import answer
from federation.run.config import region_settings
from federation.run.flower import ClientApp, Context, Message, RecordDict
from federation.run.messages import arrays_record, tensors_of
from federation.run.tensors import Tensors
from federation.run.trainer import Trained
from tests.federation.trainers import CLASSES, softmax

Steps = Mapping[str, NDArray[np.floating]]


def flipped(store: Path, tensors: Tensors, config: Any, seed: int) -> Trained:
    """Train on labels that are turned around."""
    with np.load(store) as held:
        turned = store.with_name(f"turned-{store.name}")
        np.savez(turned, x=held["x"], y=(held["y"] + 1) % CLASSES)
    return softmax(turned, tensors, config, seed)


def moved(content: RecordDict, base: Tensors, steps: Steps) -> RecordDict:
    """Send other steps from the base."""
    arrays = {name: (base[name] + steps[name]).astype(base[name].dtype) for name in base}
    content["arrays"] = arrays_record(tuple(arrays), list(arrays.values()))
    return content


KINDS = (
    "nan",
    "scaled",
    "sign flipped",
    "stale replay",
    "old arrays as new ones",
    "wrong schema",
    "label flipped",
    "greedy",
    "half hidden",
)


class Hostile:
    """Be the clients of one federation: those named in `evil` send what `kind` says."""

    def __init__(self, kind: str, evil: tuple[str, ...]) -> None:
        self.kind, self.evil, self.app = kind, evil, ClientApp()
        self._first: dict[str, RecordDict] = {}
        self.app.train()(self.train)

    def train(self, message: Message, context: Context) -> Message:
        """Answer as an honest region, or not."""
        region = region_settings(context.node_config)
        asked = message.content
        content = answer(asked, region, softmax)
        if region.region in self.evil:
            content = self._harm(asked, content, region)
        return Message(content, reply_to=message)

    def _harm(self, asked: RecordDict, content: RecordDict, region: Any) -> RecordDict:
        base, good = tensors_of(asked), tensors_of(content)
        steps = {name: good[name] - base[name] for name in base}
        kind = self.kind
        if kind == "nan":
            return moved(content, base, {name: np.full_like(step, np.nan) for name, step in steps.items()})
        if kind == "scaled":
            return moved(content, base, {name: 1000 * step for name, step in steps.items()})
        if kind == "sign flipped":
            return moved(content, base, {name: -step for name, step in steps.items()})
        if kind == "stale replay":
            return self._first.setdefault(region.region, content)
        if kind == "old arrays as new ones":
            old = tensors_of(self._first.setdefault(region.region, content))
            return moved(content, base, {name: old[name] - base[name] for name in base})
        if kind == "wrong schema":
            content["arrays"] = arrays_record(("bias", "wait"), list(good.values()))
            return content
        if kind == "greedy":
            content.metric_records["metrics"]["num-examples"] = 10**9
        return self._quietly(asked, base, steps, region, content)

    def _quietly(
        self, asked: RecordDict, base: Tensors, steps: Steps, region: Any, content: Any
    ) -> RecordDict:
        """Go where turned labels lead: all the way, or half of it hidden in an honest step."""
        wrong = tensors_of(answer(asked, region, flipped))
        away = {name: wrong[name] - base[name] for name in base}
        share = 0.5 if self.kind == "half hidden" else 1.0
        return moved(content, base, {name: steps[name] + share * (away[name] - steps[name]) for name in base})
