"""The coordinator's answers as text and as JSON."""

from __future__ import annotations

import json

import msgspec

from coordinator.operator import Halted
from domain.report import MarketReport, OrderCounts
from domain.steering import MemberStatus, SwarmStatus

_ROW = "{:<14} {:<10} {:<6} {:>6} {:>6} {:>6} {:>7} {:>9} {:>7} {:>12}  {}"


def status_json(status: SwarmStatus) -> str:
    """Write a status as one JSON object."""
    return msgspec.json.encode(status).decode()


def status_text(status: SwarmStatus) -> str:
    """Write a status for a terminal."""
    head = (
        "node",
        "region",
        "health",
        "seen s",
        "epoch",
        "agents",
        "sent",
        "filled",
        "unknown",
        "pnl",
        "halt",
    )
    lines = [_ROW.format(*head), *(_member(member) for member in status.members)]
    if status.halted or status.halted_regions:
        lines.append(f"halted: {', '.join(status.halted_regions) or 'all'}")
    for member in status.members:
        lines += [_market(member.node, market) for market in member.report.markets] if member.report else []
    lines += [_models(member) for member in status.members if member.report and member.report.models]
    for market, lots in status.positions.items():
        lines.append(f"position {market} {lots} lots")
    lines.append(f"exposure {status.exposure_quote:.2f}  pnl {status.pnl_quote:.2f}")
    lines.append(f"journal {status.journal_events} events {status.journal_hash[:16]}")
    return "\n".join(lines)


def _member(member: MemberStatus) -> str:
    agents = member.report.agents if member.report is not None else ()
    counts = OrderCounts()
    for agent in agents:
        counts = counts.plus(agent.orders)
    halt = ("confirmed" if member.halt_confirmed else "asked") if member.halted else "-"
    return _ROW.format(
        member.node,
        member.region,
        member.health,
        f"{member.last_seen_ago_s:.1f}",
        member.epoch,
        len(agents),
        counts.sent,
        counts.filled,
        counts.unknown,
        f"{sum(agent.pnl_quote for agent in agents):.2f}",
        halt,
    )


def _models(member: MemberStatus) -> str:
    assert member.report is not None and member.report.models is not None
    models = member.report.models
    canary = (
        f", canary {models.canary[:12]} for {models.canary_ppm / 1e6:g} of agents" if models.canary else ""
    )
    answers = ", ".join(f"{who} {count}" for who, count in models.answers.items() if count > 0)
    serving = models.champion[:12] or "none"
    return f"model at {member.node}: champion {serving}{canary}; answered by: {answers or 'nobody yet'}"


def _market(node: str, market: MarketReport) -> str:
    state = f"stale ({market.stale})" if market.stale else market.level
    counted = ", ".join(f"{reason} {count}" for reason, count in market.reasons.items())
    return (
        f"market {market.market} at {node}: {state}; {market.mode} {market.ticks_per_s:g}/s; {counted or '-'}"
    )


def halted_json(halted: Halted) -> str:
    """Write how a halt went as one JSON object."""
    return json.dumps(
        {"halted": True, "confirmed_ms": halted.confirmed_ms, "unconfirmed": halted.unconfirmed}
    )


def halted_text(halted: Halted) -> str:
    """Write how a halt went, a line per region."""
    lines = [f"{region} halted, no open orders, in {ms:.0f} ms" for region, ms in halted.confirmed_ms.items()]
    lines += [f"{region} NOT confirmed" for region in halted.unconfirmed]
    return "\n".join(lines) or "halted; no node is there to obey it yet"
