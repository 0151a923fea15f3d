"""The exchange's own journal: what it accepted, and snapshots so that starting again is short."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bus.journal import Journal
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange import Exchange
from sim.exchange.messages import Command

SNAPSHOT_EVERY = 20_000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Command).decode


class ExchangeRecord:
    """Keep accepted commands; a snapshot is taken every `SNAPSHOT_EVERY` of them and at the end."""

    def __init__(self, journal: Journal, since: int) -> None:
        self.journal = journal
        self._since = since

    @classmethod
    def open(cls, config: ExchangeConfig, state: Path) -> tuple[ExchangeRecord, Exchange]:
        """Open an exchange's journal and bring its exchange back."""
        name = f"exchange-{config.name}"
        journal = Journal.open(state / "journal" / name, name)
        try:
            exchange, count = recovered(config, journal)
        except BaseException:
            journal.close()
            raise
        return cls(journal, count), exchange

    @property
    def commands(self) -> int:
        """Count what was added since the journal began."""
        return self.journal.events

    @property
    def last_ns(self) -> int:
        """Give the time of the last command, 0 where there is none: the clock must not start before it."""
        return max(
            (_decode(record).now_ns for _, record in self.journal.read(self.journal.events)), default=0
        )

    def append(self, command: Command) -> None:
        """Add a command that the exchange accepted."""
        self.journal.append(_encode(command))
        self._since += 1

    def commit(self) -> None:
        """Make everything added durable."""
        self.journal.commit()

    def keep(self, exchange: Exchange) -> None:
        """Keep a snapshot if one is due."""
        if self._since >= SNAPSHOT_EVERY:
            self._since = 0
            self.journal.snapshot(exchange.snapshot())

    def close(self, exchange: Exchange) -> None:
        """Keep a last snapshot and let go."""
        if self._since > 0:
            self.journal.snapshot(exchange.snapshot())
        self.journal.close()


def recovered(config: ExchangeConfig, journal: Journal) -> tuple[Exchange, int]:
    """Replay a journal from its newest snapshot; tell how many commands came after that."""
    kept = journal.latest_snapshot()
    first, exchange = 1, Exchange(config)
    if kept is not None:
        first, exchange = kept[0] + 1, Exchange.restore(config, kept[1])
    count = 0
    for _, record in journal.read(first):
        exchange.step(_decode(record))
        count += 1
    return exchange, count
