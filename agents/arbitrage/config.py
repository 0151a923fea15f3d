"""One arbitrage group of a region, as its file says it."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from agents.arbitrage.planning import WayConfig
from arbitrage.filter.config import FilterConfig
from arbitrage.graph.price_graph import GraphConfig
from arbitrage.saga.plan import SagaConfig
from arbitrage.saga.sagas import SagasConfig
from arbitrage.stock.inventory import InventoryConfig
from arbitrage.stock.rebalance import RebalanceConfig
from arbitrage.worth.capital import CapitalConfig
from arbitrage.worth.shadow import ShadowConfig
from arbitrage.worth.threshold import ThresholdConfig
from domain.ids import SHARD_MAX
from domain.units import atoms
from risk.limits import AgentLimits, Money

Name = Annotated[str, Field(min_length=1, max_length=24, pattern=r"^[A-Za-z0-9_.-]+$")]
Microseconds = Annotated[int, Field(ge=1, le=10_000_000)]
Amount = Annotated[Decimal, Field(gt=0, le=Decimal(500_000_000))]


class ArbitrageConfig(BaseModel):
    """Arbitrage over the markets of some venues: one hand a market, on consecutive shards from `shard` on.

    No `venues` means all of the region's, no `symbols` all that a venue lists. `reach_us` says how far each
    region that runs arbitrage is from each venue it has an account at, one way: all regions carry the same
    table, and the one whose slowest leg is nearest executes. It holds for latency until that was measured.
    `capital` is what all its tickets may bind together, `losses` by asset what all its sagas, which begin and
    end in that asset, may lose together; none is ever begun in an asset that is not there. `ways` are how
    an operator can send inventory between venues; `rebalance` says when that is planned, and what is traded.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    shard: Annotated[int, Field(ge=0, le=SHARD_MAX)]
    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    limits: AgentLimits = AgentLimits()
    capital: Money = Decimal(50_000)
    losses: dict[str, Amount] = Field(default_factory=dict)
    sagas_max: Annotated[int, Field(ge=1, le=64)] = 4
    reach_us: dict[str, dict[str, Microseconds]] = Field(default_factory=dict)
    graph: GraphConfig = GraphConfig()
    filter: FilterConfig = FilterConfig()
    threshold: ThresholdConfig = ThresholdConfig()
    shares: CapitalConfig = CapitalConfig()
    shadow: ShadowConfig = ShadowConfig()
    inventory: InventoryConfig = InventoryConfig()
    saga: SagaConfig = SagaConfig()
    rebalance: RebalanceConfig = RebalanceConfig()
    ways: tuple[WayConfig, ...] = ()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if len(set(self.venues)) != len(self.venues) or len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a venue or a symbol is named twice")
        if self.venues and not set(self.rebalance.between) <= set(self.venues):
            raise ValueError("rebalance.between names a venue that the group does not trade at")
        return self

    @property
    def capital_atoms(self) -> int:
        """Give the capital in atoms of the reporting currency."""
        return atoms(format(self.capital, "f"), "down")

    def sagas(self) -> SagasConfig:
        """Give the bounds of all sagas together."""
        budget = {asset: atoms(format(loss, "f"), "down") for asset, loss in self.losses.items()}
        return SagasConfig(sagas_max=self.sagas_max, budget_atoms=budget)

    def reach_ns(self) -> dict[tuple[str, str], int]:
        """Give every distance by region and venue."""
        return {
            (region, venue): 1_000 * us for region, row in self.reach_us.items() for venue, us in row.items()
        }
