"""What lies where, where it should lie, and what it is worth to have more of it there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.legs import COURSES_MAX, Legs
from domain.instrument import Instrument

Place = tuple[str, str]  # venue, asset
Share = Annotated[float, Field(ge=0, le=1_000_000)]


class InventoryConfig(BaseModel):
    """State targets and what being off them costs.

    `shares` tells, by asset and venue, how an asset's total is to lie; an asset that is not named lies
    evenly. `slope_bps` is what one whole target too much of an asset makes it cheaper there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shares: dict[str, dict[str, Share]] = {}
    slope_bps: float = Field(2.0, ge=0, le=1_000)
    bps_max: float = Field(20.0, ge=0, le=1_000)


class Flight(msgspec.Struct, frozen=True, array_like=True):
    """What of a transfer no balance shows yet: still lying where it leaves, or not yet where it arrives."""

    asset: str
    from_venue: str
    to_venue: str
    leaving_atoms: int
    arriving_atoms: int


_Flights = list[tuple[int, Flight]]


class Inventory:
    """Hold what each venue holds of each asset, and what is between them.

    The total of an asset is all of it, wherever it lies or flies: a transfer is not profit. Places are those
    of the instruments that we `trade`, or of all.
    """

    def __init__(
        self,
        config: InventoryConfig,
        instruments: Sequence[Instrument],
        trade: Collection[int] | None = None,
    ) -> None:
        self.config = config
        self._places = [((each.venue, each.base), (each.venue, each.quote)) for each in instruments]
        ours = [pair for index, pair in enumerate(self._places) if trade is None or index in trade]
        places = dict.fromkeys(place for pair in ours for place in pair)
        self._held: dict[Place, int] = dict.fromkeys(places, 0)
        self._venues: dict[str, tuple[str, ...]] = {}
        for venue, asset in places:
            self._venues[asset] = (*self._venues.get(asset, ()), venue)
        self._flights: dict[int, Flight] = {}
        # How often anything moved: prices that were read off before are known to stand while it does.
        self.changes = 0
        self._prices: dict[str, dict[str, float]] = {}
        self._moves: dict[Legs, tuple[tuple[str, str, int], ...]] = {}

    def hold(self, venue: str, asset: str, atoms: int) -> None:
        """Take what a venue says that it holds for us; what belongs to no market of ours is left out."""
        if self._held.get((venue, asset), atoms) != atoms:
            self._held[venue, asset] = atoms
            self._moved(asset)

    def held_atoms(self, venue: str, asset: str) -> int:
        """Give what a venue holds of an asset."""
        return self._held.get((venue, asset), 0)

    def fly(self, transfer_id: int, flight: Flight) -> None:
        """Count a transfer as it is now; what venues hold comes by `hold`."""
        self.land(transfer_id)
        if flight.leaving_atoms > 0 or flight.arriving_atoms > 0:
            self._flights[transfer_id] = flight
            self._moved(flight.asset)

    def land(self, transfer_id: int) -> None:
        """Count a transfer no more: balances show all of it, or it is given up."""
        flight = self._flights.pop(transfer_id, None)
        if flight is not None:
            self._moved(flight.asset)

    def lying_atoms(self, venue: str, asset: str) -> int:
        """Give what of an asset lies at a venue and is not about to leave it."""
        leaving = [
            flight.leaving_atoms
            for flight in self._flights.values()
            if (flight.from_venue, flight.asset) == (venue, asset)
        ]
        return self.held_atoms(venue, asset) - sum(leaving)

    def _moved(self, asset: str) -> None:
        self.changes += 1
        self._prices.pop(asset, None)

    def flying_atoms(self, asset: str, venue: str | None = None) -> int:
        """Give what of an asset is on its way, to one venue or to any."""
        flights = [flight for flight in self._flights.values() if flight.asset == asset]
        return sum(flight.arriving_atoms for flight in flights if venue in (None, flight.to_venue))

    def total_atoms(self, asset: str) -> int:
        """Give all of an asset, wherever it lies or flies."""
        lying = sum(self.lying_atoms(venue, asset) for venue in self.venues(asset))
        return lying + self.flying_atoms(asset)

    def assets(self) -> tuple[str, ...]:
        """List the assets of all places."""
        return tuple(self._venues)

    def venues(self, asset: str) -> tuple[str, ...]:
        """List the venues where an asset can lie."""
        return self._venues.get(asset, ())

    def targets(self, asset: str) -> dict[str, int]:
        """Share an asset's total out over its venues, to the last atom."""
        venues, total = self.venues(asset), max(self.total_atoms(asset), 0)
        stated = self.config.shares.get(asset, {})
        shares = [stated.get(venue, 0.0 if stated else 1.0) for venue in venues]
        whole = sum(shares)
        if whole <= 0:
            return dict.fromkeys(venues, 0)
        wanted = [int(total * (share / whole)) for share in shares]
        wanted[shares.index(max(shares))] += total - sum(wanted)
        return dict(zip(venues, wanted, strict=True))

    def shadow_bps(self, venue: str, asset: str) -> float:
        """Price one more unit here: above zero it is a burden, below it is welcome, within `bps_max`.

        Too much costs in proportion; too little ever more, for what is gone can no longer be sold.
        """
        prices = self._prices.get(asset)
        if prices is None:
            targets = self.targets(asset)
            prices = {
                place: self._price_bps(self.lying_atoms(place, asset), targets[place]) for place in targets
            }
            self._prices[asset] = prices
        return prices.get(venue, 0.0)

    def after_bps(self, changes: Mapping[Place, int]) -> float:
        """Price one more unit of what these changes bring and take, once they are made; below zero it helps.

        Each place's price counts once, up or down: so a trade's last unit is priced, and not its mean.
        """
        total_bps = 0.0
        for (venue, asset), atoms in changes.items():
            lying = self.lying_atoms(venue, asset) + atoms
            price = self._price_bps(lying, self.targets(asset).get(venue, 0))
            total_bps += price if atoms > 0 else -price
        return total_bps

    def _price_bps(self, held: int, target: int) -> float:
        bound, slope = self.config.bps_max, self.config.slope_bps
        if held == target:
            return 0.0
        if held > target:
            return min(slope * (held - target) / target, bound) if target > 0 else bound
        return max(slope * (held - target) / held, -bound) if held > 0 else -bound

    def route_bps(self, legs: Legs) -> float:
        """Price what a route moves: what it brings to places, less what it takes from them."""
        total_bps = 0.0
        for venue, asset, count in self._moves.get(legs) or self._planned(legs):
            total_bps += count * self.shadow_bps(venue, asset)
        return total_bps

    def _planned(self, legs: Legs) -> tuple[tuple[str, str, int], ...]:
        if len(self._moves) >= COURSES_MAX:
            self._moves.clear()
        moved: dict[Place, int] = {}
        for market, side in legs:
            base, quote = self._places[market]
            moved[base] = moved.get(base, 0) + side
            moved[quote] = moved.get(quote, 0) - side
        moves = tuple([(*place, count) for place, count in moved.items() if count != 0])
        self._moves[legs] = moves
        return moves

    def state(self) -> bytes:
        """Give everything held and flying as data."""
        held = [(venue, asset, atoms) for (venue, asset), atoms in self._held.items()]
        return msgspec.msgpack.encode((held, list(self._flights.items())))

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        held, flights = msgspec.msgpack.decode(state, type=tuple[list[tuple[str, str, int]], _Flights])
        self._held = {(venue, asset): atoms for venue, asset, atoms in held}
        self._flights = dict(flights)
        self._prices = {}
        self.changes += 1
