"""What Kraken's listeners hear of what happens at the exchange."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sim.exchange.kraken.feed import Feed, Listener
from sim.exchange.kraken.pairs import pair_record
from sim.exchange.messages import Command, MarketChanged, Output, PublicTrade
from sim.exchange.server_venue import Venue

_encode = msgspec.json.Encoder().encode


class Heard(msgspec.Struct, frozen=True):
    """A command, what it did, and what its accounts are told."""

    command: Command
    outputs: Sequence[Output]


class KrakenVoice:
    """Give every market its feed."""

    def __init__(self, venue: Venue) -> None:
        self.feeds = [Feed(venue, one) for one in venue.exchange.instruments]
        self.by_symbol = {one.symbol: one for one in self.feeds}
        self.instruments: dict[Listener, None] = {}
        self._venue = venue

    def heard(self, command: Command, outputs: Sequence[Output]) -> Sequence[object]:
        """Give the events to tell; called inside the work that made them."""
        for one in outputs:
            if isinstance(one, PublicTrade):
                self._venue.tickers.add(one)
        return [Heard(command, outputs)]

    def tell(self, event: object) -> None:
        """Tell an event to those who listen."""
        assert isinstance(event, Heard)
        self.feeds[event.command.instrument].happened(event.command, event.outputs)
        for one in event.outputs:
            if isinstance(one, MarketChanged):
                self._tell_rules(one.instrument)

    def _tell_rules(self, place: int) -> None:
        data = {"assets": [], "pairs": [pair_record(self._venue.exchange.markets[place])]}
        payload = _encode({"channel": "instrument", "type": "update", "data": data})
        for listener in list(self.instruments):
            listener.send(payload)
