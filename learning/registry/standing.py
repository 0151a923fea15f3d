"""Where every version stands: the fold of the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from learning.registry.blob import refused
from learning.registry.manifest import Gate, latest

if TYPE_CHECKING:
    from learning.registry.history import Entry

CANDIDATE, CANARY, CHAMPION, RETIRED = "candidate", "canary", "champion", "retired"
# The gate that only a canary can pass: what it was told of a version before counts for nothing.
LIVE = "live"
STATES = (CHAMPION, CANARY, CANDIDATE, RETIRED)


class Standing(msgspec.Struct, frozen=True):
    """One version's state, since when, the hash of its manifest, and the gates it was held against.

    `against` is who was champion then: gates against another say nothing.
    """

    state: str
    since_ns: int
    digest: str
    gates: tuple[Gate, ...] = ()
    against: str = ""


class Standings(msgspec.Struct, frozen=True):
    """All versions, oldest first, and the champions there were, the present one last."""

    models: Mapping[str, Standing] = {}
    champions: tuple[str, ...] = ()
    canary: str = ""
    canary_ppm: int = 0

    @property
    def champion(self) -> str:
        """Name the champion, "" where there is none yet."""
        return self.champions[-1] if self.champions else ""

    @property
    def previous(self) -> str:
        """Name the champion that a rollback brings back, "" where there is none."""
        return self.champions[-2] if len(self.champions) > 1 else ""


def after(standings: Standings, entry: Entry) -> Standings:
    """Give the standings after one more entry."""
    if entry.standings is not None:
        return entry.standings
    verb = _VERBS.get(entry.verb)
    if verb is None:
        raise refused(f"line {entry.number} says {entry.verb[:20]!a}, which is not known", "update this node")
    return verb(standings, entry)


def held_against(standings: Standings, model: str, gates: tuple[Gate, ...]) -> tuple[Gate, ...]:
    """Give the gates that count for a version: these, and those before them against the same champion."""
    known = standings.models[model]
    return latest((*known.gates, *gates) if known.against == standings.champion else gates)


def _put(standings: Standings, entry: Entry) -> Standings:
    fresh = Standing(CANDIDATE, entry.at_ns, entry.digest, entry.gates, standings.champion)
    return _with(standings, models={**standings.models, entry.model: fresh})


def _judge(standings: Standings, entry: Entry) -> Standings:
    gates = held_against(standings, entry.model, entry.gates)
    known = msgspec.structs.replace(standings.models[entry.model], gates=gates, against=standings.champion)
    return _with(standings, models={**standings.models, entry.model: known})


def _promote(standings: Standings, entry: Entry) -> Standings:
    if entry.to == CANARY and standings.models[entry.model].state == CANDIDATE:
        offline = tuple(gate for gate in entry.gates if gate.name != LIVE)
        entry = msgspec.structs.replace(entry, gates=offline)
        standings = _with(standings, models={**standings.models, entry.model: _bare(standings, entry)})
    judged = _judge(standings, entry)
    if entry.to == CANARY:
        moved = _moved(judged, entry, {standings.canary: RETIRED, entry.model: CANARY})
        return _with(moved, canary=entry.model, canary_ppm=entry.share_ppm)
    moved = _moved(judged, entry, {standings.champion: RETIRED, entry.model: CHAMPION})
    champions = (*standings.champions, entry.model)
    if entry.model == standings.canary:
        moved = _with(moved, canary="", canary_ppm=0)
    return _with(moved, champions=champions)


def _bare(standings: Standings, entry: Entry) -> Standing:
    return msgspec.structs.replace(standings.models[entry.model], gates=())


def _rollback(standings: Standings, entry: Entry) -> Standings:
    states = {standings.canary: RETIRED, standings.champion: RETIRED, entry.model: CHAMPION}
    moved = _moved(standings, entry, states)
    return _with(moved, champions=standings.champions[:-1], canary="", canary_ppm=0)


def _retire(standings: Standings, entry: Entry) -> Standings:
    moved = _moved(standings, entry, {entry.model: RETIRED})
    return _with(moved, canary="", canary_ppm=0) if entry.model == standings.canary else moved


def _prune(standings: Standings, entry: Entry) -> Standings:
    models = {name: known for name, known in standings.models.items() if name != entry.model}
    champions = tuple(each for each in standings.champions if each != entry.model)
    return _with(standings, models=models, champions=champions)


_VERBS = {
    "put": _put,
    "judge": _judge,
    "promote": _promote,
    "rollback": _rollback,
    "retire": _retire,
    "prune": _prune,
}


def _moved(standings: Standings, entry: Entry, states: Mapping[str, str]) -> Standings:
    models = dict(standings.models)
    for model, state in states.items():
        if model in models:
            models[model] = msgspec.structs.replace(models[model], state=state, since_ns=entry.at_ns)
    return _with(standings, models=models)


def _with(standings: Standings, **changes: object) -> Standings:
    return msgspec.structs.replace(standings, **changes)
