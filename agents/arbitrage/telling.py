"""An opportunity as a line that people and programs read: names for numbers, decimals for atoms."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.arbitrage.opportunity import Found
from arbitrage.saga.events import SagaEnded, SagaState, StuckReason
from arbitrage.worth.threshold import Parts
from domain.instrument import Instrument
from domain.units import atoms_text


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state of one opportunity; a later line of the same node, group and number takes its place.

    `legs` are (side, venue, symbol, lots as text). Times are the node's own.
    """

    ts_ns: int
    node: str
    region: str
    group: str
    number: int
    legs: tuple[tuple[str, str, str, str], ...]
    touch_bps: float
    outcome: str
    reason: str = ""
    figure: float = 0.0
    limit: float = 0.0
    market: str = ""
    seen: int = 1
    lived_ms: float = 0.0
    asset: str = ""
    size: str = ""
    expected_bps: float | None = None
    threshold: dict[str, float] = {}
    shadow_bps: float | None = None
    ended: str = ""
    profit: str = ""
    residual: tuple[tuple[str, str], ...] = ()


def told(found: Found, node: str, region: str, group: str, instruments: Sequence[Instrument]) -> Line:
    """Write an opportunity out as it is now."""
    ticket, ended = found.ticket, found.ended
    sizes = {leg.instrument: leg.size_lots for leg in ticket.legs} if ticket is not None else {}
    legs = tuple(_leg(instruments[market], side, sizes.get(market)) for market, side in found.legs)
    return Line(
        ts_ns=found.last_ns,
        node=node,
        region=region,
        group=group,
        number=found.number,
        legs=legs,
        touch_bps=round((found.product - 1) * 10_000, 3),
        outcome=found.outcome.name.lower(),
        reason=found.reason,
        figure=round(found.figure, 6),
        limit=round(found.limit, 6),
        market=instruments[found.market].key if found.market >= 0 else "",
        seen=found.seen,
        lived_ms=round((found.last_ns - found.first_ns) / 1e6, 3),
        asset=ticket.asset if ticket is not None else "",
        size=atoms_text(ticket.in_atoms) if ticket is not None else "",
        expected_bps=round(ticket.profit_bps, 3) if ticket is not None else None,
        threshold=_parts(found.parts),
        shadow_bps=None if found.shadow_bps is None else round(found.shadow_bps, 3),
        ended=_end(ended),
        profit="" if ended is None else f"{atoms_text(ended.profit_atoms)} {ended.asset}",
        residual=() if ended is None else tuple((a, atoms_text(n)) for a, n in ended.residual if n != 0),
    )


def _leg(market: Instrument, side: int, lots: int | None) -> tuple[str, str, str, str]:
    size = "" if lots is None else market.lot.text(lots)
    return "buy" if side > 0 else "sell", market.venue, market.symbol, size


def _parts(parts: Parts | None) -> dict[str, float]:
    if parts is None:
        return {}
    shown = {name: round(value, 3) for name, value in msgspec.structs.asdict(parts).items()}
    return {**shown, "total_bps": round(parts.total_bps, 3)}


def _end(ended: SagaEnded | None) -> str:
    if ended is None:
        return ""
    state = SagaState(ended.state).name.lower()
    return state if ended.reason == 0 else f"{state}: {StuckReason(ended.reason).name.lower()}"
