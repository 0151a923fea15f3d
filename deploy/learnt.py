"""What this machine has learnt, read off the files that its learner writes, for screen and summary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from rich.text import Text

from domain.errors import SwarmError
from domain.report import Learning, RegionLearning
from learning.places import models_root, rows_root
from learning.registry.gates import told
from learning.registry.history import Entry
from learning.registry.registry import Registry
from learning.registry.standing import CHAMPION

GATHERED = "gathered.msgpack"


class _Gathered(msgspec.Struct):
    """Of all that is kept of a journal's reading, what is shown."""

    finished: int = 0


class Learnt:
    """Look at the regions of a state folder; what was made before `since_ns` is not of this run."""

    def __init__(self, state: Path, regions: Iterable[str], since_ns: int) -> None:
        self._state, self._since_ns = state, since_ns
        self._registries = {name: Registry(models_root(state) / name) for name in regions}
        self._before = self._newest()
        self._known: dict[str, tuple[int, RegionLearning]] = {}

    def look(self) -> Learning:
        """Read what is there now; what cannot be read is left as it was."""
        newest = self._newest()
        regions = {name: self._region(name, registry) for name, registry in self._registries.items()}
        return Learning(newest, newest - self._before, regions)

    def _newest(self) -> int:
        folder = self._state / "federation"
        made = [*folder.glob("versions/*.version"), *folder.glob("regions/*/sent/*.safetensors")]
        return max((int(path.stem) for path in made), default=0)

    def _region(self, name: str, registry: Registry) -> RegionLearning:
        generation, known = self._known.get(name, (0, RegionLearning()))
        try:
            pointer = registry.pointer()
            if pointer.generation != generation:
                known = _folded(registry.history(), self._since_ns)
                known = msgspec.structs.replace(
                    known, champion=pointer.champion, canary=pointer.canary, canary_ppm=pointer.canary_ppm
                )
                self._known[name] = pointer.generation, known
        except (SwarmError, OSError):
            pass
        return msgspec.structs.replace(known, rows=self._rows(name))

    def _rows(self, name: str) -> int:
        try:
            content = (rows_root(self._state) / name / GATHERED).read_bytes()
            return msgspec.msgpack.decode(content, type=_Gathered).finished
        except (OSError, msgspec.DecodeError):
            return 0


def lines(learning: Learning, now_ns: int) -> list[Text]:
    """Say in a line for the federation and one a region what was learnt."""
    named = [f"learning: version {learning.version}, {learning.made} made in this run"]
    if learning.version == 0:
        named = ["learning: no version yet"]
    told = [*named, *_regions(learning, now_ns)]
    return [Text(text, "dim", no_wrap=True, overflow="ellipsis") for text in told]


def _regions(learning: Learning, now_ns: int) -> Iterator[str]:
    for name, region in learning.regions.items():
        told = [f"{region.rows} rows"]
        if region.champion:
            told.append(f"champion {region.champion[:6]} for {_age(now_ns - region.champion_since_ns)}")
        if region.canary:
            told.append(f"canary {region.canary[:6]} for {region.canary_ppm / 1e6:g} of agents")
        if region.judged > 0:
            told.append(f"{region.promoted} of {region.judged} let in")
        if region.refused:
            told.append(f"last refused {region.refused}")
        yield f"  {name}: {', '.join(told)}"


def _age(span_ns: int) -> str:
    seconds = max(0, span_ns) // 10**9
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def _folded(history: list[Entry], since_ns: int) -> RegionLearning:
    """Sum up what became of versions."""
    judged, promoted, refused, champion_ns = set[str](), 0, "", 0
    for entry in history:
        if entry.verb in ("promote", "rollback") and entry.to in ("", CHAMPION):
            champion_ns = entry.at_ns
        if entry.at_ns < since_ns:
            continue
        if entry.verb == "judge":
            judged.add(entry.model)
            wrong = [gate for gate in entry.gates if not gate.passed]
            refused = f"{entry.model[:6]} {wrong[0].name}: {told(wrong[0])}" if wrong else refused
        promoted += entry.verb == "promote"
    return RegionLearning(
        champion_since_ns=champion_ns, judged=len(judged), promoted=promoted, refused=refused
    )
