"""What a node says about itself; reports are whole states, so a lost one costs nothing."""

from __future__ import annotations

import msgspec

from domain.moves import MoveReport


class OrderCounts(msgspec.Struct, frozen=True):
    """Count orders since the journal began."""

    intended: int = 0
    approved: int = 0
    refused: int = 0
    sent: int = 0
    filled: int = 0
    unknown: int = 0

    def plus(self, other: OrderCounts) -> OrderCounts:
        """Add two counts."""
        return OrderCounts(
            *(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__),
        )


class AgentReport(msgspec.Struct, frozen=True):
    """One agent, as the operator sees it. `unknown` in counts is how many are unknown now."""

    agent: int
    name: str
    strategy: str
    venue: str
    symbol: str
    lifecycle: int
    orders: OrderCounts
    fills: int
    open_orders: int
    position_lots: int
    position_text: str
    pnl_quote: float
    exposure_quote: float


class MarketReport(msgspec.Struct, frozen=True):
    """A market that is not simply believed, or of which something was not: reasons and how often."""

    market: str
    stale: str
    level: str
    mode: str
    ticks_per_s: float
    reasons: dict[str, int]


class NodeReport(msgspec.Struct, frozen=True):
    """One node, whole. Money for people is a float in the reporting currency; balances are atoms.

    `move_answer` says why the last command on a move, `move_command_id`, was not obeyed; "" where it was.
    """

    node: str
    region: str
    ts_ns: int
    epoch: int
    halted: bool
    halt_command_id: int
    stopping: bool
    flat_of_orders: bool
    ticks: int
    agents: tuple[AgentReport, ...]
    balances: dict[str, dict[str, int]]
    open_order_ids: dict[str, tuple[str, ...]]
    tick_to_order_counts: dict[int, int]
    journal_events: int
    journal_hash: str
    stale_books: int
    unexplained: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()
    reconciled: bool = False
    markets: tuple[MarketReport, ...] = ()
    moves: tuple[MoveReport, ...] = ()
    move_command_id: int = 0
    move_answer: str = ""
    models: ModelsReport | None = None


class ModelsReport(msgspec.Struct, frozen=True):
    """Which models answer a node's agents, and how often each kind of answer was given; "" is none."""

    champion: str
    canary: str
    canary_ppm: int
    answers: dict[str, int]


class RegionLearning(msgspec.Struct, frozen=True):
    """What a region learnt: its rows, who serves since when, and what became of this run's versions."""

    rows: int = 0
    champion: str = ""
    champion_since_ns: int = 0
    canary: str = ""
    canary_ppm: int = 0
    judged: int = 0
    promoted: int = 0
    refused: str = ""


class Learning(msgspec.Struct, frozen=True):
    """What a machine learnt: the newest version, and how many came in this run."""

    version: int = 0
    made: int = 0
    regions: dict[str, RegionLearning] = {}


class Summary(msgspec.Struct, frozen=True):
    """The end of a run, as `--json` prints it."""

    regions: dict[str, RegionSummary]
    agents: int
    ticks: int
    orders: OrderCounts
    fills: int
    pnl_quote: float
    tick_to_order_us: LatencySummary
    restarts: int
    journal: JournalSummary
    positions_match: bool
    mismatches: tuple[str, ...] = ()
    seconds: float = 0.0
    learning: Learning | None = None


class RegionSummary(msgspec.Struct, frozen=True):
    """One region's share of a summary."""

    agents: int
    ticks: int
    orders: OrderCounts
    fills: int
    pnl_quote: float
    restarts: int
    positions_match: bool


class LatencySummary(msgspec.Struct, frozen=True):
    """Percentiles in microseconds; `None` where nothing was measured."""

    p50: float | None
    p99: float | None


class JournalSummary(msgspec.Struct, frozen=True):
    """All journals of a run together: the hash covers each one's head in order of name."""

    events: int
    verified: bool
    hash: str
