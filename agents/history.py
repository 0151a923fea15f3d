"""A node and its region's history: recorded beside the core, and played to a new one before it goes live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from agents.config import RegionConfig
from agents.node import Node
from agents.record import Recorder as NodeRecorder
from domain.dtypes import LOCAL_NS
from domain.errors import SwarmError
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import MarketRows
from domain.protocols import Clock

Log = Callable[[str], None]


async def recording(
    config: RegionConfig,
    root: Path,
    instruments: tuple[Instrument, ...],
    clock: Clock,
    log: Log,
    stack: AsyncExitStack,
) -> Callable[[Event], None] | None:
    """Record every market event given to what this gives, until the stack unwinds; `None` records nothing."""
    if not config.history.record:
        return None
    from market.history.recorder import Recorder

    kept = Recorder(
        root, instruments, clock, config.history.recorder, lambda why: log(f"alarm history: {why}")
    )
    await asyncio.to_thread(kept.start)
    # Closing joins a thread and waits for the disk: not on the loop that still cancels orders.
    stack.push_async_callback(asyncio.to_thread, kept.close)
    return kept.deliver


def warm_up(config: RegionConfig, root: Path, recorder: NodeRecorder, now_ns: int, log: Log) -> int:
    """Play the latest history to a node that has seen nothing yet; give how many rows that were.

    It goes the way that live data goes, journal included. Nobody trades on it: there is no lease yet. Books
    are left out, because they begin anew with the connection.
    """
    node = recorder.core
    assert isinstance(node, Node)
    if config.history.warm_s == 0 or node.pipeline.ticks > 0:
        return 0
    from market.history.history import History
    from market.history.layout import Kind

    kinds = (Kind.TICKS, Kind.TRADES)
    start_ns, count, last_ns = now_ns - round(config.history.warm_s * 1e9), 0, 0
    for venue in config.venues:
        own = {one.symbol: one for one in node.pipeline.instruments.values() if one.venue == venue.name}
        try:
            told = History(root).rows(venue.name, tuple(own), start_ns, now_ns, instruments=own, kinds=kinds)
            for rows in told:
                last_ns = max(last_ns, int(rows[:, LOCAL_NS].max()))
                recorder.step(MarketRows(last_ns, rows))
                count += len(rows)
        except SwarmError as trouble:
            log(f"no warm-up from {venue.name}: {trouble}")
    if count > 0:
        log(f"warmed up on {count} rows; history ends {(now_ns - last_ns) / 1e9:.0f} s ago")
    return count
