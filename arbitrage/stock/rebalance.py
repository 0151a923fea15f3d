"""What would bring inventory to its targets for the least: transfers and trades, planned and not made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.legs import Legs
from arbitrage.stock.flow import Edge, cheapest
from arbitrage.stock.inventory import Inventory
from domain.moves import TRADE, TRANSFER, Proposal
from domain.units import PPM, atoms_text

_PPB = 1_000_000_000
_HOUR_NS = 3_600_000_000_000
_UNLIMITED_ATOMS = 1 << 62
# No venue trades so little; and where an atom that is rounded counts, moves would go to and fro for it.
DUST_ATOMS = 1_000


class RebalanceConfig(BaseModel):
    """State when inventory is moved, and what of it a node may do itself.

    Every `every_s` it is planned anew; an asset is looked at once a venue is off its target by `band_frac` of
    it, and is then brought to it. `hour_ppm` is what an hour under way costs. A way whose cost exceeds
    `cost_ppm_max` of what it carries is not worth it.

    Transfers are the operator's: `late_s` after one should have arrived it is alarmed, and a move that was
    dropped is not proposed again for `dropped_s`. With `execute` the node makes trades itself, between the
    venues of `between` (none named: all of the group's), one at a time and `trade_every_s` apart, each of at
    most `trade_max` in the reporting currency; and never for more than `trade_bps_max`, nor for more than
    inventory gains by it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_s: float = Field(60.0, gt=0, le=86_400)
    band_frac: float = Field(0.25, gt=0, le=10)
    move_frac_min: float = Field(0.02, ge=0, le=1)
    hour_ppm: int = Field(50, ge=0, le=PPM)
    cost_ppm_max: int = Field(2_000, ge=0, le=PPM)
    late_s: float = Field(900.0, ge=0, le=7 * 86_400)
    dropped_s: float = Field(3_600.0, ge=0, le=30 * 86_400)
    execute: bool = False
    between: tuple[str, ...] = ()
    trade_every_s: float = Field(10.0, ge=0.1, le=86_400)
    trade_max: Annotated[Decimal, Field(gt=0, le=Decimal(500_000_000))] = Decimal(2_000)
    trade_bps_max: float = Field(15.0, ge=0, le=1_000)


class Way(msgspec.Struct, frozen=True, array_like=True):
    """How an asset can be sent from one venue to another: the fees, fixed and by size, and the delay."""

    asset: str
    from_venue: str
    to_venue: str
    fee_atoms: int
    fee_ppm: int
    delay_ns: int
    atoms_min: int = 1
    atoms_max: int = _UNLIMITED_ATOMS


class TradeWay(msgspec.Struct, frozen=True, array_like=True):
    """How trading moves an asset: sold at one venue and bought at another at once.

    `cost_ppm` is what the cycle loses, below zero where it gains; `atoms_max` is what the books bear.
    """

    asset: str
    from_venue: str
    to_venue: str
    cost_ppm: int
    atoms_max: int
    legs: Legs


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """Say what would bring inventory to its targets. `unmet` tells by asset what no way can bring."""

    proposals: tuple[Proposal, ...]
    unmet: tuple[tuple[str, int], ...]


def proposals(
    config: RebalanceConfig, inventory: Inventory, ways: Sequence[Way], trades: Sequence[TradeWay]
) -> Plan:
    """Find the cheapest moves of every asset that is off its targets; none is made by it.

    What is in flight counts where it shall arrive, so that nothing is sent twice.
    """
    found: list[Proposal] = []
    unmet: list[tuple[str, int]] = []
    for asset in inventory.assets():
        targets = inventory.targets(asset)
        surplus = _surplus(inventory, asset, targets)
        if not _is_off(surplus, targets, config.band_frac):
            continue
        own = [way for way in ways if way.asset == asset]
        trading = [
            trade for trade in trades if trade.asset == asset and trade.cost_ppm <= config.cost_ppm_max
        ]
        held = {venue: inventory.lying_atoms(venue, asset) for venue in targets}
        sent, traded = _cheapest(config, surplus, held, own, trading)
        found += [_transfer(way, atoms, surplus) for way, atoms in zip(own, sent, strict=True) if atoms > 0]
        found += [_trade(each, atoms, surplus) for each, atoms in zip(trading, traded, strict=True) if atoms]
        short = sum(units for units in surplus.values() if units > 0) - sum(sent) - sum(traded)
        if short > 0:
            unmet.append((asset, short))
    return Plan(tuple(found), tuple(unmet))


def _surplus(inventory: Inventory, asset: str, targets: Mapping[str, int]) -> dict[str, int]:
    return {
        venue: inventory.lying_atoms(venue, asset) + inventory.flying_atoms(asset, venue) - target
        for venue, target in targets.items()
    }


def _is_off(surplus: Mapping[str, int], targets: Mapping[str, int], band_frac: float) -> bool:
    return sum(surplus.values()) == 0 and any(
        abs(units) > max(band_frac * targets[venue], DUST_ATOMS) for venue, units in surplus.items()
    )


def _cheapest(
    config: RebalanceConfig,
    surplus: Mapping[str, int],
    held: Mapping[str, int],
    ways: Sequence[Way],
    trades: Sequence[TradeWay],
) -> tuple[list[int], list[int]]:
    """Solve, drop the ways that carry too little or cost too much for what they carry, and solve again.

    A fixed fee is spread over what its way carried in the round before. With every round a way fewer is open,
    so that there are at most as many rounds as ways.
    """
    least = max(1, int(sum(held.values()) * config.move_frac_min))
    spread = [max(sum(units for units in surplus.values() if units > 0), 1)] * len(ways)
    closed: set[int] = set()
    while True:
        edges = [
            _edge(config, way, spread[place], open_=place not in closed) for place, way in enumerate(ways)
        ]
        edges += [
            # A gain counts as none: what goes round in a circle for it would move nothing.
            Edge(trade.from_venue, trade.to_venue, max(0, trade.cost_ppm) * 1_000, trade.atoms_max)
            for trade in trades
        ]
        flows = cheapest(surplus, held, edges)
        sent, traded = flows[: len(ways)], flows[len(ways) :]
        spread = [atoms if atoms > 0 else before for atoms, before in zip(sent, spread, strict=True)]
        poor = [
            place
            for place, way in enumerate(ways)
            if sent[place] > 0 and _is_poor(config, way, sent[place], least)
        ]
        if not poor:
            return sent, traded
        closed.add(min(poor, key=lambda place: (sent[place], place)))


def _edge(config: RebalanceConfig, way: Way, spread_atoms: int, *, open_: bool) -> Edge:
    cost_ppb = _cost_ppb(config, way, spread_atoms)
    return Edge(way.from_venue, way.to_venue, cost_ppb, way.atoms_max if open_ else 0)


def _cost_ppb(config: RebalanceConfig, way: Way, atoms: int) -> int:
    delay_ppb = config.hour_ppm * 1_000 * way.delay_ns // _HOUR_NS
    return way.fee_ppm * 1_000 + delay_ppb + -(-way.fee_atoms * _PPB // atoms)


def _is_poor(config: RebalanceConfig, way: Way, atoms: int, least: int) -> bool:
    return atoms < max(least, way.atoms_min) or _fee(way, atoms) * PPM > config.cost_ppm_max * atoms


def _fee(way: Way, atoms: int) -> int:
    return way.fee_atoms - (-atoms * way.fee_ppm // PPM)


def _transfer(way: Way, atoms: int, surplus: Mapping[str, int]) -> Proposal:
    why, fee = _why(way, surplus), _fee(way, atoms)
    return Proposal(TRANSFER, way.asset, way.from_venue, way.to_venue, atoms, fee, way.delay_ns, (), why)


def _trade(way: TradeWay, atoms: int, surplus: Mapping[str, int]) -> Proposal:
    why, cost = _why(way, surplus), -(-atoms * way.cost_ppm // PPM)
    return Proposal(TRADE, way.asset, way.from_venue, way.to_venue, atoms, cost, 0, way.legs, why)


def _why(way: Way | TradeWay, surplus: Mapping[str, int]) -> str:
    over, under = atoms_text(surplus[way.from_venue]), atoms_text(-surplus[way.to_venue])
    return f"{way.from_venue} is {over} over its target, {way.to_venue} {under} under"
