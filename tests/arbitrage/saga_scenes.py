"""Where the saga's tests begin from."""

from __future__ import annotations

from tests.arbitrage.saga_world import (
    BUY,
    Case,
    World,
    case,
)


def failed_leg(planned: Case | None = None, at: int = 1) -> World:
    """Fill all legs but one; that one fills nothing."""
    world = World(case() if planned is None else planned)
    for order, send in enumerate(list(world.sent)):
        if send.leg != at:
            world.filled(order)
    order = next(order for order, send in enumerate(world.sent) if send.leg == at)
    world.answer(order, 0)
    return world


def far_away(world: World) -> None:
    """Move every market far down."""
    for place, leg in enumerate(world.plan.legs):
        moved = leg.touch_ticks * 9 // 10
        world.quote(place, moved - 1, moved + 1)


def come_back(world: World) -> None:
    """Move every market to where it was planned."""
    for place, leg in enumerate(world.plan.legs):
        pair = (leg.touch_ticks, leg.cap_ticks) if leg.side == BUY else (leg.cap_ticks, leg.touch_ticks)
        world.quote(place, *pair)
