"""A world for the loop: a store that survives, time that is told, and all that was ever done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from federation.loop.config import LoopConfig
from federation.loop.events import (
    Action,
    Announce,
    Arrived,
    Ask,
    ClientDown,
    ClientUp,
    Event,
    Hold,
    Reported,
    Restarted,
    Store,
)
from federation.loop.merge import Loss
from federation.loop.round_loop import RoundLoop
from federation.loop.version import Version, decode_update, decode_version, encode, first_version
from federation.update import Update

NAMES = ("a", "b")
S = 1_000_000_000


def model(value: float = 0.0) -> list[np.ndarray]:
    """Build arrays that hold one value everywhere."""
    return [np.full((2, 2), value, np.float32), np.full(3, value, np.float32)]


def learnt(version: Version, region: str, step: float = 1.0, examples: int = 10, attempt: int = 0) -> Update:
    """Build what a region answers: its own way from the version, drawn from the region's name."""
    draws = np.random.default_rng([ord(letter) for letter in region] + [version.number, attempt])
    arrays = [
        np.asarray(array + np.float32(step) * np.float32(draws.normal(1, 0.1, array.shape)))
        for array in version.arrays
    ]
    return Update(region, version.hash, arrays, examples, names=version.names, attempt=attempt)


class World:
    """Hold a loop, its durable store as bytes, and all that was ever done."""

    def __init__(self, first: Version | None = None, *, loss: Loss | None = None, **config: Any) -> None:
        self.config, self.loss = LoopConfig.model_validate(config), loss
        self.stored: list[bytes] = [encode(first or first_version(NAMES, model()))]
        self.held: dict[str, bytes] = {}
        self.announced: list[int] = []
        self.reported: list[Reported] = []
        self.asks: list[Ask] = []
        self.now_ns = 0
        self.open()

    def open(self) -> None:
        """Begin with what the store has, as after a kill."""
        versions = [decode_version(each) for each in self.stored]
        held = [decode_update(each) for each in self.held.values()]
        champion = versions[versions[-1].champion]
        recent = versions[-self.config.staleness_max - 1 :]
        if champion.number < recent[0].number:
            recent = [champion, *recent]
        self.loop = RoundLoop(self.config, recent, held, loss=self.loss)
        self.tell(Restarted(self.now_ns))

    def tell(self, event: Event, *, stop_after: int | None = None) -> list[Action]:
        """Step the loop and carry out its actions, or only the first few, as when killed among them."""
        actions = self.loop.step(event)
        for action in actions[:stop_after]:
            self._do(action)
        return actions

    def _do(self, action: Action) -> None:
        if isinstance(action, Hold):
            self.held[action.update.region] = encode(action.update)
        elif isinstance(action, Store):
            assert action.version.number == len(self.stored), "a version is stored once, in order"
            self.stored.append(encode(action.version))
            self.held.clear()
        elif isinstance(action, Announce):
            assert action.version == len(self.stored) - 1, "what is announced is stored"
            self.announced.append(action.version)
        elif isinstance(action, Reported):
            self.reported.append(action)
        else:
            assert isinstance(action, Ask)
            self.asks.append(action)

    def up(self, *regions: str) -> None:
        """Let regions come."""
        for region in regions:
            self.tell(ClientUp(region, self.now_ns))

    def down(self, region: str) -> None:
        """Let a region go."""
        self.tell(ClientDown(region, self.now_ns))

    def arrive(self, update: Update, after_s: float = 0.0) -> list[Action]:
        """Let time pass, then let an update come."""
        self.now_ns += int(after_s * S)
        return self.tell(Arrived(update, self.now_ns))

    @property
    def line(self) -> Sequence[Version]:
        """Read all versions back from the store."""
        return [decode_version(each) for each in self.stored]

    @property
    def current(self) -> Version:
        """Give the newest version."""
        return self.loop.current
