"""The live table: one row an agent, one line a region, one for the swarm."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from deploy.summed import fitted
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
COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
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
    ("ticks/s", "right"),
    ("p50 µs", "right"),
    ("p99 µs", "right"),
)
# Narrower than this, a terminal gets the table without units, markets and process numbers.
WIDE = 164
NARROW_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("agent", "left"),
    ("state", "left"),
    ("int", "right"),
    ("app", "right"),
    ("ref", "right"),
    ("sent", "right"),
    ("fill", "right"),
    ("unk", "right"),
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
    status: SwarmStatus | None,
    processes: Sequence[Mapping[str, str]],
    rates: TickRate,
    elapsed_s: float,
    columns: int = WIDE,
    lines: int = 1_000,
    learnt: Sequence[Text] = (),
) -> Panel:
    """Draw what is known now, for a terminal of so many columns and lines: agents are summed up to fit."""
    wide = columns >= WIDE
    parts: list[Table | Text] = []
    if status is None:
        parts.append(Text("waiting for the coordinator …", style="yellow"))
    else:
        below = [*(() if wide else [_paces(status, rates)]), *_troubles(status), *learnt]
        # Frame, columns' names, paces and processes take a line each, or two.
        shown = fitted(status, lines - len(below) - (5 if wide else 7))
        parts += [_agents(shown, rates) if wide else _narrow(shown), *below]
    parts.append(_processes(processes, with_pid=wide))
    return Panel(Group(*parts), title=_title(status, elapsed_s), subtitle="Ctrl-C ends everything cleanly")


def _title(status: SwarmStatus | None, elapsed_s: float) -> str:
    if status is None:
        return f"murmuration · paper · {elapsed_s:.0f} s"
    halted = " · [bold red]HALTED[/]" if status.halted or status.halted_regions else ""
    return (
        f"murmuration · paper · {elapsed_s:.0f} s · PnL {status.pnl_quote:+.2f} · "
        f"exposure {status.exposure_quote:.0f}{halted}"
    )


def _agents(status: SwarmStatus, rates: TickRate) -> Table:
    """One table for all regions, so that the columns stand under each other."""
    drawn = Table(expand=True, box=None, pad_edge=False)
    for name, justify in COLUMNS:
        drawn.add_column(name, justify=justify, no_wrap=True)
    for member in status.members:
        report = member.report
        drawn.add_section()
        drawn.add_row(*_region_row(member, rates), style="bold")
        for agent in report.agents if report else ():
            drawn.add_row(*_row(agent))
    return drawn


def _narrow(status: SwarmStatus) -> Table:
    """The same rows in eighty columns."""
    drawn = Table(expand=True, box=None, pad_edge=False, padding=(0, 0, 0, 1))
    for name, justify in NARROW_COLUMNS:
        drawn.add_column(name, justify=justify, no_wrap=True, overflow="crop")
    for member in status.members:
        region, _, _, *sums, _, pnl = _region_row(member, TickRate())[:11]
        health = _halt(member) if member.halted else Text(member.health, HEALTH_STYLE.get(member.health, ""))
        drawn.add_row(region, health, *sums, "", pnl, style="bold")
        for agent in member.report.agents if member.report else ():
            title, _, state, *counts, position, own_pnl = _row(agent)
            assert isinstance(state, Text)
            state.plain = state.plain.removesuffix("-only")
            drawn.add_row(title, state, *counts, str(position).split(" ")[0], own_pnl)
    return drawn


def _paces(status: SwarmStatus, rates: TickRate) -> Text:
    """Say how fast each region is, in one line."""
    told = []
    for member in status.members:
        if member.report is not None:
            ticks, p50, p99 = (str(each) for each in _pace(member.report, rates))
            told.append(f"{member.region} {ticks}/s {p50}/{p99}")
    return Text(f"ticks, p50/p99 µs: {', '.join(told)}", "dim")


def _region_row(member: MemberStatus, rates: TickRate) -> list[str | Text]:
    """The region's own line: its health, the sums over its agents, and how fast it is."""
    orders, pnl = OrderCounts(), 0.0
    for agent in member.report.agents if member.report else ():
        orders, pnl = orders.plus(agent.orders), pnl + agent.pnl_quote
    health = Text(f"{member.health}, epoch {member.epoch}", HEALTH_STYLE.get(member.health, ""))
    row = [member.region, health, _halt(member), *_counts(orders), "", f"{pnl:+.2f}"]
    return row + _pace(member.report, rates) if member.report else row


def _pace(report: NodeReport, rates: TickRate) -> list[str | Text]:
    latency = LatencyHistogram(report.tick_to_order_counts)
    return [f"{rates.per_s(report):.0f}", _us(latency, 0.5), _us(latency, 0.99)]


def _halt(member: MemberStatus) -> Text:
    if not member.halted:
        return Text("")
    return Text("halted" if member.halt_confirmed else "halting", "bold red")


def _troubles(status: SwarmStatus) -> list[Text]:
    reports = [member.report for member in status.members if member.report is not None]
    return [
        Text(f"! {report.region}: {trouble}", "red")
        for report in reports
        for trouble in (*report.unexplained, *_alarms(report)[-1:])
    ]


def _alarms(report: NodeReport) -> tuple[str, ...]:
    """Leave out that no model answers where there is none yet: the lines on learning say so."""
    none_yet = report.models is not None and report.models.champion == ""
    return tuple(alarm for alarm in report.alarms if not (none_yet and alarm.startswith("model: ")))


def _us(latency: LatencyHistogram, frac: float) -> str:
    value = latency.quantile_us(frac)
    return "–" if value is None else f"{value:.0f}"


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


def _processes(processes: Sequence[Mapping[str, str]], *, with_pid: bool) -> Text:
    text = Text()
    for process in processes:
        running = process["state"] == "running"
        text.append(f"{process['name']} ", "green" if running else "yellow")
        restarts = f", restarts {process['restarts']}" if process["restarts"] != "0" else ""
        if with_pid:
            text.append(f"({process['state']}, pid {process['pid']}{restarts})   ", "dim")
        elif restarts or not running:
            text.append(f"({process['state']}{restarts}) ", "dim")
    return text
