"""How inventory comes back to its targets: transfers and reverse trades, proposed, or done where allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.legs import Legs
from arbitrage.stock.flow import Edge, cheapest
from arbitrage.stock.inventory import Flight, Inventory
from domain.units import PPM

_PPB = 1_000_000_000
_HOUR_NS = 3_600_000_000_000
_UNLIMITED_ATOMS = 1 << 62


class RebalanceConfig(BaseModel):
    """State when inventory is moved, and whether we may move it.

    An asset is looked at once a venue is off its target by `band_frac` of it. `hour_ppm` is what an hour
    under way costs. A transfer whose fees exceed `cost_ppm_max` of it is not worth it. Nothing is done, only
    proposed, unless `execute` is set; then only between venues of `simulated`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_s: float = Field(60.0, gt=0, le=86_400)
    band_frac: float = Field(0.25, gt=0, le=10)
    move_frac_min: float = Field(0.02, ge=0, le=1)
    hour_ppm: int = Field(50, ge=0, le=PPM)
    cost_ppm_max: int = Field(2_000, ge=0, le=PPM)
    execute: bool = False
    simulated: tuple[str, ...] = ()


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
    """How trading moves an asset: sold at one venue and bought at another, by a cycle that is nearly free.

    `cost_ppm` is what the cycle loses, below zero where it gains; `atoms_max` is what the books bear.
    """

    asset: str
    from_venue: str
    to_venue: str
    cost_ppm: int
    atoms_max: int
    legs: Legs


class Transfer(msgspec.Struct, frozen=True, array_like=True):
    """Propose to send `atoms`; the fees come off what arrives."""

    asset: str
    from_venue: str
    to_venue: str
    atoms: int
    fee_atoms: int
    delay_ns: int
    reason: str


class Reversal(msgspec.Struct, frozen=True, array_like=True):
    """Propose to move `atoms` by trading a cycle."""

    asset: str
    from_venue: str
    to_venue: str
    atoms: int
    cost_atoms: int
    legs: Legs
    reason: str


class MoveFunds(msgspec.Struct, frozen=True, array_like=True):
    """Carry a transfer out, between simulated venues; `flight` is to be noted when it was sent."""

    transfer: Transfer
    flight: Flight


class Plan(msgspec.Struct, frozen=True, array_like=True):
    """Say what would bring inventory to its targets. `unmet` tells by asset what no way can bring."""

    transfers: tuple[Transfer, ...]
    reversals: tuple[Reversal, ...]
    unmet: tuple[tuple[str, int], ...]


class Rebalance:
    """Plan now and then; what is in flight counts where it shall arrive, so that nothing is sent twice."""

    def __init__(self, config: RebalanceConfig) -> None:
        self.config = config
        self._planned_ns = -(1 << 62)
        self._next_id = 1

    def due(self, now_ns: int) -> bool:
        """Tell whether it is time to plan again."""
        return now_ns - self._planned_ns >= self.config.every_s * 1e9

    def plan(
        self, inventory: Inventory, ways: Sequence[Way], trades: Sequence[TradeWay], now_ns: int
    ) -> Plan:
        """Find the cheapest moves of every asset that is off its targets; no move is made by it."""
        self._planned_ns = now_ns
        return proposals(self.config, inventory, ways, trades)

    def actions(self, plan: Plan, now_ns: int) -> list[MoveFunds]:
        """Give what may be carried out without a person: nothing unless the config allows it."""
        allowed = [each for each in plan.transfers if self.config.execute and self._simulated(each)]
        return [MoveFunds(each, self._flight(each, now_ns)) for each in allowed]

    def state(self) -> bytes:
        """Give when it planned and the next transfer's id as data."""
        return msgspec.msgpack.encode((self._planned_ns, self._next_id))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        self._planned_ns, self._next_id = msgspec.msgpack.decode(state, type=tuple[int, int])

    def _simulated(self, transfer: Transfer) -> bool:
        return transfer.from_venue in self.config.simulated and transfer.to_venue in self.config.simulated

    def _flight(self, transfer: Transfer, now_ns: int) -> Flight:
        self._next_id += 1
        return Flight(
            self._next_id - 1, transfer.asset, transfer.from_venue, transfer.to_venue,
            transfer.atoms - transfer.fee_atoms, now_ns, now_ns + transfer.delay_ns,
        )  # fmt: skip


def proposals(
    config: RebalanceConfig, inventory: Inventory, ways: Sequence[Way], trades: Sequence[TradeWay]
) -> Plan:
    """Find the cheapest moves of every asset that is off its targets."""
    transfers: list[Transfer] = []
    reversals: list[Reversal] = []
    unmet: list[tuple[str, int]] = []
    for asset in inventory.assets():
        targets = inventory.targets(asset)
        surplus = _surplus(inventory, asset, targets)
        if not _is_off(surplus, targets, config.band_frac):
            continue
        own = [way for way in ways if way.asset == asset]
        trading = [trade for trade in trades if trade.asset == asset]
        held = {venue: inventory.held_atoms(venue, asset) for venue in targets}
        sent, traded = _cheapest(config, surplus, held, own, trading)
        transfers += [
            _transfer(way, atoms, surplus) for way, atoms in zip(own, sent, strict=True) if atoms > 0
        ]
        reversals += [
            _reversal(trade, atoms) for trade, atoms in zip(trading, traded, strict=True) if atoms > 0
        ]
        short = sum(units for units in surplus.values() if units > 0) - sum(sent) - sum(traded)
        if short > 0:
            unmet.append((asset, short))
    return Plan(tuple(transfers), tuple(reversals), tuple(unmet))


def _surplus(inventory: Inventory, asset: str, targets: Mapping[str, int]) -> dict[str, int]:
    return {
        venue: inventory.held_atoms(venue, asset) + inventory.flying_atoms(asset, venue) - target
        for venue, target in targets.items()
    }


def _is_off(surplus: Mapping[str, int], targets: Mapping[str, int], band_frac: float) -> bool:
    return sum(surplus.values()) == 0 and any(
        abs(units) > band_frac * targets[venue] for venue, units in surplus.items()
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
            Edge(trade.from_venue, trade.to_venue, trade.cost_ppm * 1_000, trade.atoms_max)
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


def _transfer(way: Way, atoms: int, surplus: Mapping[str, int]) -> Transfer:
    over, under = surplus[way.from_venue], -surplus[way.to_venue]
    reason = f"{way.from_venue} is {over} atoms over its target, {way.to_venue} {under} under"
    fee = _fee(way, atoms)
    return Transfer(way.asset, way.from_venue, way.to_venue, atoms, fee, way.delay_ns, reason)


def _reversal(trade: TradeWay, atoms: int) -> Reversal:
    cost = -(-atoms * trade.cost_ppm // PPM)
    reason = f"trading it there costs {trade.cost_ppm} ppm"
    return Reversal(trade.asset, trade.from_venue, trade.to_venue, atoms, cost, trade.legs, reason)
