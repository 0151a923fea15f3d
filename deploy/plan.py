"""What runs where: the processes of one machine, with their ports, keys and arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from agents.config import RegionConfig, load_region
from deploy.child import Child
from deploy.credentials import venue_credentials
from domain.errors import ConfigError
from sim.exchange.config import ExchangeConfig, load_exchanges

HERE = Path(__file__).parent
EXCHANGES = HERE / "exchanges.toml"
REGIONS = HERE / "regions"
VENUE_PORT_OFFSET, FEDERATION_PORT_OFFSET = 31, 61
# They come after everybody who trades, and nobody waits for them.
LEARNERS = ("learner", "federation")


@dataclass(frozen=True)
class Plan:
    """Name everything that a swarm on one machine consists of."""

    state: Path
    seed: int
    port_base: int
    regions: tuple[RegionConfig, ...]
    exchanges: tuple[str, ...]
    credentials: dict[str, str]
    learn: bool = False
    federate: bool = False

    @property
    def learning(self) -> tuple[str, ...]:
        """Name the regions that have something to learn from, where learning is asked for."""
        asked = self.learn or self.federate
        return tuple(region.region for region in self.regions if asked and learns(region))

    @property
    def coordinator(self) -> str:
        """Give the coordinator's address."""
        return f"tcp://127.0.0.1:{self.port_base}"

    def venue_port(self, name: str) -> int:
        """Give the port of an exchange."""
        return self.port_base + VENUE_PORT_OFFSET + self.exchanges.index(name)

    @property
    def federation_port(self) -> int:
        """Give the SuperLink's port; each region's node has one of those that follow."""
        return self.port_base + FEDERATION_PORT_OFFSET

    def ports(self) -> list[tuple[str, int]]:
        """List every port that must be free."""
        venues = [(name, self.venue_port(name)) for name in self.exchanges]
        count = len(self.learning) + 1 if self.federate else 0
        federation = [("federation", self.federation_port + place) for place in range(count)]
        return [("coordinator", self.port_base), *venues, *federation]

    def children(self, now_ns: Callable[[], int]) -> dict[str, Child]:
        """Describe the processes, in the order in which they start."""
        first_port = str(self.port_base + VENUE_PORT_OFFSET)
        venue = ["venue", "--config", str(EXCHANGES), "--port-base", first_port, "--seed", str(self.seed)]
        described = {
            "venue": venue,
            "coordinator": ["coordinator", "--listen", self.coordinator],
            **{region.node: self._node(region) for region in self.regions},
        }
        described |= self._learners()
        environment = {**os.environ, **self.credentials}
        return {
            name: Child(
                name,
                (*arguments, "--state", str(self.state)),
                environment,
                self.state / "logs" / f"{name}.log",
                now_ns,
                vital=name not in LEARNERS,
            )
            for name, arguments in described.items()
        }

    def _learners(self) -> dict[str, list[str]]:
        """Describe who learns beside the nodes: one process, or a federation and a learner beside it."""
        regions = list(self.learning)
        if not regions:
            return {}
        if not self.federate:
            return {"learner": ["learner", "--regions", *regions]}
        start = ["federate", "start", "--foreground", "--port", str(self.federation_port), "--paced"]
        return {
            "learner": ["learner", "--federated", "--regions", *regions],
            "federation": [*start, "--regions", *regions],
        }

    def _node(self, region: RegionConfig) -> list[str]:
        arguments = ["node", "--region", region.region, "--coordinator", self.coordinator]
        for venue in region.venues:
            arguments += ["--venue", f"{venue.name}=127.0.0.1:{self.venue_port(venue.name)}"]
        return arguments


def learns(region: RegionConfig) -> bool:
    """Tell whether a region has agents that a model answers."""
    return any(agent.strategy == "learned" for agent in region.agents)


def plan(
    state: Path,
    *,
    seed: int,
    port_base: int,
    only: list[str] | None,
    learn: bool = False,
    federate: bool = False,
) -> Plan:
    """Read every config once, before anything starts."""
    files = region_files(only)
    regions = tuple(load_region(path) for path in files)
    _check_apart(files, regions)
    exchanges = load_exchanges(EXCHANGES)
    names = tuple(exchange.name for exchange in exchanges)
    _check_venues(regions, exchanges)
    credentials = venue_credentials(state / "keys", _secret_names(regions, exchanges))
    return Plan(state, seed, port_base, regions, names, credentials, learn, federate)


def region_files(only: list[str] | None) -> list[Path]:
    """Find the region files, all or those named."""
    found = {path.parent.name: path for path in sorted(REGIONS.glob("*/region.toml"))}
    for name in only or ():
        if name not in found:
            raise ConfigError(
                f"there is no region {name}", where=str(REGIONS), mend=f"choose from {', '.join(found)}"
            )
    return [found[name] for name in dict.fromkeys(only or found)]


def _check_apart(files: Iterable[Path], regions: Iterable[RegionConfig]) -> None:
    """Refuse region files that are not each other's equals: a copy whose names were not all changed."""
    owners: dict[str, Path] = {}
    for path, region in zip(files, regions, strict=True):
        if region.region != path.parent.name:
            raise ConfigError(
                f"region: {region.region} is in the folder of {path.parent.name}",
                where=str(path),
                mend=f'write region = "{path.parent.name}", or rename the folder',
            )
        accounts = (f"account {venue.account} of {venue.name}" for venue in region.venues)
        for thing in (f"node {region.node}", *accounts):
            other = owners.setdefault(thing, path)
            if other != path:
                raise ConfigError(f"{thing} is {other}'s too", where=str(path), mend="give each its own")


def _check_venues(regions: Iterable[RegionConfig], exchanges: Iterable[ExchangeConfig]) -> None:
    """Refuse a region that trades where nothing is simulated, or from an account that is not there."""
    accounts = {each.name: [account.name for account in each.accounts] for each in exchanges}
    for region in regions:
        for venue in region.venues:
            if venue.name not in accounts:
                raise ConfigError(
                    f"venue {venue.name} is not simulated here",
                    where=f"region {region.region}",
                    mend=f"name one of {', '.join(accounts)}, "
                    "or start the region by itself with `swarm node`",
                )
            if venue.account not in accounts[venue.name]:
                raise ConfigError(
                    f"{venue.name} has no account {venue.account}",
                    where=f"region {region.region}",
                    mend=f"add it to the exchange in {EXCHANGES.name}, or name one that is there",
                )


def _secret_names(regions: Iterable[RegionConfig], exchanges: Iterable[ExchangeConfig]) -> list[str]:
    accounts = [account for exchange in exchanges for account in exchange.accounts]
    venues = [venue for region in regions for venue in region.venues]
    named = [(each.api_key_env, each.api_secret_env) for each in accounts]
    named += [(each.api_key_env, each.api_secret_env) for each in venues]
    return [name for pair in named for name in pair if name]
