"""The whole swarm in one process and in virtual time: a Mesa model of exchanges, nodes and a coordinator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mesa

from agents.config import RegionConfig
from agents.record import recover
from bus.journal_memory import MemoryJournal
from coordinator.config import CoordinatorConfig
from coordinator.core import Coordinator
from domain.draws import stream_seed
from domain.errors import ConfigError
from domain.instrument import Instrument
from domain.protocols import Store
from domain.report import Summary
from sim.coordinator_actor import CoordinatorActor
from sim.exchange.config import ExchangeConfig
from sim.exchange.exchange import Exchange
from sim.exchange.recovery import RecordedExchange
from sim.market.config import FlowConfig, price_config
from sim.market.prices import PriceProcess
from sim.market.view import crowd
from sim.node_actor import NodeActor
from sim.schedule import Schedule
from sim.summary import JournalFacts, VenueTruth, summarise
from sim.translate import Translation, listed
from sim.venue_host import VenueHost
from sim.venue_link import VenueLink
from sim.wan import Path, WanConfig

# A round number in the past, so that no two runs differ by when they were made.
START_NS = 1_750_000_000_000_000_000
STEP_NS = 100_000_000
STOP_NS = 30_000_000_000

OpenStore = Callable[[str], Store]


@dataclass(frozen=True)
class SwarmPlan:
    """Say everything that a simulated swarm consists of."""

    seed: int
    exchanges: Sequence[ExchangeConfig]
    regions: Sequence[RegionConfig]
    wan: WanConfig = field(default_factory=WanConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    coordinator: CoordinatorConfig = field(default_factory=CoordinatorConfig)


class SwarmModel(mesa.Model):  # type: ignore[misc]
    """Step virtual time; every part is an agent of the model and keeps its journal at each step."""

    def __init__(self, plan: SwarmPlan, open_store: OpenStore = MemoryJournal) -> None:
        super().__init__(seed=plan.seed & 0xFFFF_FFFF)
        self.plan = plan
        self.schedule = Schedule(START_NS)
        self.stores: dict[str, Store] = {}
        self._open_store = open_store
        names = tuple(exchange.name for exchange in plan.exchanges)
        self._prices = PriceProcess(price_config(plan.exchanges), stream_seed(plan.seed, "prices"), names)
        self.hosts = {exchange.name: self._host(exchange) for exchange in plan.exchanges}
        self.coordinator = CoordinatorActor(
            self, Coordinator(plan.coordinator), self._store("coordinator"), self.schedule
        )
        self.nodes = [self._node(region) for region in plan.regions]
        self._actors: list[VenueHost | CoordinatorActor | NodeActor] = [
            *self.hosts.values(),
            self.coordinator,
            *self.nodes,
        ]
        for actor in self._actors:
            actor.start()

    def _store(self, name: str) -> Store:
        self.stores[name] = self._open_store(name)
        return self.stores[name]

    def _host(self, config: ExchangeConfig) -> VenueHost:
        recorded = RecordedExchange.recover(config, self._store(f"exchange-{config.name}"))
        flow = crowd(self.plan.flow, config, self._prices, self.plan.seed)
        return VenueHost(self, recorded, flow, self.schedule)

    def _node(self, region: RegionConfig) -> NodeActor:
        exchanges = [self._exchange(region, venue.name) for venue in region.venues]
        instruments: list[Instrument] = []
        for venue, exchange in zip(region.venues, exchanges, strict=True):
            account = exchange.config.account_index(venue.account)
            instruments += listed(exchange, account, venue.symbols, len(instruments))
        recorder, _ = recover(self._store(f"node-{region.node}"), region, instruments)
        to_us = self.plan.wan.to_coordinator_us(region.region)
        node = NodeActor(self, region, recorder, self.schedule, self._path(to_us, region.node, "up"))
        for venue, exchange in zip(region.venues, exchanges, strict=True):
            account = exchange.config.account_index(venue.account)
            translation = Translation(exchange, account, instruments)
            venue_us = self.plan.wan.to_venue_us(region.region, venue.name)
            up, down, feed = (
                self._path(venue_us, region.node, venue.name, way) for way in ("up", "down", "feed")
            )
            host = self.hosts[venue.name]
            node.attach(VenueLink(host, translation, self.schedule, node.deliver, (up, down, feed)))
        self.coordinator.attach(node, self._path(to_us, region.node, "down"))
        return node

    def _exchange(self, region: RegionConfig, name: str) -> Exchange:
        if name not in self.hosts:
            raise ConfigError(
                f"{region.region} trades at {name}, which is not simulated",
                where=region.node,
                mend=f"use one of {', '.join(self.hosts)}",
            )
        return self.hosts[name].exchange

    def _path(self, base_us: int, *names: str) -> Path:
        return Path(base_us, self.plan.wan.jitter_frac, self.plan.seed, *names)

    @property
    def virtual_s(self) -> float:
        """Give how long the swarm has run, in its own time."""
        return (self.schedule.now_ns - START_NS) / 1e9

    def step(self) -> None:
        """Let a tenth of a second pass, then keep every journal."""
        self.schedule.run(self.schedule.now_ns + STEP_NS)
        for actor in self._actors:
            actor.step()

    def run_for(self, seconds: float, tell: Callable[[float], None] = lambda virtual_s: None) -> None:
        """Run for so long in virtual time."""
        until_ns = self.schedule.now_ns + round(seconds * 1e9)
        while self.schedule.now_ns < until_ns:
            self.step()
            tell(self.virtual_s)

    def stop(self) -> None:
        """Ask every node to end, and wait until each has nothing open and agrees with its venue."""
        for node in self.nodes:
            node.stop()
        deadline_ns = self.schedule.now_ns + STOP_NS
        while self.schedule.now_ns < deadline_ns:
            self.step()
            reports = [node.report() for node in self.nodes]
            if all(report.flat_of_orders and report.reconciled for report in reports):
                break
        self.running = False

    def summary(self, verify: Callable[[str, Store], bool]) -> Summary:
        """Sum the run up as `swarm up` does."""
        reports = [node.report() for node in self.nodes]
        truths = [self._truth(node, link) for node in self.nodes for link in node.links()]
        facts = [
            JournalFacts(name, store.events, verify(name, store), store.head_hash)
            for name, store in self.stores.items()
        ]
        restarts = dict.fromkeys(self.stores, 0)
        return summarise(reports, truths, restarts, facts, self.virtual_s)

    @staticmethod
    def _truth(node: NodeActor, link: VenueLink) -> VenueTruth:
        translation = link.translation
        balances = translation.exchange.balances(translation.account)
        return VenueTruth(
            node.config.node,
            translation.venue,
            translation.exchange.config.accounts[translation.account].name,
            {asset: free + locked for asset, (free, locked) in balances.items()},
            tuple(order.client_text for order in translation.open_orders()),
        )


def readable(name: str, store: Store) -> bool:
    """Tell whether a journal gives back as many records as it took."""
    return sum(1 for _ in store.read(1)) == store.events
