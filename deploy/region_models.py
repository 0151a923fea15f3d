"""One region's rows, and the versions that its own rows let serve."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from agents.rows import JournalRows
from deploy.learner_config import LearnerConfig
from deploy.region_watch import RegionWatch
from domain.errors import SwarmError
from learning.models import begin, load
from learning.models.model import Exported, Settings, Tensors
from learning.places import models_root, rows_root
from learning.registry.gates import live_gate
from learning.registry.manifest import Gate, Manifest
from learning.registry.registry import Registry
from learning.registry.sequential import CANARY, CHAMPION, WORSE
from learning.registry.standing import CANDIDATE
from learning.rows.row import Rows
from learning.rows.store import Store
from learning.train.edition import Order, judged, manifest_of, passed, write_report
from learning.train.schedule import Finished, Labelled, Passed, Schedule, Train
from learning.train.score import figures
from learning.train.trainer import Trained, fit_to_learn, predicted
from learning.train.validation import held_out

READ_AT_ONCE = 20_000


REASON, HOW = "train.reason", "train.how"
# Why a version was trained that is of other regions' rows only.
NOT_ITS_OWN: Settings = {REASON: "other regions' rows", HOW: ""}


class RegionModels:
    """Gather a region's rows, say when it trains, hold versions against gates, watch what a canary earns."""

    def __init__(
        self,
        region: str,
        node: str,
        state: Path,
        config: LearnerConfig,
        now_ns: Callable[[], int],
        log: Callable[[str], None],
    ) -> None:
        self.region, self.config, self.train = region, config, config.train
        self.store = Store(rows_root(state) / region)
        self.registry = Registry(models_root(state) / region, now_ns=now_ns)
        self.rows = JournalRows(state / "journal" / f"node-{node}", self.store)
        self._now_ns, self._log = now_ns, log
        self.watch = RegionWatch(self.registry.folder, self.store, config, log)

    def gather(self) -> int:
        """Read on in the node's journal; give how many records there were."""
        return self.rows.catch_up(READ_AT_ONCE)

    def look(self) -> str:
        """Take the rows that were labelled since: for schedules, drift and the canary's comparison."""
        seen = self.watch.look(self.registry.pointer())
        now_ns = self._now_ns()
        event = Labelled(now_ns, seen.rows, seen.drifted) if seen.rows > 0 else Passed(now_ns)
        asked = [self._step(schedule, event) for schedule in (self.watch.together, self.watch.alone)]
        if any(asked):
            self.watch.keep()
        return self._judge_canary()

    def trained(self, schedule: Schedule, *, made: bool) -> Settings:
        """Tell a schedule that the training it asked for is over; give why it was asked for."""
        why = schedule.running
        self._step(schedule, Finished(self._now_ns(), made))
        self.watch.keep()
        return NOT_ITS_OWN if why is None else {REASON: why.reason, HOW: str(why.kind)}

    def _step(self, schedule: Schedule, event: Labelled | Passed | Finished) -> Train | None:
        asked = schedule.step(event)
        if asked is not None:
            how = "with the others" if schedule is self.watch.together else "its own"
            self._log(f"{self.region} trains {how}: {asked.reason} ({asked.kind}, {asked.rows} rows)")
        return asked

    def newest(self) -> Rows:
        """Give the rows to train and to judge on, or refuse them by name."""
        return fit_to_learn(self.store.newest(self.config.rows_max), self.train)

    def consider(
        self, tensors: Tensors, source: str, metrics: dict[str, float], why: Settings | None = None
    ) -> str:
        """Hold a version against this region's rows; let it serve where it passes. Give what became of it."""
        exported = begin(self.train.kind, self.train.settings, 0, tensors).export()
        return self.hold(self.newest(), exported, Order(self.train, source), metrics, why)

    def hold(
        self,
        rows: Rows,
        exported: Exported,
        order: Order,
        metrics: dict[str, float],
        why: Settings | None = None,
    ) -> str:
        """Do the same with a whole model, whoever made it; `why` is kept with it."""
        told = metrics | self._figures(rows, exported)
        # Every version that could have served is a trial, by which skill is deflated.
        trained, ratio = Trained(exported, told), told["sharpe"]
        gates = judged(rows, trained, order, self.registry, [*self.watch.ratios, ratio])
        if all(gate.passed for gate in gates if gate.name == "served"):
            self.watch.looked_at(ratio)
        model = self.registry.put(exported, self._manifest(rows, trained, order, why or {}))
        self.registry.judge(model, gates)
        wrong = ", ".join(_failing(gate) for gate in gates if not gate.passed)
        became = self._promoted(model) if passed(gates) else f"does not serve: {wrong}"
        said = self._told(model, became)
        write_report(rows, order, self.registry, model, [], [])
        return said

    def _promoted(self, model: str) -> str:
        pointer = self.registry.pointer()
        if model in (pointer.champion, pointer.canary) or self.registry.states()[model].state != CANDIDATE:
            return "is known"
        if pointer.canary != "":
            return "waits: another canary is tried"
        to = CHAMPION if pointer.champion == "" else CANARY
        self.registry.promote(model, to, share_ppm=self.config.canary.share_ppm if to == CANARY else None)
        return f"is {to}"

    def _judge_canary(self) -> str:
        """Promote or withdraw the canary once that is known."""
        pointer, comparison = self.registry.pointer(), self.watch.comparison
        if pointer.canary == "":
            return ""
        low, high = comparison.interval
        if comparison.verdict == WORSE:
            self.registry.retire(pointer.canary, f"outcomes less the champion's below {high:.3g} bps")
            return self._told(pointer.canary, "is withdrawn")
        canary = self.config.canary
        gate = live_gate(low, high, comparison.pairs, canary.less_bps, canary.pairs_min)
        if not gate.passed:
            return ""
        self.registry.promote(pointer.canary, CHAMPION, [gate])
        return self._told(pointer.canary, f"is champion: {gate.reason}")

    def _figures(self, rows: Rows, exported: Exported) -> dict[str, float]:
        """Measure a version on the newest rows."""
        fold = held_out(rows, self.train.held_frac)
        return figures(rows.pick(fold.held), predicted(load(exported), rows, fold), self.train)

    def _manifest(self, rows: Rows, trained: Trained, order: Order, why: Settings) -> Manifest:
        """Describe a version; its parent is the newest of the same source, where it does not say another."""
        made = manifest_of(rows, trained, order, (), self._now_ns())
        parent = order.base or self.latest(made.kind, made.source)
        return msgspec.structs.replace(made, parent=parent, config=made.config | why)

    def latest(self, kind: str, source: str) -> str:
        """Name the newest version of a kind and source, "" where there is none."""
        states = self.registry.states()
        for model in reversed(states):
            with suppress(SwarmError):
                known = self.registry.show(model, states)
                if (known.kind, known.source) == (kind, source):
                    return model
        return ""

    def say(self, what: str) -> str:
        """Log a fact of this region, and give it."""
        text = f"{self.region} {what}"
        self._log(text)
        return text

    def _told(self, model: str, what: str) -> str:
        text = f"{self.region} {model[:12]} {what}"
        self._log(text)
        return text


def _failing(gate: Gate) -> str:
    if gate.figure is None:
        return f"{gate.name} ({gate.reason})"
    return f"{gate.name} {gate.figure} (limit {gate.limit})"
