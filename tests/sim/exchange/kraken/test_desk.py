"""Placing, changing and cancelling, without sockets: long random sessions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from bus.journal_memory import MemoryJournal
from domain.errors import ConfigError
from domain.order import Side, TimeInForce
from sim.exchange.config import ExchangeConfig
from sim.exchange.kraken.desk import Change, Wish
from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.ids import Name
from sim.exchange.kraken.register import Life, Register
from sim.exchange.kraken.voice import Heard, KrakenVoice
from sim.exchange.messages import Command, Execution, ExecutionKind, Output, PlaceOrder
from sim.exchange.recovery import RecordedExchange
from sim.exchange.server_venue import Venue, read_keys
from tests.sim.exchange.kraken.capture import FrozenClock
from tests.sim.exchange.kraken.kraken_builders import CROWD, KEYS
from tests.sim.exchange.server_builders import config


class Quiet:
    """A venue whose events are kept instead of told."""

    def __init__(self, made: ExchangeConfig) -> None:
        recorded = RecordedExchange.recover(made, MemoryJournal("x"))
        self.venue = Venue(made, recorded, FrozenClock(), read_keys(made, KEYS))
        self.voice = KrakenVoice(self.venue)
        self.venue.voice = self
        self.told: list[Heard] = []

    def heard(self, command: Command, outputs: Sequence[Output]) -> Sequence[object]:
        """Keep what is heard."""
        events = list(self.voice.heard(command, outputs))
        self.told += [one for one in events if isinstance(one, Heard)]
        return events

    def tell(self, event: object) -> None:
        """Tell nobody."""


def seen(register: Register) -> dict[int, tuple[object, ...]]:
    """Give what can be known of every order of alice and bob."""
    return {one.root: fate(one) for account in (0, 1) for one in register.lives(account)}


def fate(life: Life) -> tuple[object, ...]:
    """Give what can be known of an order."""
    trades = [(one.instrument, one.trade_id, one.maker) for one in life.trades]
    return (life.name, life.order, life.size_lots, life.filled_lots, life.notional_atoms, life.fees, trades)


def wish(draw: random.Random, quiet: Quiet, serial: int) -> Wish:
    """Draw an order near the middle."""
    tif = draw.choice(list(TimeInForce))
    price = 0 if tif == TimeInForce.MARKET else 6_000_000 + 100 * draw.randrange(-8, 9)
    name = draw.choice((Name(), Name(f"n{serial % 40}"), Name(userref=serial % 3)))
    market = quiet.venue.exchange.instruments[0]
    return Wish(market, draw.choice(list(Side)), tif, price, draw.randrange(10, 900), name)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_every_order_adds_up_and_a_restart_knows_the_same(seed: int) -> None:
    draw, quiet = random.Random(seed), Quiet(config(dialect="kraken", kraken_tier="none"))
    desk, register, refused = quiet.voice.desk, quiet.voice.register, 0
    for serial in range(700):
        account = draw.randrange(2)
        lives = register.lives(account)
        order_id = draw.choice(lives).order_id if lives else "OAAAAA-AAAAA-AAAAAA"
        size = f"0.{draw.randrange(10, 900):05d}"
        change = Change(draw.choice((None, size)), f"{60_000 + draw.randrange(-8, 9)}", draw.random() < 0.3)
        try:
            kind = draw.random()
            if kind < 0.5:
                desk.add(account, wish(draw, quiet, serial))
            elif kind < 0.7:
                desk.amend(account, order_id, None, change)
            elif kind < 0.8:
                desk.edit(account, order_id, None, change)
            elif kind < 0.85:
                desk.cancel(account, order_id, None)
            else:
                price, side = 6_000_000 + 100 * draw.randrange(-9, 10), draw.choice((1, -1))
                quiet.venue.apply(
                    PlaceOrder(quiet.venue.now_ns(), CROWD, 0, side, 0, price, draw.randrange(10, 500))
                )
        except KrakenError:
            refused += 1
        assert desk.amending is None
    assert 50 < refused < 600
    _adds_up(quiet)
    again = Register(quiet.venue.exchange, (0, 1), 10_000)
    assert seen(again) == seen(register)


def _adds_up(quiet: Quiet) -> None:
    exchange, register = quiet.venue.exchange, quiet.voice.register
    for account in (0, 1):
        lives = register.lives(account)
        opened = {one.order.order_id for one in lives if one.open}
        assert opened == {one.order_id for one in exchange.open_orders(account)}
        for life in lives:
            assert life.filled_lots == sum(one.size_lots for one in life.trades) <= life.size_lots
    traded = [
        one
        for heard in quiet.told
        for one in heard.outputs
        if isinstance(one, Execution) and one.kind == ExecutionKind.TRADE and one.order.account in (0, 1)
    ]
    assert len(traded) == sum(len(one.trades) for account in (0, 1) for one in register.lives(account)) > 50


def test_what_an_order_is_told_of_never_goes_back() -> None:
    quiet, draw = Quiet(config(dialect="kraken", kraken_tier="none")), random.Random(9)
    order = quiet.voice.desk.add(0, wish(random.Random(2), quiet, 1))
    assert order is not None
    for _ in range(40):
        try:
            quiet.voice.desk.amend(0, order.order_id, None, Change(f"0.{draw.randrange(900):05d}", None))
        except KrakenError:
            continue
    kinds = [told.kind for heard in quiet.told for told in heard.told if told.channel == "executions"]
    assert kinds[:2] == ["pending_new", "new"] and set(kinds[2:]) <= {"amended", "trade", "filled"}


def test_the_dialect_and_its_limits_are_no_part_of_what_a_journal_depends_on() -> None:
    plain = config()
    for changes in ({"dialect": "kraken"}, {"kraken_tier": "starter"}):
        assert config(**changes).core_hash() == plain.core_hash()


def test_a_secret_that_is_no_base64_is_refused_at_the_start() -> None:
    made: Any = config(dialect="kraken")
    for bad in ("not base64!", "abc"):
        with pytest.raises(ConfigError, match="A_SECRET is not base64"):
            read_keys(made, {**KEYS, "A_SECRET": bad})
