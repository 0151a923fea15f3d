"""Derive a journal's decisions again, with a fresh core, and hold them against what was recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec

from agents.record import decode, encode_action, make_node
from agents.replay import Replayer
from agents.replay import Snapshot as NodeSnapshot
from bus.journal_reader import open_reader
from bus.journal_snapshots import read_snapshot, snapshot_sequences
from coordinator.config import CoordinatorConfig
from coordinator.core import Coordinator
from coordinator.facts import read_fact
from domain.errors import ExitCode, SwarmError
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange import Exchange
from sim.exchange.messages import Command, Refused

COORDINATOR, EXCHANGE = "coordinator", "exchange-"
HEADER = b"exchange "

_commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)


class Replayed(msgspec.Struct, frozen=True):
    """What a replay found. `snapshots` is how many kept states were met, and derived again byte by byte."""

    process: str
    records: int
    from_sequence: int
    actions: int
    snapshots: int
    recorded_hash: str
    derived_hash: str
    equal: bool
    first_difference: int | None = None


class Replaying(Protocol):
    """One kind of journal, being replayed."""

    @property
    def actions(self) -> int:
        """Count the actions met."""
        ...

    @property
    def first_difference(self) -> int | None:
        """Give the first record that was not derived again."""
        ...

    def begin(self, sequence: int, state: bytes) -> None:
        """Begin at a snapshot."""
        ...

    def take(self, sequence: int, record: bytes) -> None:
        """Take the next record."""
        ...

    def state(self) -> bytes:
        """Give the state as a snapshot keeps it."""
        ...

    def hashes(self) -> tuple[str, str]:
        """Give the hash of what was recorded and of what came about again, apart from snapshots."""
        ...


class Twice:
    """Hash what was recorded beside what came about again."""

    def __init__(self) -> None:
        self._recorded, self._derived = hashlib.blake2b(digest_size=32), hashlib.blake2b(digest_size=32)

    def add(self, record: bytes, again: bool) -> None:
        """Take a record, and whether it came about again."""
        self._recorded.update(record)
        if again:
            self._derived.update(record)

    def hashes(self) -> tuple[str, str]:
        """Give both."""
        return self._recorded.hexdigest(), self._derived.hexdigest()


class NodeReplay:
    """Every action of a node follows from its inputs."""

    def __init__(self) -> None:
        self._replayer = Replayer(make_node, decode, encode_action)

    @property
    def actions(self) -> int:
        """Count the actions recorded."""
        return self._replayer.actions

    @property
    def first_difference(self) -> int | None:
        """Give the first record that was not derived again."""
        return self._replayer.first_difference

    def begin(self, sequence: int, state: bytes) -> None:
        """Begin at a snapshot."""
        self._replayer.begin((sequence, state))

    def take(self, sequence: int, record: bytes) -> None:
        """Take the next record."""
        self._replayer.take(sequence, record)

    def state(self) -> bytes:
        """Give the state as a snapshot keeps it."""
        assert self._replayer.core is not None
        return NodeSnapshot.write(self._replayer.genesis, self._replayer.core.state())

    def hashes(self) -> tuple[str, str]:
        """Give both hashes over all actions."""
        found = self._replayer.result()
        return found.recorded_hash, found.derived_hash


class ExchangeReplay:
    """An exchange records what it accepted: each command must be accepted again."""

    def __init__(self, config: ExchangeConfig) -> None:
        self._exchange = Exchange(config)
        self._twice = Twice()
        self.actions = 0
        self.first_difference: int | None = None

    def begin(self, sequence: int, state: bytes) -> None:
        """Begin at a snapshot."""
        self._exchange = Exchange.restore(self._exchange.config, state)

    def take(self, sequence: int, record: bytes) -> None:
        """Take the next command; the first record only names the config."""
        if record.startswith(HEADER):
            again = record == HEADER + self._exchange.config.core_hash().encode()
            self._twice.add(record, again)
            self.first_difference = self.first_difference if again else sequence
            return
        outputs = self._exchange.step(_commands.decode(record))
        self.actions += len(outputs)
        again = not isinstance(outputs[0], Refused)
        self._twice.add(record, again)
        if not again and self.first_difference is None:
            self.first_difference = sequence

    def state(self) -> bytes:
        """Give the state as a snapshot keeps it."""
        return self._exchange.snapshot()

    def hashes(self) -> tuple[str, str]:
        """Give both hashes over the commands accepted."""
        return self._twice.hashes()


class CoordinatorReplay:
    """A coordinator records facts: each must be legal after those before it."""

    def __init__(self) -> None:
        self._core = Coordinator(CoordinatorConfig())
        self._twice = Twice()
        self.actions = 0
        self.first_difference: int | None = None

    def begin(self, sequence: int, state: bytes) -> None:
        """Begin at a snapshot."""
        self._core.restore(state)

    def take(self, sequence: int, record: bytes) -> None:
        """Take the next fact."""
        self.actions += 1
        legal = True
        try:
            self._core.replay([read_fact(record)])
        except (AssertionError, KeyError):
            legal = False
            self.first_difference = sequence if self.first_difference is None else self.first_difference
        self._twice.add(record, legal)

    def state(self) -> bytes:
        """Give the state as a snapshot keeps it."""
        return self._core.snapshot()

    def hashes(self) -> tuple[str, str]:
        """Give both hashes over the facts."""
        return self._twice.hashes()


def replay(directory: Path, replaying: Replaying, from_snapshot: bool) -> Replayed:
    """Replay one journal, also beside its running writer; every snapshot on the way must be met exactly."""
    reader = open_reader(directory)
    kept = dict(_snapshots(directory))
    recorded, derived = hashlib.blake2b(digest_size=32), hashlib.blake2b(digest_size=32)
    first, met, difference = 1, 0, None
    if from_snapshot and kept:
        newest = max(kept)
        replaying.begin(newest, kept.pop(newest))
        first = newest + 1
    records = 0
    for sequence, record in reader.read(first):
        replaying.take(sequence, record)
        records += 1
        state = kept.get(sequence)
        if state is not None:
            again = replaying.state()
            recorded.update(state)
            derived.update(again)
            met += again == state
            difference = difference or (None if again == state else sequence)
    ours = replaying.hashes()
    recorded.update(ours[0].encode())
    derived.update(ours[1].encode())
    earliest = min(
        (found for found in (difference, replaying.first_difference) if found is not None), default=None
    )
    equal = earliest is None and recorded.digest() == derived.digest()
    hashes = recorded.hexdigest(), derived.hexdigest()
    return Replayed(directory.name, records, first, replaying.actions, met, *hashes, equal, earliest)


def _snapshots(directory: Path) -> Iterator[tuple[int, bytes]]:
    for sequence in snapshot_sequences(directory):
        found = read_snapshot(directory, sequence)
        if found is not None:
            yield sequence, found.state


def replaying_of(directory: Path, exchanges: dict[str, ExchangeConfig]) -> Replaying:
    """Choose how a process's journal is replayed."""
    if directory.name == COORDINATOR:
        return CoordinatorReplay()
    if directory.name.startswith(EXCHANGE):
        name = directory.name.removeprefix(EXCHANGE)
        if name not in exchanges:
            raise SwarmError(
                f"the exchange {name} is not configured",
                where=str(directory),
                mend="name the file that it ran with by --exchanges",
                code=ExitCode.CONFIG,
            )
        return ExchangeReplay(exchanges[name])
    return NodeReplay()
