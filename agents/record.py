"""The journal's records: one byte of kind, then msgpack. One way to write and read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from agents.config import RegionConfig
from agents.node import Node
from agents.replay import ACTION, GENESIS, INPUT, MARK, Core, Make, Replay, Replayer, Snapshot, recovered
from bus.codec import ACTIONS, EVENTS, RecordedAction
from domain.actions import Action
from domain.events import Event
from domain.instrument import Instrument
from domain.protocols import Store
from market.schedule import Schedule

# A second or two of replay at most, and a snapshot every few seconds at most.
SNAPSHOT_EVERY = 20_000
# A large state is kept less often: what snapshots write stays in proportion to what the journal does, and the
# moments that taking one costs the loop stay under a hundredth of the time.
SNAPSHOT_BYTES_PER_EVENT = 256


def encode_event(event: Event) -> bytes:
    """Write what entered a core."""
    return EVENTS.encode(event, INPUT)


def encode_action(action: Action) -> bytes:
    """Write what left a core."""
    return ACTIONS.encode(action, ACTION)


def encode_mark(kind: str, **facts: object) -> bytes:
    """Write what is neither: a genesis, a build."""
    return MARK + msgspec.msgpack.encode({"kind": kind, **facts})


def decode(record: bytes) -> Event | RecordedAction | dict[str, Any]:
    """Read a node's record; a mark comes back as a dictionary, a sent order as a record of its approval."""
    kind = record[:1]
    if kind == INPUT:
        return EVENTS.decode(record, 1)
    if kind == ACTION:
        return ACTIONS.decode(record, 1)
    assert kind == MARK, f"a record of kind {kind!r}"
    mark: dict[str, Any] = msgspec.msgpack.decode(record[1:])
    return mark


class NodeGenesis(msgspec.Struct, frozen=True):
    """What a node is made from."""

    kind: str
    config: dict[str, Any]
    instruments: tuple[Instrument, ...]
    schedule: Schedule | None = None


class Recorder:
    """Step a core and journal what goes in and what comes out, in that order."""

    def __init__(
        self, core: Core, store: Store, genesis: bytes, snapshot_every: int = SNAPSHOT_EVERY
    ) -> None:
        self.core, self.store, self.genesis = core, store, genesis
        self.snapshot_every, self._since_snapshot, self._snapshot_bytes = snapshot_every, 0, 0

    def step(self, event: Event) -> Sequence[Any]:
        """Decide on an event, record both, and give what was decided."""
        actions: Sequence[Any] = ()
        try:
            actions = self.core.step(event)
        finally:
            self.keep(event, actions)
        return actions

    def keep(self, event: Event, actions: Sequence[Any]) -> None:
        """Record an event and what was decided on it.

        Orders may leave before this, in the same call: nothing can come between, and durable is only what a
        commit made so. It is kept even where the core raised, for the replay to show.
        """
        append = self.store.append
        append(encode_event(event))
        for action in actions:
            append(encode_action(action))
        self._since_snapshot += 1

    def commit(self) -> None:
        """Make everything durable, and keep a snapshot where one is due."""
        self.store.commit()
        self.keep_snapshot_if_due()

    def keep_snapshot_if_due(self) -> None:
        """Keep a snapshot where enough has happened since the last one; call it where `step` is called."""
        if self.snapshot_due:
            self.keep_snapshot()

    @property
    def snapshot_due(self) -> bool:
        """Tell whether enough has happened since the last snapshot."""
        enough = max(self.snapshot_every, self._snapshot_bytes // SNAPSHOT_BYTES_PER_EVENT)
        return self._since_snapshot >= enough

    def keep_snapshot(self) -> None:
        """Keep the state, so that the next start replays from here."""
        self.write_snapshot(*self.take_snapshot())

    def take_snapshot(self) -> tuple[int, bytes]:
        """Give the last record's sequence and the state as of it; call it where `step` is called."""
        state = self.core.state()
        self._since_snapshot, self._snapshot_bytes = 0, len(state)
        return self.store.events, state

    def began_snapshot(self) -> None:
        """Count from here: a snapshot of this moment is made elsewhere."""
        self._since_snapshot = 0

    def write_snapshot(self, sequence: int, state: bytes) -> None:
        """Make durable what `take_snapshot` gave; any thread may, while steps go on."""
        self.store.snapshot(Snapshot.write(self.genesis, state), sequence)


def encode_genesis(**facts: object) -> bytes:
    """Write the mark that says what a core is made from."""
    return encode_mark(GENESIS, **facts)


def started(
    store: Store,
    make: Make,
    genesis: bytes,
    where: str,
    snapshot_every: int = SNAPSHOT_EVERY,
) -> tuple[Recorder, Replay]:
    """Start a core on its journal, empty or not: starting and recovering are one path.

    A genesis other than the recorded one (a changed config) is marked, and takes the state over.
    """
    replayer = Replayer(make, decode, encode_action)
    found = recovered(store, replayer, where)
    if replayer.genesis != genesis[1:]:
        replayer.take(store.append(genesis), genesis)
    assert replayer.core is not None
    return Recorder(replayer.core, store, replayer.genesis, snapshot_every), found


def make_node(genesis: bytes) -> Node:
    """Make a node from its genesis mark's body."""
    mark = msgspec.msgpack.decode(genesis, type=NodeGenesis)
    return Node(RegionConfig.model_validate(mark.config), mark.instruments, mark.schedule)


def recover(
    store: Store,
    config: RegionConfig,
    instruments: Iterable[Instrument],
    schedule: Schedule | None = None,
) -> tuple[Recorder, Replay]:
    """Start a node on its journal, empty or not, and say what was replayed.

    The schedule is part of what a node is made from: a replay elsewhere must not measure its own.
    """
    genesis = encode_genesis(
        config=config.model_dump(mode="json"), instruments=tuple(instruments), schedule=schedule
    )
    return started(store, make_node, genesis, config.node, config.journal.snapshot_events)
