"""What Kraken's listeners hear of what happens at the exchange."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.instrument import Instrument
from sim.exchange.kraken.accounts import Accounts, Told
from sim.exchange.kraken.desk import Desk
from sim.exchange.kraken.errors import KrakenError
from sim.exchange.kraken.feed import Feed, Listener
from sim.exchange.kraken.ids import kraken_number
from sim.exchange.kraken.keys import Tokens
from sim.exchange.kraken.limits import RateLimits
from sim.exchange.kraken.pairs import pair_record
from sim.exchange.kraken.register import Register
from sim.exchange.messages import Command, MarketChanged, Output, PublicTrade
from sim.exchange.server_venue import Venue

_encode = msgspec.json.Encoder().encode


class Heard(msgspec.Struct, frozen=True):
    """A command, what it did, and what its accounts are told."""

    command: Command
    outputs: Sequence[Output]
    told: Sequence[Told]


class KrakenVoice:
    """Give every market its feed, and every account its own."""

    def __init__(self, venue: Venue) -> None:
        self.feeds = [Feed(venue, one) for one in venue.exchange.instruments]
        self.by_symbol = {one.symbol: one for one in self.feeds}
        self.instruments: dict[Listener, None] = {}
        keyed = sorted({owner.account for owner in venue.keys.values()})
        self.register = Register(venue.exchange, keyed, venue.config.ended_orders_kept)
        self.limits = RateLimits(venue.config.kraken_tier)
        self.desk = Desk(venue, self.register, self.limits)
        self.accounts = Accounts(venue, self.register, self.desk)
        self.tokens = Tokens()
        self._venue = venue

    def market(self, symbol: str) -> Instrument:
        """Give a market by its WebSocket symbol, or raise the refusal."""
        feed = self.by_symbol.get(symbol)
        if feed is None:
            raise KrakenError("EQuery:Unknown asset pair")
        return feed.market

    def cancelled(self, account: int, names: Sequence[str]) -> int:
        """Cancel orders by either of their ids, inside work; tell how many there were."""
        count = 0
        for name in names:
            known = kraken_number("O", name) is not None
            order_id, cl_ord_id = (name, None) if known else (None, name)
            try:
                self.desk.cancel(account, order_id, cl_ord_id)
            except KrakenError:
                continue
            count += 1
        return count

    def heard(self, command: Command, outputs: Sequence[Output]) -> Sequence[object]:
        """Give the events to tell; called inside the work that made them."""
        for one in outputs:
            if isinstance(one, PublicTrade):
                self._venue.tickers.add(one)
        return [Heard(command, outputs, self.accounts.heard(command, outputs))]

    def tell(self, event: object) -> None:
        """Tell an event to those who listen."""
        assert isinstance(event, Heard)
        self.feeds[event.command.instrument].happened(event.command, event.outputs)
        for told in event.told:
            self.accounts.tell(told)
        for one in event.outputs:
            if isinstance(one, MarketChanged):
                self._tell_rules(one.instrument)

    def _tell_rules(self, place: int) -> None:
        data = {"assets": [], "pairs": [pair_record(self._venue.exchange.markets[place])]}
        payload = _encode({"channel": "instrument", "type": "update", "data": data})
        for listener in list(self.instruments):
            listener.send(payload)
