"""The models of a node: who answers an agent that asks, and what it falls back on."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from agents.baseline import baseline
from domain.control_events import ModelSet
from domain.errors import SwarmError
from domain.report import ModelsReport
from hw.inference.engine import Engine
from hw.inference.mixture import engine_for
from hw.inference.ood import Bounds
from learning.registry.blob import read_blob
from learning.registry.served import check_served, served
from learning.registry.split import serves
from learning.rows.row import CLASS_COUNT

if TYPE_CHECKING:
    from agents.agent import Agent
    from agents.config import MindsConfig
    from agents.desk import Desk
    from agents.orders import Actions

Floats = NDArray[np.float32]

# Who answered, as `Observed.mode` tells it.
MODEL, LAST_GOOD, BASELINE, FLAT = range(4)
MODES = ("model", "last good", "baseline", "flat")
CHAMPION, CANARY = "champion", "canary"
# So many answers in a row by somebody else are told.
LASTING = 10


class Mind:
    """One model, ready to be asked."""

    __slots__ = ("bounds", "engine", "told")

    def __init__(self, told: ModelSet) -> None:
        exported = read_blob(told.blob)
        check_served(exported)
        parts = served(exported)
        self.told, norm = told, parts[0].tensors
        self.engine: Engine = engine_for(told.engine, parts)
        self.bounds = Bounds(_floats(norm["norm.mean"]), _floats(norm["norm.scale"]), exported.config)

    def answers(self, features: Floats, out: Floats) -> bool:
        """Write class probabilities; False where the features are like nothing it was trained on."""
        return not self.bounds.foreign(features) and self.engine.run(features, out) == 0


def _floats(tensor: NDArray[Any]) -> Floats:
    return tensor.astype(np.float32, copy=False)


class MindsState(msgspec.Struct, array_like=True):
    """Everything that decides who answers, and what was told of it."""

    slots: dict[str, ModelSet]
    failed: dict[str, int]
    turns: dict[int, tuple[int, int, int]]


class Minds:
    """Hold champion, canary and the last good champion; an answer never waits and never raises."""

    def __init__(self, config: MindsConfig) -> None:
        self._age_ns = round(config.age_s_max * 1e9)
        self._champion: Mind | None = None
        self._canary: Mind | None = None
        self._last_good: Mind | None = None
        # How often each reason made an agent fall back.
        self.failed: dict[str, int] = {}
        # By agent: who answers it, as last told; who answered last, and how often in a row it was another.
        self._turns: dict[int, tuple[int, int, int]] = {}

    def set(self, told: ModelSet) -> str:
        """Put a model into its slot, or empty it; give what is wrong with it, "" where nothing is.

        What is refused leaves the slot as it was.
        """
        if told.slot not in (CHAMPION, CANARY):
            return f"no slot is named {told.slot[:40]!a}"
        mind = None
        if told.blob:
            try:
                mind = Mind(told)
            except SwarmError as trouble:
                return str(trouble)
        if told.slot == CANARY:
            self._canary = mind
            return ""
        self._last_good = self._behind(mind)
        if mind is not None and self._canary is not None and self._canary.told.model == told.model:
            self._canary = None
        self._champion = mind
        return ""

    def _behind(self, mind: Mind | None) -> Mind | None:
        """Give what stands behind a new champion: the one before it, unless that is what was taken back."""
        good, before = self._last_good, self._champion
        if mind is None or before is None:
            return None
        if before.told.model == mind.told.model:
            return good
        return None if good is not None and good.told.model == mind.told.model else before

    def hear(self, told: ModelSet, desk: Desk, out: Actions) -> None:
        """Take a model, or say that it was refused."""
        wrong = self.set(told)
        if wrong != "":
            desk.alarm("model-refused", f"{told.slot} {told.model}: {wrong}", out)

    def tell(self, agent: Agent, desk: Desk, out: Actions) -> None:
        """Tell what an agent saw and decided; who answers it is worth an alarm once it lasts."""
        seen, agent.view.seen = agent.view.seen, None
        assert seen is not None
        out.append(seen)
        if self.turned(agent.shard, seen.mode):
            desk.alarm("model", f"{agent.config.name}: {MODES[seen.mode]} answers", out)

    def answer(self, shard: int, now_ns: int, features: Floats, out: Floats) -> tuple[int, str, str]:
        """Write down, flat and up for an agent; give who answered: mode, model, engine."""
        first = self._first(shard)
        for mode, mind in ((MODEL, first), (LAST_GOOD, self._fallback(first))):
            if mind is None:
                self._fail("missing")
            elif now_ns - mind.told.local_ts_ns > self._age_ns:
                self._fail("late")
            elif mind.answers(features, out):
                return mode, mind.told.model, mind.told.engine
            else:
                self._fail("foreign")
        if baseline(features, out):
            return BASELINE, "", "baseline"
        self._fail("unreadable")
        out[:] = 1 / CLASS_COUNT
        return FLAT, "", ""

    def _first(self, shard: int) -> Mind | None:
        canary = self._canary
        if canary is not None and serves(canary.told.model, shard, canary.told.canary_ppm):
            return canary
        return self._champion

    def _fallback(self, first: Mind | None) -> Mind | None:
        """Give what stands behind a model: the champion behind a canary, behind that the one before it."""
        return self._champion if first is self._canary and first is not None else self._last_good

    def _fail(self, reason: str) -> None:
        self.failed[reason] = self.failed.get(reason, 0) + 1

    def turned(self, shard: int, mode: int) -> bool:
        """Count an answer; tell whether an agent has been answered by somebody else for a while."""
        told, other, times = self._turns.get(shard, (MODEL, MODEL, 0))
        times = 0 if mode == told else times + 1 if mode == other else 1
        lasting = times >= LASTING
        self._turns[shard] = (mode if lasting else told, mode, 0 if lasting else times)
        return lasting

    def model(self, slot: str) -> str:
        """Name the model in a slot, "" where there is none."""
        mind = self._canary if slot == CANARY else self._champion
        return "" if mind is None else mind.told.model

    def report(self) -> ModelsReport:
        """Tell who serves, and by whom how many agents are answered."""
        canary, answers = self.told(CANARY), dict.fromkeys(MODES, 0)
        for told, _, _ in self._turns.values():
            answers[MODES[told]] += 1
        share_ppm = 0 if canary is None else canary.canary_ppm
        return ModelsReport(self.model(CHAMPION), self.model(CANARY), share_ppm, answers)

    def told(self, slot: str) -> ModelSet | None:
        """Give what a slot was filled with."""
        mind = self._canary if slot == CANARY else self._champion
        return None if mind is None else mind.told

    # State

    def state(self) -> MindsState:
        """Give everything that a restart needs."""
        named = {CHAMPION: self._champion, CANARY: self._canary, "last good": self._last_good}
        slots = {slot: mind.told for slot, mind in named.items() if mind is not None}
        return MindsState(slots, self.failed, self._turns)

    def restore(self, kept: MindsState) -> None:
        """Take back what `state` gave; what cannot be opened any more has to come from the registry again."""
        minds: dict[str, Mind] = {}
        for slot, told in kept.slots.items():
            with suppress(SwarmError):
                minds[slot] = Mind(told)
        self._champion, self._canary = minds.get(CHAMPION), minds.get(CANARY)
        self._last_good, self.failed, self._turns = minds.get("last good"), kept.failed, kept.turns
