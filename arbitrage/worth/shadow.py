"""Shadow fills: what the live books would have paid for a ticket, once its orders could have been there."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from arbitrage.legs import Legs, canonical
from arbitrage.ticket import Ticket
from arbitrage.worth.leg_fills import LegFills
from arbitrage.worth.outcomes import Outcomes
from arbitrage.worth.shadow_fill import ShadowFill
from domain.instrument import Instrument
from domain.units import PPM

_NS_PER_MS = 1_000_000


class ShadowConfig(BaseModel):
    """State how much is followed and kept.

    Where legs do not fill alike, the surplus of the others goes back: that is reckoned to cost the dearest
    leg's taker fee twice, and `unwind_bps` for spread and slippage. How much of one market's side fills leans
    on all of them, which weighs as `leg_samples`. `Shadows` is told what share goes back: the rest is evened.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending: int = Field(4_096, ge=1, le=1_000_000)
    rows: int = Field(8_192, ge=1, le=1_000_000)
    routes: int = Field(1_024, ge=1, le=1_000_000)
    memory: int = Field(500, ge=1, le=1_000_000)
    leg_samples: int = Field(10, ge=1, le=100_000)
    latency_ms: float = Field(100.0, ge=0, le=60_000)
    give_up_ms: float = Field(5_000.0, gt=0, le=3_600_000)
    unwind_bps: float = Field(8.0, ge=0, le=10_000)


class Due(msgspec.Struct, frozen=True, array_like=True):
    """Ask what the live book of one leg pays now; answer with `Shadows.settle`."""

    shadow: int
    leg: int
    ticket: Ticket


class ShadowRow(msgspec.Struct, frozen=True, array_like=True):
    """One settled shadow, as it is recorded.

    Fractions are of the ticket's sizes: of the least and of the most filled leg. `whole_bps` is what whole
    cycles paid, without what was left on a leg.
    """

    ticket_id: int
    route: Legs
    detected_ns: int
    settled_ns: int
    expected_bps: float
    shadow_bps: float
    modelled_bps: float
    filled_frac: float
    filled_frac_max: float
    whole_bps: float = 0.0


class _Pending(msgspec.Struct, array_like=True):
    ticket: Ticket
    modelled_bps: float
    give_up_ns: int
    fills: list[ShadowFill | None]


class _State(msgspec.Struct, array_like=True):
    pending: list[tuple[int, _Pending]]
    queue: list[tuple[int, int, int]]
    rows: list[ShadowRow]
    outcomes: bytes
    legs: bytes
    followed: int
    refused: int
    abandoned: int
    rows_lost: int


class Shadows:
    """Follow tickets, sent or not, to the moment at which each leg's venue would have matched it.

    At most `config.pending` are followed at once: with that many, a new one is refused and counted. A leg
    that nobody settles is given up, and counted, `give_up_ms` after it was due. Of `config.rows` rows that
    nobody took, the oldest are lost, and counted.
    """

    def __init__(
        self, config: ShadowConfig, instruments: Sequence[Instrument], back_frac: float = 1.0
    ) -> None:
        self.config, self._back_frac = config, back_frac
        self.outcomes = Outcomes(config.routes, config.memory)
        self.legs = LegFills(config.leg_samples, config.memory)
        self.followed, self.refused, self.abandoned, self.rows_lost = 0, 0, 0, 0
        self._venue = [each.venue for each in instruments]
        self._fee_bps = [each.taker_fee_ppm * 10_000 / PPM for each in instruments]
        self._pending: dict[int, _Pending] = {}
        self._queue: list[tuple[int, int, int]] = []
        self._rows: deque[ShadowRow] = deque(maxlen=config.rows)
        self._unknown_ns = round(config.latency_ms * _NS_PER_MS)
        self._give_up_ns = round(config.give_up_ms * _NS_PER_MS)

    def follow(self, ticket: Ticket, latency_ns: Mapping[str, int], modelled_bps: float = 0.0) -> bool:
        """Begin to follow a ticket; each leg is due after the measured latency of its venue."""
        if len(self._pending) >= self.config.pending:
            self.refused += 1
            return False
        shadow, last_ns = self.followed, ticket.detected_ns
        self.followed += 1
        for place, leg in enumerate(ticket.legs):
            wait_ns = latency_ns.get(self._venue[leg.instrument], self._unknown_ns)
            heapq.heappush(self._queue, (ticket.detected_ns + wait_ns, shadow, place))
            last_ns = max(last_ns, ticket.detected_ns + wait_ns)
        fills: list[ShadowFill | None] = [None] * len(ticket.legs)
        self._pending[shadow] = _Pending(ticket, modelled_bps, last_ns + self._give_up_ns, fills)
        return True

    def due(self, now_ns: int) -> list[Due]:
        """Give every leg whose time has come, once, in order of their times."""
        self._give_up(now_ns)
        found = []
        while self._queue and self._queue[0][0] <= now_ns:
            _, shadow, leg = heapq.heappop(self._queue)
            if (pending := self._pending.get(shadow)) is not None:
                found.append(Due(shadow, leg, pending.ticket))
        return found

    def settle(self, due: Due, fill: ShadowFill, now_ns: int) -> ShadowRow | None:
        """Take what a leg's book pays; with the last leg the shadow is settled, kept and given."""
        pending = self._pending.get(due.shadow)
        if pending is None or pending.fills[due.leg] is not None:
            return None
        pending.fills[due.leg] = fill
        fills = [each for each in pending.fills if each is not None]
        if len(fills) < len(pending.fills):
            return None
        del self._pending[due.shadow]
        return self._kept(pending, fills, now_ns)

    def rows(self) -> list[ShadowRow]:
        """Take the rows settled since the last call."""
        taken = list(self._rows)
        self._rows.clear()
        return taken

    def __len__(self) -> int:
        return len(self._pending)

    def state(self) -> bytes:
        """Give everything followed and kept as data."""
        kept = _State(
            list(self._pending.items()), self._queue, list(self._rows), self.outcomes.state(),
            self.legs.state(), self.followed, self.refused, self.abandoned, self.rows_lost,
        )  # fmt: skip
        return msgspec.msgpack.encode(kept)

    def restore(self, state: bytes) -> None:
        """Take back what `state` gave."""
        kept = msgspec.msgpack.decode(state, type=_State)
        self._pending, self._queue = dict(kept.pending), kept.queue
        self._rows = deque(kept.rows, maxlen=self.config.rows)
        self.outcomes.restore(kept.outcomes)
        self.legs.restore(kept.legs)
        self.followed, self.refused = kept.followed, kept.refused
        self.abandoned, self.rows_lost = kept.abandoned, kept.rows_lost

    def _give_up(self, now_ns: int) -> None:
        while self._pending:
            oldest = next(iter(self._pending))
            if self._pending[oldest].give_up_ns >= now_ns:
                break
            del self._pending[oldest]
            self.abandoned += 1

    def _kept(self, pending: _Pending, fills: Sequence[ShadowFill], now_ns: int) -> ShadowRow:
        fee_bps = max(self._fee_bps[leg.instrument] for leg in pending.ticket.legs)
        fracs = [
            fill.filled_lots / leg.size_lots for fill, leg in zip(fills, pending.ticket.legs, strict=True)
        ]
        for frac, leg in zip(fracs, pending.ticket.legs, strict=True):
            self.legs.add(leg.instrument, leg.side, frac)
        unwind_bps = self._back_frac * (2 * fee_bps + self.config.unwind_bps)
        row = _row(pending, fills, fracs, unwind_bps, now_ns)
        self.rows_lost += len(self._rows) == self.config.rows
        self._rows.append(row)
        met, filled = row.filled_frac_max > 0, row.filled_frac >= 1
        self.outcomes.add(row.route, row.expected_bps, row.shadow_bps, met=met, filled=filled)
        return row


def _row(
    pending: _Pending, fills: Sequence[ShadowFill], fracs: Sequence[float], unwind_bps: float, now_ns: int
) -> ShadowRow:
    """Value whole cycles at the shadow's rates, and what is left on a leg at what unwinding costs."""
    ticket, rates = pending.ticket, 1.0
    for fill, leg in zip(fills, ticket.legs, strict=True):
        if fill.filled_lots > 0:
            rates *= (fill.get_atoms * leg.pay_atoms) / (fill.pay_atoms * leg.get_atoms)
    whole_bps = ((1 + ticket.profit_bps / 10_000) * rates - 1) * 10_000
    shadow_bps = min(fracs) * whole_bps - (max(fracs) - min(fracs)) * unwind_bps
    return ShadowRow(
        ticket_id=ticket.ticket_id,
        route=canonical(ticket.route),
        detected_ns=ticket.detected_ns,
        settled_ns=now_ns,
        expected_bps=ticket.profit_bps,
        shadow_bps=shadow_bps,
        modelled_bps=pending.modelled_bps,
        filled_frac=min(fracs),
        filled_frac_max=max(fracs),
        whole_bps=whole_bps,
    )
