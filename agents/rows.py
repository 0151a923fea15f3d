"""From a node's journal to its region's feature store, beside the running node and without its knowing."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import msgspec

from agents.record import NodeGenesis, decode
from agents.replay import GENESIS
from bus.journal_reader import JournalReader, journal_head, open_reader
from domain.errors import ExitCode, SwarmError
from learning.rows.gather import GatherConfig, Gatherer
from learning.rows.store import Store

POSITION = "gathered.msgpack"


class _Position(msgspec.Struct):
    """How far a journal has been read, in the genesis of that place, what waits, and what is finished."""

    sequence: int
    genesis: NodeGenesis | None
    gatherer: bytes
    finished: int = 0


class JournalRows:
    """Read a node's journal from where it was left, and keep the rows that are finished.

    Rows are stored before the position: what is read twice after a crash is the same rows again, which the
    store keeps once.
    """

    def __init__(self, journal: Path, store: Store, config: GatherConfig | None = None) -> None:
        self._journal, self.store, self._config = journal, store, config
        store.labels = (config or GatherConfig()).labels
        self._file = store.folder / POSITION
        self.sequence = 0
        self._genesis: NodeGenesis | None = None
        self.gatherer: Gatherer | None = None
        self._restore()

    def catch_up(self, records_max: int) -> int:
        """Read so many records at most, and store what they finish; give how many were read."""
        reader, head = open_reader(self._journal), journal_head(self._journal)
        if head is not None and head.events < self.sequence:  # another journal, begun anew
            self._begin_anew()
        try:
            return self._read(reader, records_max)
        except Exception:
            # Rows that were finished and not stored are finished again.
            self._begin_anew()
            self._restore()
            raise

    def _begin_anew(self) -> None:
        self.sequence, self._genesis, self.gatherer = 0, None, None

    def _read(self, reader: JournalReader, records_max: int) -> int:
        read = 0
        for sequence, record in islice(reader.read(self.sequence + 1), records_max):
            self._take(decode(record))
            self.sequence, read = sequence, read + 1
        if read > 0:
            self._keep()
        return read

    def _take(self, fact: object) -> None:
        if isinstance(fact, dict):
            if fact.get("kind") == GENESIS:
                self._begin(msgspec.convert(fact, NodeGenesis))
        elif self.gatherer is not None:
            self.gatherer.take(fact)

    def _begin(self, genesis: NodeGenesis) -> None:
        """Begin anew where the markets are others; what waits for the old ones is finished or lost."""
        if self._genesis is not None and self._genesis.instruments == genesis.instruments:
            return
        if self.gatherer is not None:
            self.store.append(self.gatherer.finished())
        self._genesis = msgspec.structs.replace(genesis, config={})
        self.gatherer = Gatherer(genesis.instruments, self._config)

    def _keep(self) -> None:
        if self.gatherer is not None:
            self.store.append(self.gatherer.finished())
        waiting = self.gatherer.state() if self.gatherer is not None else b""
        fresh = self._file.with_suffix(".new")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            position = _Position(self.sequence, self._genesis, waiting, self._finished())
            file.write(msgspec.msgpack.encode(position))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._file)

    def _finished(self) -> int:
        return 0 if self.gatherer is None else self.gatherer.counts.finished

    def _restore(self) -> None:
        try:
            kept = msgspec.msgpack.decode(self._file.read_bytes(), type=_Position)
        except FileNotFoundError:
            return
        except (msgspec.DecodeError, msgspec.ValidationError) as trouble:
            raise SwarmError(
                f"the place where reading the journal stopped cannot be read: {trouble}",
                where=str(self._file),
                mend="delete the file: the journal is read again, and rows are kept once",
                code=ExitCode.BAD_DATA,
            ) from trouble
        self.sequence, self._genesis = kept.sequence, kept.genesis
        if kept.genesis is not None:
            self.gatherer = Gatherer(kept.genesis.instruments, self._config)
            self.gatherer.restore(kept.gatherer)
