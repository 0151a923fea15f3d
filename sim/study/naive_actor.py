"""The naive bot in virtual time: on the same paths as a node, its orders as late as a node's."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.events import Event
from domain.ids import client_id, client_id_parts, client_id_text
from domain.instrument import Instrument
from domain.market_events import Tick
from domain.order_events import Fill, OrderClosed, OrderRefusedByVenue
from sim.exchange.messages import PlaceOrder
from sim.schedule import Schedule
from sim.study.naive import Naive, NaiveConfig, NaiveOrder
from sim.swarm import SwarmModel
from sim.translate import Translation, listed, refused
from sim.venue_host import VenueHost, refusal_of
from sim.venue_link import VenueLink
from sim.wan import Path

SHARD = 4000


class NaiveLink(VenueLink):
    """A venue's connections, with orders that no gate looked at."""

    def place(self, order: NaiveOrder) -> None:
        """Send an order on its way."""
        self.schedule.put(self._up.arrival_ns(self.schedule.now_ns), self._reached, order)

    def _reached(self, order: NaiveOrder) -> None:
        now_ns, translation = self.schedule.now_ns, self.translation
        client = client_id(SHARD, 1, order.order)
        command = PlaceOrder(
            now_ns,
            translation.account,
            translation.to_venue[order.instrument],
            order.side,
            order.tif,
            order.price_ticks,
            order.size_lots,
            client_id_text(client),
        )
        said = refusal_of(self.host.take(command))
        if said is not None:
            local_ns = self._down.arrival_ns(now_ns)
            self._answer(local_ns, refused(client, said.kind, local_ns))


class NaiveActor:
    """Step the bot on what arrives, and send what it answers."""

    def __init__(
        self, model: SwarmModel, account: str, latency_us: int, config: NaiveConfig, node: str
    ) -> None:
        self._schedule = model.schedule
        self.stopping = False
        instruments: list[Instrument] = []
        for host in model.hosts.values():
            index = host.exchange.config.account_index(account)
            symbols = [one.symbol for one in host.exchange.instruments]
            instruments += listed(host.exchange, index, symbols, len(instruments))
        self._links = [
            _link(model, host, account, instruments, latency_us, node, self.deliver)
            for host in model.hosts.values()
        ]
        self._by_instrument = [link for link in self._links for _ in link.translation.to_venue]
        usdt_of = {"USDT": 1.0} | {
            market.base: float(market.start_price)
            for host in model.hosts.values()
            for market in host.exchange.config.markets
            if market.quote == "USDT"
        }
        self.bot = Naive(instruments, config, usdt_of)

    def start(self) -> None:
        """Connect."""
        for link in self._links:
            link.open()

    def deliver(self, event: Event) -> None:
        """Step the bot."""
        if type(event) is Tick:
            self._send([] if self.stopping else self.bot.seen(event))
        elif type(event) is Fill:
            self._send(self.bot.filled(client_id_parts(event.client_id)[2], event.size_lots))
        elif type(event) is OrderClosed or type(event) is OrderRefusedByVenue:
            self._send(self.bot.ended(client_id_parts(event.client_id)[2]))

    def _send(self, orders: Sequence[NaiveOrder]) -> None:
        for order in orders:
            self._by_instrument[order.instrument].place(order)


def _link(
    model: SwarmModel,
    host: VenueHost,
    account: str,
    instruments: Sequence[Instrument],
    latency_us: int,
    node: str,
    deliver: Callable[[Event], None],
) -> NaiveLink:
    venue = host.exchange.config.name
    schedule: Schedule = model.schedule
    jitter_frac, seed = model.plan.wan.jitter_frac, model.plan.seed
    up, down, feed = (Path(latency_us, jitter_frac, seed, node, venue, way) for way in ("up", "down", "feed"))
    translation = Translation(host.exchange, host.exchange.config.account_index(account), instruments)
    return NaiveLink(host, translation, schedule, deliver, (up, down, feed))
