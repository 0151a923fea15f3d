"""The halt latch: one for the swarm, one for each region; the latest command that concerns a region holds."""

from __future__ import annotations

import msgspec

from coordinator.facts import LatchSet


class Latch(msgspec.Struct, frozen=True):
    """Hold the latest command. Ids increase for ever, so a resume always beats the halt that it ends."""

    halted: bool = False
    command_id: int = 0
    reason: str = ""


class HaltLatches:
    """Keep what was commanded; a region is never forgotten, only overruled by a later command."""

    def __init__(self) -> None:
        self.swarm = Latch()
        self.regions: dict[str, Latch] = {}
        self.last_command_id = 0

    def command(self, region: str | None, halted: bool, reason: str, above: int = 0) -> LatchSet:
        """Number a new command, above every one that a node obeyed; it holds once it is applied."""
        return LatchSet(region, halted, max(self.last_command_id, above) + 1, reason)

    def apply(self, fact: LatchSet) -> None:
        """Take a command: one for all overrules whatever regions were told before."""
        assert fact.command_id > self.last_command_id, "command ids increase for ever"
        self.last_command_id = fact.command_id
        latch = Latch(fact.halted, fact.command_id, fact.reason)
        if fact.region is None:
            self.swarm = latch
            self.regions.clear()
        else:
            self.regions[fact.region] = latch

    def of(self, region: str) -> Latch:
        """Give what holds in a region."""
        return self.regions.get(region, self.swarm)

    def facts(self) -> list[LatchSet]:
        """Give the commands that lead to this state, in order."""
        held: list[tuple[str | None, Latch]] = [(None, self.swarm), *self.regions.items()]
        held = [(region, latch) for region, latch in held if latch.command_id > 0]
        held.sort(key=lambda item: item[1].command_id)
        return [LatchSet(region, latch.halted, latch.command_id, latch.reason) for region, latch in held]
