"""The live table: one row an agent, one line a region, one for the swarm."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from domain.lifecycle import Lifecycle
from domain.report import AgentReport, NodeReport, OrderCounts
from domain.steering import MemberStatus, SwarmStatus
from hw.latency import LatencyHistogram

HEALTH_STYLE = {"ok": "green", "late": "yellow", "lost": "bold red", "left": "dim"}
LIFE_STYLE = {
    Lifecycle.ACTIVE: "green",
    Lifecycle.WARMING: "cyan",
    Lifecycle.STANDBY: "yellow",
    Lifecycle.REDUCE_ONLY: "magenta",
    Lifecycle.HALTED: "bold red",
}
COLUMNS = (
    ("agent", "left"),
    ("market", "left"),
    ("state", "left"),
    ("intended", "right"),
    ("approved", "right"),
    ("refused", "right"),
    ("sent", "right"),
    ("filled", "right"),
    ("unknown", "right"),
    ("position", "right"),
    ("PnL", "right"),
)


class TickRate:
    """Ticks a second per node, over the last few reports."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[int, int]]] = {}

    def per_s(self, report: NodeReport) -> float:
        """Fold one report and give the rate."""
        seen = self._seen.setdefault(report.node, deque(maxlen=20))
        if not seen or seen[-1][0] != report.ts_ns:
            seen.append((report.ts_ns, report.ticks))
        (first_ns, first), (last_ns, last) = seen[0], seen[-1]
        return (last - first) / ((last_ns - first_ns) / 1e9) if last_ns > first_ns else 0.0


def table(
    status: SwarmStatus | None, processes: Sequence[Mapping[str, str]], rates: TickRate, elapsed_s: float
) -> Panel:
    """Draw everything that is known now."""
    parts: list[Table | Text] = []
    if status is None:
        parts.append(Text("waiting for the coordinator …", style="yellow"))
    for member in status.members if status else ():
        parts.append(_region(member, rates))
    parts.append(_processes(processes))
    return Panel(Group(*parts), title=_title(status, elapsed_s), subtitle="Ctrl-C ends everything cleanly")


def _title(status: SwarmStatus | None, elapsed_s: float) -> str:
    if status is None:
        return f"murmuration · paper · {elapsed_s:.0f} s"
    halted = " · [bold red]HALTED[/]" if status.halted or status.halted_regions else ""
    return (
        f"murmuration · paper · {elapsed_s:.0f} s · PnL {status.pnl_quote:+.2f} · "
        f"exposure {status.exposure_quote:.0f}{halted}"
    )


def _region(member: MemberStatus, rates: TickRate) -> Table:
    report = member.report
    drawn = Table(
        expand=True, title=_region_title(member, rates), title_justify="left", box=None, pad_edge=False
    )
    for name, justify in COLUMNS:
        drawn.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for agent in report.agents if report else ():
        drawn.add_row(*_row(agent))
    if report:
        drawn.add_row(*_total(report), style="bold")
    return drawn


def _region_title(member: MemberStatus, rates: TickRate) -> Text:
    text = Text.assemble(
        (member.region, "bold"),
        "  ",
        (member.health, HEALTH_STYLE.get(member.health, "")),
        f"  epoch {member.epoch}",
    )
    report = member.report
    if report is None:
        return text
    latency = LatencyHistogram(report.tick_to_order_counts)
    text.append(
        f"  {rates.per_s(report):.0f} ticks/s  tick→order p50 {_us(latency, 0.5)} p99 {_us(latency, 0.99)}"
    )
    if member.halted:
        text.append(
            "  halted" + (", no open orders" if member.halt_confirmed else ", cancelling"), "bold red"
        )
    for trouble in report.unexplained + report.alarms[-1:]:
        text.append(f"  ! {trouble}", "red")
    return text


def _us(latency: LatencyHistogram, frac: float) -> str:
    value = latency.quantile_us(frac)
    return "–" if value is None else f"{value:.0f} µs"


def _row(agent: AgentReport) -> list[str | Text]:
    life = Lifecycle(agent.lifecycle)
    state = Text(life.name.lower().replace("_", "-"), LIFE_STYLE[life])
    return [
        agent.name,
        agent.symbol,
        state,
        *_counts(agent.orders),
        agent.position_text,
        f"{agent.pnl_quote:+.2f}",
    ]


def _counts(orders: OrderCounts) -> list[str | Text]:
    unknown = Text(str(orders.unknown), "bold red" if orders.unknown > 0 else "dim")
    figures = (orders.intended, orders.approved, orders.refused, orders.sent, orders.filled)
    return [*(str(figure) for figure in figures), unknown]


def _total(report: NodeReport) -> list[str | Text]:
    orders = OrderCounts()
    for agent in report.agents:
        orders = orders.plus(agent.orders)
    pnl = sum(agent.pnl_quote for agent in report.agents)
    return ["sum", "", "", *_counts(orders), "", f"{pnl:+.2f}"]


def _processes(processes: Sequence[Mapping[str, str]]) -> Text:
    text = Text()
    for process in processes:
        running = process["state"] == "running"
        text.append(f"{process['name']} ", "green" if running else "yellow")
        restarts = f", restarts {process['restarts']}" if process["restarts"] != "0" else ""
        text.append(f"({process['state']}, pid {process['pid']}{restarts})   ", "dim")
    return text
