"""What a node hears, recorded beside its core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from agents.config import RegionConfig
from domain.events import Event
from domain.instrument import Instrument
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
