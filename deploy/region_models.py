"""One region's rows, and the versions that its own rows let serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from agents.rows import JournalRows
from learning.models import begin, load
from learning.models.model import Exported, Tensors
from learning.places import models_root, rows_root
from learning.registry.gates import live_gate
from learning.registry.manifest import Manifest, Window
from learning.registry.registry import Registry
from learning.registry.sequential import CANARY, CHAMPION, WORSE, Comparison, SequentialConfig
from learning.registry.standing import CANDIDATE
from learning.rows.row import UNLABELLED, Rows
from learning.rows.store import Store
from learning.train.config import TrainConfig
from learning.train.edition import Order, judged, passed
from learning.train.score import figures
from learning.train.trainer import Trained, fit_to_learn, predicted
from learning.train.validation import held_out

READ_AT_ONCE = 20_000
RATIOS_MAX = 50
# One market's outcomes may be known so much later than another's.
LATE_NS = 120 * 10**9


class CanaryConfig(BaseModel):
    """How many agents a canary serves, and what lets it serve all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    share_ppm: int = Field(500_000, ge=1, le=1_000_000)
    pairs_min: int = Field(100, ge=1)
    less_bps: float = Field(1.0, ge=0)
    """How much worse than the champion it may at worst be."""
    outcomes: SequentialConfig = SequentialConfig(limit_bps=10.0)


class RegionModels:
    """Gather a region's rows, hold versions against its gates, and watch what a canary earns."""

    def __init__(
        self,
        region: str,
        node: str,
        state: Path,
        train: TrainConfig,
        canary: CanaryConfig,
        now_ns: Callable[[], int],
        log: Callable[[str], None],
    ) -> None:
        self.region, self.train, self.canary = region, train, canary
        self.store = Store(rows_root(state) / region)
        self.registry = Registry(models_root(state) / region, now_ns=now_ns)
        self.rows = JournalRows(state / "journal" / f"node-{node}", self.store)
        self._now_ns, self._log = now_ns, log
        self._ratios: list[float] = []
        self._comparison, self._compared = Comparison(canary.outcomes), ""
        self._began_ns = self._seen_ns = 0
        self._taken: set[tuple[int, int]] = set()

    @property
    def labelled(self) -> int:
        """Count the rows that can be learnt from."""
        counts = self.rows.gatherer.counts if self.rows.gatherer is not None else None
        return 0 if counts is None else counts.finished

    def gather(self) -> int:
        """Read on in the node's journal; give how many records there were."""
        return self.rows.catch_up(READ_AT_ONCE)

    def consider(self, tensors: Tensors, source: str, metrics: dict[str, float]) -> str:
        """Hold a version against this region's rows; let it serve where it passes. Give what became of it."""
        rows = fit_to_learn(self.store.rows(), self.train)
        exported = begin(self.train.kind, self.train.settings, 0, tensors).export()
        told = metrics | self._figures(rows, exported)
        # Every version that was looked at is a trial, by which skill is deflated.
        self._ratios = [*self._ratios, told["sharpe"]][-RATIOS_MAX:]
        order = Order(self.train, source)
        gates = judged(rows, Trained(exported, told), order, self.registry, self._ratios)
        model = self.registry.put(exported, self._manifest(rows, source, told))
        self.registry.judge(model, gates)
        if not passed(gates):
            wrong = ", ".join(f"{g.name} {g.figure} (limit {g.limit})" for g in gates if not g.passed)
            return self._told(model, f"does not serve: {wrong}")
        return self._told(model, self._promoted(model))

    def _promoted(self, model: str) -> str:
        pointer = self.registry.pointer()
        if model in (pointer.champion, pointer.canary) or self.registry.states()[model].state != CANDIDATE:
            return "is known"
        if pointer.canary != "":
            return "waits: another canary is tried"
        to = CHAMPION if pointer.champion == "" else CANARY
        self.registry.promote(model, to, share_ppm=self.canary.share_ppm if to == CANARY else None)
        return f"is {to}"

    def watch_canary(self) -> str:
        """Take what canary and champion earned since; promote or withdraw once that is known."""
        pointer = self.registry.pointer()
        if pointer.canary == "":
            return ""
        if self._compared != pointer.canary:
            self._comparison, self._compared = Comparison(self.canary.outcomes), pointer.canary
            self._began_ns = self._seen_ns = self.registry.states()[pointer.canary].since_ns
            self._taken.clear()
        self._compare(pointer.canary, pointer.champion)
        low, high = self._comparison.interval
        if self._comparison.verdict == WORSE:
            self.registry.retire(pointer.canary, f"outcomes less the champion's below {high:.3g} bps")
            return self._told(pointer.canary, "is withdrawn")
        gate = live_gate(low, high, self._comparison.pairs, self.canary.less_bps, self.canary.pairs_min)
        if not gate.passed:
            return ""
        self.registry.promote(pointer.canary, CHAMPION, [gate])
        return self._told(pointer.canary, f"is champion: {gate.reason}")

    def _compare(self, canary: str, champion: str) -> None:
        """Take the outcomes of both, as they became known."""
        table = self.store.rows(since_ns=max(self._began_ns, self._seen_ns - LATE_NS)).table
        table = table[(table["label"] > UNLABELLED) & (table["mode"] == 0)]
        arms = {canary.encode(): CANARY, champion.encode(): CHAMPION}
        for row in table:
            arm, named = arms.get(bytes(row["model"])), (int(row["at_ns"]), int(row["shard"]))
            if arm is not None and named not in self._taken:
                self._taken.add(named)
                side = (int(row["decision_ppm"]) > 0) - (int(row["decision_ppm"]) < 0)
                self._comparison.add(arm, side * float(row["gross_bps"]) - abs(side) * self.train.cost_bps)
        if len(table) > 0:
            self._seen_ns = int(table["at_ns"].max())
        self._taken = {named for named in self._taken if named[0] >= self._seen_ns - LATE_NS}

    def _figures(self, rows: Rows, exported: Exported) -> dict[str, float]:
        """Measure a version on the newest rows."""
        fold = held_out(rows, self.train.held_frac)
        return figures(rows.pick(fold.held), predicted(load(exported), rows, fold), self.train)

    def _manifest(self, rows: Rows, source: str, metrics: dict[str, float]) -> Manifest:
        table = rows.table
        window = Window(int(table["at_ns"][0]), int(table["label_ns"].max()), len(table))
        return Manifest(
            "", self.train.kind, source, self._now_ns(), self.registry.pointer().champion,
            window=window, metrics=dict(metrics),
        )  # fmt: skip

    def _told(self, model: str, what: str) -> str:
        text = f"{self.region} {model[:12]} {what}"
        self._log(text)
        return text
