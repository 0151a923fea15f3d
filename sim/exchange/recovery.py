"""The exchange and its journal together: what was acknowledged is what comes back."""

from __future__ import annotations

import msgspec

from domain.errors import JournalBroken
from domain.protocols import Store
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange import Exchange
from sim.exchange.messages import Command, Output, Refused

SNAPSHOT_EVERY = 50_000

_HEADER = b"exchange "
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Command).decode


class RecordedExchange:
    """Step an exchange and keep every command that changed something.

    The server answers a command only after `commit`. Every `snapshot_every` commands a snapshot is due, so
    that recovery replays no more than so many. A store that fails leaves the exchange ahead of its
    journal: the process must end then, answering nobody.
    """

    def __init__(
        self, exchange: Exchange, store: Store, snapshot_sequence: int, snapshot_every: int, replayed: int
    ) -> None:
        """Use `RecordedExchange.recover`."""
        self.exchange, self.store, self.replayed = exchange, store, replayed
        self._snapshot_sequence, self._snapshot_every = snapshot_sequence, snapshot_every

    @classmethod
    def recover(
        cls, config: ExchangeConfig, store: Store, snapshot_every: int = SNAPSHOT_EVERY
    ) -> RecordedExchange:
        """Restore the newest snapshot and replay what came after; a first start replays nothing."""
        if store.events == 0:
            store.append(_HEADER + config.core_hash().encode())
            store.commit()
        found = store.latest_snapshot()
        if found is None:
            sequence, exchange = 0, Exchange(config)
        else:
            sequence, exchange = found[0], Exchange.restore(config, found[1])
        replayed = 0
        for at, record in store.read(sequence + 1):
            if at == 1:
                _check_header(config, record)
            else:
                _replay(exchange, at, record)
                replayed += 1
        return cls(exchange, store, sequence, snapshot_every, replayed)

    def step(self, command: Command) -> list[Output]:
        """Take a command; it is recorded if it changed anything, and durable after `commit`."""
        outputs = self.exchange.step(command)
        if not isinstance(outputs[0], Refused):
            self.store.append(_encode(command))
        return outputs

    def commit(self) -> None:
        """Make everything taken so far durable; it may be called from another thread."""
        self.store.commit()

    def snapshot_if_due(self) -> bool:
        """Keep a snapshot when enough was taken since the last; call it from the thread that steps."""
        if self.store.events - self._snapshot_sequence < self._snapshot_every:
            return False
        self.keep_snapshot()
        return True

    def keep_snapshot(self) -> None:
        """Keep a snapshot now."""
        self.store.snapshot(self.exchange.snapshot())
        self._snapshot_sequence = self.store.events


def _check_header(config: ExchangeConfig, record: bytes) -> None:
    if record != _HEADER + config.core_hash().encode():
        raise JournalBroken(
            "the exchange journal was made with another config",
            where=config.name,
            mend="start it with that config, or move its journal folder away",
        )


def _replay(exchange: Exchange, sequence: int, record: bytes) -> None:
    try:
        outputs = exchange.step(_decode(record))
    except msgspec.MsgspecError as error:
        raise _broken(exchange, f"record {sequence} is no command: {error}") from None
    if isinstance(outputs[0], Refused):
        raise _broken(exchange, f"record {sequence} was accepted once and is refused now")


def _broken(exchange: Exchange, what: str) -> JournalBroken:
    return JournalBroken(
        what, where=exchange.config.name, mend="restore the journal from a copy, or move its folder away"
    )
