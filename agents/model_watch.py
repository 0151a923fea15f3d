"""Bring the registry's models to a running node: made ready off its loop, set between two events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from agents.minds import CANARY, CHAMPION, Mind, Minds
from domain.control_events import ModelSet
from domain.errors import SwarmError
from hw.inference.engine import FOR_TREES, fastest
from hw.inference.forest import is_forest
from learning.registry.blob import read_blob
from learning.registry.registry import Registry
from learning.registry.served import served

PAUSE_S = 0.25


class ModelWatch:
    """Follow the registry's pointer; what cannot be read is told once, and the node keeps what it has."""

    def __init__(
        self,
        folder: Path,
        minds: Minds,
        deliver: Callable[[ModelSet], None],
        now_ns: Callable[[], int],
        log: Callable[[str], None],
    ) -> None:
        self._registry, self._minds = Registry(folder), minds
        self._deliver, self._now_ns, self._log = deliver, now_ns, log
        self._engine = ""
        self._refused: set[tuple[str, str]] = set()
        self._generation = 0
        self._trouble = ""

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            await self.look()
            await asyncio.sleep(PAUSE_S)

    async def look(self) -> None:
        """Set what the pointer names and the node has not."""
        try:
            pointer = await asyncio.to_thread(self._registry.pointer)
        except (SwarmError, OSError) as trouble:
            self._tell(str(trouble))
            return
        if pointer.generation != self._generation:
            self._generation = pointer.generation
            self._refused.clear()
        wanted = {CHAMPION: (pointer.champion, 0), CANARY: (pointer.canary, pointer.canary_ppm)}
        for slot, (model, share_ppm) in wanted.items():
            known = self._minds.told(slot)
            has = ("", 0) if known is None else (known.model, known.canary_ppm)
            if has != (model, share_ppm) and (slot, model) not in self._refused:
                await self._set(slot, model, share_ppm)

    async def _set(self, slot: str, model: str, share_ppm: int) -> None:
        if model == "":
            self._deliver(ModelSet(self._now_ns(), slot, "", "", b"", 0))
            return
        try:
            told = await asyncio.to_thread(self._made_ready, slot, model, share_ppm)
        except Exception as trouble:  # a library's own trouble must not end a node that trades
            self._refused.add((slot, model))
            self._tell(f"{slot} {model} is not set: {trouble}")
            return
        self._deliver(told)
        self._log(f"{slot} is {model} on {told.engine}")

    def _made_ready(self, slot: str, model: str, share_ppm: int) -> ModelSet:
        """Read a model and compile what it needs, so that the node only has to take it up."""
        blob = self._registry.blob(model)
        told = ModelSet(self._now_ns(), slot, model, self._engine_of(blob), blob, share_ppm)
        Mind(told)
        return told

    def _engine_of(self, blob: bytes) -> str:
        """Name the engine that is quickest here for networks, measured on the first; trees have one."""
        parts = [part.tensors for part in served(read_blob(blob))]
        network = next((each for each in parts if not is_forest(each)), None)
        if network is None:
            return FOR_TREES
        if self._engine == "":
            self._engine = fastest(network)
        return self._engine

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._log(f"models: {trouble}")
