"""One region, as its TOML file says it; complete enough to read alone."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agents.arbitrage.config import ArbitrageConfig
from domain.errors import ConfigError
from domain.ids import SHARD_MAX
from market.config import PipelineConfig
from market.history.recorder import RecorderConfig
from market.indicator_names import parse
from market.schedule import ScheduleConfig
from market.venues.config import VenueConfig, check_port
from risk.limits import AgentLimits, NodeLimits

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Seconds = Annotated[float, Field(gt=0, le=3600)]
# What a hand of an arbitrage group is called where agents name their strategy.
ARBITRAGE = "arbitrage"


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CoordinatorConfig(_Table):
    """Where the coordinator answers."""

    address: Annotated[str, Field(pattern=r"^(tcp|ipc|inproc)://.+")]

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.address.startswith("tcp://"):
            check_port("address", self.address)
        return self


class VenueTable(VenueConfig):
    """One venue account of this region, and the markets followed there."""

    symbols: Annotated[tuple[Name, ...], Field(min_length=1)]


class AgentConfig(_Table):
    """One agent: a strategy on one market of one venue."""

    name: Name
    shard: Annotated[int, Field(ge=0, le=SHARD_MAX)]
    strategy: Name
    venue: Name
    symbol: Name
    parameters: dict[str, Any] = Field(default_factory=dict)
    limits: AgentLimits = AgentLimits()
    warm_ticks: Annotated[int, Field(ge=0, le=1000)] = 20


class DeskConfig(_Table):
    """How the order desk waits, asks and holds back."""

    submit_timeout_s: Seconds = 2.0
    submit_window_s: Seconds = 5.0
    cancel_timeout_s: Seconds = 2.0
    query_backoff_s: Seconds = 0.5
    query_backoff_max_s: Seconds = 8.0
    refusal_hold_s: Seconds = 0.25
    requote_ppm: Annotated[int, Field(ge=0, le=10_000)] = 20
    take_bps: Annotated[int, Field(ge=0, le=1_000)] = 20
    ids_block: Annotated[int, Field(ge=2, le=1 << 20)] = 1024
    closed_orders_max: Annotated[int, Field(ge=1, le=1 << 20)] = 4096


class AuthorityConfig(_Table):
    """How long a node goes on without the coordinator, and how often it checks itself."""

    reduce_only_s: Annotated[float, Field(ge=0, le=3600)] = 10.0
    reconcile_s: Seconds = 10.0
    fetch_timeout_s: Seconds = 5.0


class JournalConfig(_Table):
    """How the node's journal commits and when it takes a snapshot."""

    commit_ms: Annotated[int, Field(ge=1, le=1000)] = 5
    snapshot_events: Annotated[int, Field(ge=1000, le=10_000_000)] = 100_000


class HistoryConfig(_Table):
    """Whether market data is recorded, and of how long ago a new node's indicators begin.

    What lies between history and the first live trade is asked of the venues for at most `fill_s`.
    """

    record: bool = False
    warm_s: Annotated[float, Field(ge=0, le=14 * 86_400)] = 0.0
    fill_s: Annotated[float, Field(ge=0, le=600)] = 10.0
    recorder: RecorderConfig = RecorderConfig()


class HotConfig(_Table):
    """What a node spends to be quick: a whole core (`spin`), and the thousandths of one that rehearsals take.

    `rehearse_us` is the pause between two rehearsals, 0 for none; without `spin` the loop's timers make
    milliseconds of it. `priority` is SCHED_FIFO's, 0 for the usual scheduling.
    """

    spin: bool = False
    rehearse_us: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    priority: Annotated[int, Field(ge=0, le=50)] = 0


class MindsConfig(_Table):
    """A model older than `age_s_max` is late, and no longer asked."""

    age_s_max: Annotated[float, Field(gt=0)] = 7 * 86_400.0


class RegionConfig(_Table):
    """A whole region."""

    node: Name
    region: Name
    reporting_currency: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}$")] = "USDT"
    coordinator: CoordinatorConfig
    venues: Annotated[tuple[VenueTable, ...], Field(min_length=1)]
    agents: Annotated[tuple[AgentConfig, ...], Field(min_length=1)]
    arbitrage: tuple[ArbitrageConfig, ...] = ()
    market: PipelineConfig = PipelineConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    history: HistoryConfig = HistoryConfig()
    limits: NodeLimits = NodeLimits()
    desk: DeskConfig = DeskConfig()
    authority: AuthorityConfig = AuthorityConfig()
    journal: JournalConfig = JournalConfig()
    hot: HotConfig = HotConfig()
    minds: MindsConfig = MindsConfig()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        symbols = {venue.name: venue.symbols for venue in self.venues}
        if len(symbols) != len(self.venues):
            raise ValueError("two venues share a name")
        for place, name in enumerate(self.market.indicators):
            if name in self.market.indicators[:place]:
                raise ValueError(f"market.indicators names {name} twice")
        for name in self.market.books:
            if name not in symbols:
                raise ValueError(f"market.books names {name}, which is not a venue here")
        hands = self._hands()
        working = (*self.agents, *hands)
        if len({agent.shard for agent in working}) != len(working):
            raise ValueError("two agents share a shard")
        if len({agent.name for agent in working}) != len(working):
            raise ValueError("two agents share a name")
        for agent in self.agents:
            if agent.venue not in symbols:
                raise ValueError(f"agent {agent.name} trades at {agent.venue}, which is not a venue here")
            if agent.symbol not in symbols[agent.venue]:
                raise ValueError(
                    f"agent {agent.name} trades {agent.symbol}, which {agent.venue} does not list"
                )
        return self

    def _hands(self) -> list[AgentConfig]:
        """Name every hand of every arbitrage group; what a group names must be there."""
        listed = {venue.name: set(venue.symbols) for venue in self.venues}
        hands: list[AgentConfig] = []
        for group in self.arbitrage:
            for venue in group.venues:
                if venue not in listed:
                    raise ValueError(f"{group.name} trades at {venue}, which is not a venue here")
            for symbol in group.symbols:
                if not any(symbol in listed[venue] for venue in group.venues or listed):
                    raise ValueError(f"{group.name} trades {symbol}, which no venue of it lists")
            hands += self.hands(group)
        return hands

    def hands(self, group: ArbitrageConfig) -> tuple[AgentConfig, ...]:
        """Name the hands of an arbitrage group, in the order of the venues and their symbols."""
        traded = [
            (venue.name, symbol)
            for venue in self.venues
            if not group.venues or venue.name in group.venues
            for symbol in venue.symbols
            if not group.symbols or symbol in group.symbols
        ]
        if len(traded) < 2:
            raise ValueError(f"{group.name} has fewer than two markets to trade between")
        if group.shard + len(traded) - 1 > SHARD_MAX:
            raise ValueError(f"{group.name} needs {len(traded)} shards from {group.shard} on")
        return tuple(
            AgentConfig(
                name=f"{group.name}-{venue}-{symbol}"[:64],
                shard=group.shard + place,
                strategy=ARBITRAGE,
                venue=venue,
                symbol=symbol,
                limits=group.limits,
                warm_ticks=0,
            )
            for place, (venue, symbol) in enumerate(traded)
        )


def load_region(path: Path | str) -> RegionConfig:
    """Read a region file; what is wrong comes as one line with file, table, field and mend."""
    place = Path(path)
    try:
        table = tomllib.loads(place.read_text("utf-8"))
    except OSError as trouble:
        raise ConfigError(
            f"cannot read the region file: {trouble.strerror}", where=str(place), mend="give its path"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as trouble:
        raise ConfigError(f"not a TOML file: {trouble}", where=str(place), mend="mend that line") from None
    return region(table, str(place))


def region(table: dict[str, Any], where: str) -> RegionConfig:
    """Check a region's tables."""
    from agents.strategies import check_parameters

    try:
        config = RegionConfig.model_validate(table)
    except ValidationError as trouble:
        raise _one_line(trouble, where, ()) from None
    for name in config.market.indicators:
        parse(name, f"{where}: market.indicators")
    for number, agent in enumerate(config.agents):
        try:
            check_parameters(agent.strategy, agent.parameters)
        except ValidationError as trouble:
            raise _one_line(trouble, where, ("agents", number, "parameters")) from None
        except KeyError as trouble:
            raise ConfigError(
                f"agents.{number}.strategy: no strategy is named {agent.strategy}",
                where=where,
                mend=f"use one of {', '.join(trouble.args[0])}",
            ) from None
    return config


def _one_line(trouble: ValidationError, where: str, prefix: tuple[str | int, ...]) -> ConfigError:
    first = trouble.errors(include_url=False)[0]
    place = ".".join(str(part) for part in (*prefix, *first["loc"])) or "the file"
    kind, what = first["type"], first["msg"].removeprefix("Value error, ")
    if kind == "missing":
        mend = "add the field"
    elif kind == "extra_forbidden":
        mend = "remove the field, or mend its spelling"
    elif kind == "value_error":
        mend = "make the two agree"
    else:
        mend = f"mend the value, now {str(first.get('input'))[:60]!r}"
    return ConfigError(f"{place}: {what}", where=where, mend=mend)
