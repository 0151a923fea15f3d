"""Recovery is replay: a core stepped over its recorded inputs must decide what was recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from domain.errors import ExitCode, SwarmError
from domain.protocols import Store

INPUT, ACTION, MARK = b"I", b"A", b"S"
GENESIS = "genesis"


class Core(Protocol):
    """Whatever can be replayed: it decides by events alone."""

    def step(self, event: Any) -> Sequence[Any]:
        """Take an event, give actions."""
        ...

    def state(self) -> bytes:
        """Give all that a restart needs."""
        ...

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave; only a new core can."""
        ...


# Makes a core from a genesis mark's body.
Make = Callable[[bytes], Core]


class Replay(msgspec.Struct, frozen=True):
    """What a replay found; the hashes cover every action, as recorded and as derived again."""

    inputs: int
    actions: int
    from_sequence: int
    recorded_hash: str
    derived_hash: str
    first_difference: int | None
    unrecorded: int

    @property
    def equal(self) -> bool:
        """Tell whether every recorded action was derived again, byte by byte."""
        return self.first_difference is None and self.recorded_hash == self.derived_hash


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """A core's state with the genesis that it was made from."""

    genesis: bytes
    state: bytes

    @staticmethod
    def write(genesis: bytes, state: bytes) -> bytes:
        """Give the bytes that a store keeps."""
        return msgspec.msgpack.encode(Snapshot(genesis, state))


class Replayer:
    """Step a core over records and compare each action with the recorded one.

    A later genesis (a changed config) takes the state over.
    """

    def __init__(
        self,
        make: Make,
        read_event: Callable[[bytes], Any],
        write_action: Callable[[Any], bytes],
    ) -> None:
        self.make, self.read_event, self.write_action = make, read_event, write_action
        self.core: Core | None = None
        self.genesis = b""
        self.pending: list[bytes] = []
        self.first_difference: int | None = None
        self.inputs = self.actions = 0
        self.from_sequence = 1
        self._recorded, self._derived = hashlib.blake2b(digest_size=32), hashlib.blake2b(digest_size=32)

    def begin(self, snapshot: tuple[int, bytes]) -> None:
        """Begin at a snapshot instead of the genesis."""
        sequence, body = snapshot
        kept = msgspec.msgpack.decode(body, type=Snapshot)
        self.genesis, self.from_sequence = kept.genesis, sequence + 1
        self.core = self.make(kept.genesis)
        self.core.restore(kept.state)

    def take(self, sequence: int, record: bytes) -> None:
        """Take the next record."""
        kind = record[:1]
        if kind == ACTION:
            self._compare(sequence, record)
            return
        if self.pending:
            self._differ(sequence)
            self.pending.clear()
        if kind == INPUT:
            self._step(sequence, record)
        elif kind == MARK:
            self._mark(record[1:])

    def _step(self, sequence: int, record: bytes) -> None:
        assert self.core is not None, f"record {sequence} is an input before any genesis"
        self.inputs += 1
        for action in self.core.step(self.read_event(record)):
            written = self.write_action(action)
            self.pending.append(written)
            self._derived.update(written)

    def _compare(self, sequence: int, record: bytes) -> None:
        self.actions += 1
        self._recorded.update(record)
        if not self.pending or self.pending.pop(0) != record:
            self._differ(sequence)

    def _differ(self, sequence: int) -> None:
        if self.first_difference is None:
            self.first_difference = sequence

    def _mark(self, body: bytes) -> None:
        if msgspec.msgpack.decode(body).get("kind") != GENESIS:
            return
        older, self.genesis = self.core, body
        self.core = self.make(body)
        if older is not None:
            self.core.restore(older.state())

    def result(self) -> Replay:
        """Say what was found. Actions derived after the last record were lost with the torn tail."""
        recorded, derived = self._recorded, self._derived.copy()
        if self.pending and self.first_difference is None:
            recorded = recorded.copy()
            for written in self.pending:
                recorded.update(written)
        return Replay(
            self.inputs,
            self.actions,
            self.from_sequence,
            recorded.hexdigest(),
            derived.hexdigest(),
            self.first_difference,
            len(self.pending),
        )


def recovered(store: Store, replayer: Replayer, where: str) -> Replay:
    """Replay a store from its newest snapshot and complete the tail that a crash tore off."""
    snapshot = store.latest_snapshot()
    if snapshot is not None:
        replayer.begin(snapshot)
    for sequence, record in store.read(replayer.from_sequence):
        replayer.take(sequence, record)
    found = replayer.result()
    if not found.equal:
        raise SwarmError(
            f"record {found.first_difference} is not what this build decides",
            where=where,
            mend="start with the build that wrote the journal, or move the journal away",
            code=ExitCode.REPLAY_MISMATCH,
        )
    for written in replayer.pending:
        store.append(written)
    replayer.pending.clear()
    return found
