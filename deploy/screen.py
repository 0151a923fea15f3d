"""What a person sees while the swarm runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from coordinator.operator import Operator
from deploy.child import Child
from deploy.learnt import Learnt, lines
from deploy.table import TickRate, table
from deploy.voice import say, send_nowhere
from domain.errors import SwarmError
from domain.report import Learning, OrderCounts
from domain.steering import SwarmStatus
from hw.clock import SystemClock

LINE_EVERY_S = 10.0
ASK_S = 0.5
LOOK_S = 2.0


class Screen:
    """Show the swarm on stderr. The table needs a terminal; without one a line tells every ten seconds."""

    def __init__(
        self,
        state: Path,
        coordinator: str,
        children: dict[str, Child],
        clock: SystemClock,
        started_ns: int,
        learnt: Learnt | None = None,
    ) -> None:
        self.state, self.coordinator, self.children = state, coordinator, children
        self.clock, self.started_ns = clock, started_ns
        self.status: SwarmStatus | None = None
        self._learnt, self._learning, self._looked_ns = learnt, Learning(), 0
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._rates = TickRate()
        self._operator: Operator | None = None
        self._line_ns = started_ns
        self.gone = False

    async def __aenter__(self) -> Self:
        """Take over the terminal, if there is one."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, screen=False, transient=False)
            self._live.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back, the last table on it."""
        await self._hang_up()
        if self._live is not None:
            self._shown(self._live.stop)

    async def draw(self) -> None:
        """Ask the coordinator and show what is known."""
        await self._ask()
        self._look()
        elapsed_s = (self.clock.now_ns() - self.started_ns) / 1e9
        live = self._live
        if live is not None:
            processes = [
                {
                    "name": child.name,
                    "state": child.state,
                    "pid": str(child.pid or "–"),
                    "restarts": str(child.restarts),
                }
                for child in self.children.values()
            ]
            width, height = self._console.size
            drawn = table(
                self.status, processes, self._rates, elapsed_s, width, height, self._told_learning()
            )
            self._shown(lambda: live.update(drawn, refresh=True))
        elif self.clock.now_ns() - self._line_ns >= LINE_EVERY_S * 1e9:
            self._line_ns = self.clock.now_ns()
            self.gone = not say(sys.stderr, self._line(elapsed_s) + "\n")

    def _shown(self, show: Callable[[], None]) -> None:
        """Draw on the terminal; one that was closed is `gone` from then on."""
        try:
            show()
        except (OSError, SystemExit):  # rich leaves the process when a pipe breaks: that is ours to decide
            self.gone, self._live = True, None
            send_nowhere(sys.stderr)

    def _look(self) -> None:
        """Read what was learnt, now and then: it changes slowly."""
        now_ns = self.clock.now_ns()
        if self._learnt is not None and now_ns - self._looked_ns >= LOOK_S * 1e9:
            self._looked_ns, self._learning = now_ns, self._learnt.look()

    def _told_learning(self) -> list[Text]:
        if self._learnt is None:
            return []
        return lines(self._learning, self.clock.now_ns())

    async def _ask(self) -> None:
        try:
            if self._operator is None:
                self._operator = await Operator(self.state, self.coordinator, ASK_S).__aenter__()
            self.status = await self._operator.status()
        except SwarmError:
            await self._hang_up()  # it restarts; the table keeps showing what was last known

    async def _hang_up(self) -> None:
        if self._operator is not None:
            with contextlib.suppress(SwarmError, asyncio.CancelledError):
                await self._operator.__aexit__(None, None, None)
            self._operator = None

    def _line(self, elapsed_s: float) -> str:
        orders, fills, ticks = OrderCounts(), 0, 0
        for member in self.status.members if self.status else ():
            for agent in member.report.agents if member.report else ():
                orders, fills = orders.plus(agent.orders), fills + agent.fills
            ticks += member.report.ticks if member.report else 0
        restarts = sum(child.restarts for child in self.children.values())
        pnl = self.status.pnl_quote if self.status else 0.0
        return (
            f"swarm: {elapsed_s:.0f} s, {ticks} ticks, {orders.sent} orders sent, {fills} fills, "
            f"{orders.unknown} unknown, PnL {pnl:+.2f}, {restarts} restarts{self._learning_in_short()}"
        )

    def _learning_in_short(self) -> str:
        """Say what was learnt, for a line of all."""
        if self._learnt is None:
            return ""
        regions = self._learning.regions.values()
        serving = sum(region.champion != "" for region in regions)
        rows = sum(region.rows for region in regions)
        return f", {rows} rows, version {self._learning.version}, {serving} of {len(regions)} regions served"
