"""The end of a run: everybody's last report, held against what the venues say."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from domain.report import JournalSummary, NodeReport, OrderCounts, RegionSummary, Summary
from domain.units import atoms_text
from hw.latency import LatencyHistogram


class VenueTruth(msgspec.Struct, frozen=True):
    """One node's account as its venue knows it: balances in atoms, free and locked together."""

    node: str
    venue: str
    account: str
    balances: dict[str, int]
    open_order_ids: tuple[str, ...]


class JournalFacts(msgspec.Struct, frozen=True):
    """One journal at the end of a run."""

    name: str
    events: int
    verified: bool
    hash: str


def summarise(
    reports: Sequence[NodeReport],
    truths: Sequence[VenueTruth],
    restarts: Mapping[str, int],
    journals: Iterable[JournalFacts],
    seconds: float,
) -> Summary:
    """Sum a run up. An account without a truth, or with two different owners, is a mismatch too."""
    wrong = {report.node: tuple(mismatches(report, _own(report.node, truths))) for report in reports}
    orphans = tuple(_unreported(reports, truths))
    latency = LatencyHistogram()
    for report in reports:
        latency.merge(report.tick_to_order_counts)
    every = tuple(line for report in reports for line in wrong[report.node]) + orphans
    return Summary(
        regions=_regions(reports, restarts, wrong),
        agents=sum(len(report.agents) for report in reports),
        ticks=sum(report.ticks for report in reports),
        orders=_orders(reports),
        fills=sum(_fills(report) for report in reports),
        pnl_quote=sum(_pnl(report) for report in reports),
        tick_to_order_us=latency.summary(),
        restarts=sum(restarts.values()),
        journal=_journals(journals),
        positions_match=not every,
        mismatches=every,
        seconds=seconds,
    )


def _own(node: str, truths: Iterable[VenueTruth]) -> dict[str, VenueTruth]:
    return {truth.venue: truth for truth in truths if truth.node == node}


def mismatches(report: NodeReport, truths: Mapping[str, VenueTruth]) -> Iterator[str]:
    """Say in what a node's account differs from the venue's own."""
    if not report.reconciled:
        yield f"{report.node}: the account was not reconciled at the end"
    yield from (f"{report.node}: {line}" for line in report.unexplained)
    for venue in sorted(set(report.balances) | set(report.open_order_ids)):
        truth = truths.get(venue)
        if truth is None:
            yield f"{report.node}: {venue} did not tell its balances"
            continue
        yield from _balances_differ(report, truth)
        ours, theirs = set(report.open_order_ids.get(venue, ())), set(truth.open_order_ids)
        yield from (f"{report.node}: {venue} has {one} open, we do not" for one in sorted(theirs - ours))
        yield from (f"{report.node}: we have {one} open, {venue} does not" for one in sorted(ours - theirs))


def _balances_differ(report: NodeReport, truth: VenueTruth) -> Iterator[str]:
    ours = report.balances.get(truth.venue, {})
    for asset in sorted(set(ours) | set(truth.balances)):
        mine, theirs = ours.get(asset, 0), truth.balances.get(asset, 0)
        if mine != theirs:
            there, here = atoms_text(theirs), atoms_text(mine)
            yield f"{report.node}: {truth.venue} holds {there} {asset}, we count {here}"


def _unreported(reports: Sequence[NodeReport], truths: Iterable[VenueTruth]) -> Iterator[str]:
    reported = {report.node: report.balances for report in reports}
    owners: dict[tuple[str, str], list[str]] = {}
    for truth in truths:
        nodes = owners.setdefault((truth.venue, truth.account), [])
        if truth.venue in reported.get(truth.node, ()):
            nodes.append(truth.node)
    for (venue, account), nodes in sorted(owners.items()):
        if not nodes:
            yield f"{venue}: no node reported on the account {account}"
        elif len(nodes) > 1:
            yield f"{venue}: {' and '.join(nodes)} both report on the account {account}"


def _regions(
    reports: Sequence[NodeReport], restarts: Mapping[str, int], wrong: Mapping[str, tuple[str, ...]]
) -> dict[str, RegionSummary]:
    regions: dict[str, list[NodeReport]] = {}
    for report in reports:
        regions.setdefault(report.region, []).append(report)
    return {
        region: RegionSummary(
            agents=sum(len(report.agents) for report in own),
            ticks=sum(report.ticks for report in own),
            orders=_orders(own),
            fills=sum(_fills(report) for report in own),
            pnl_quote=sum(_pnl(report) for report in own),
            restarts=sum(restarts.get(report.node, 0) for report in own),
            positions_match=not any(wrong[report.node] for report in own),
        )
        for region, own in regions.items()
    }


def _orders(reports: Iterable[NodeReport]) -> OrderCounts:
    total = OrderCounts()
    for report in reports:
        for agent in report.agents:
            total = total.plus(agent.orders)
    return total


def _fills(report: NodeReport) -> int:
    return sum(agent.fills for agent in report.agents)


def _pnl(report: NodeReport) -> float:
    return sum(agent.pnl_quote for agent in report.agents)


def _journals(journals: Iterable[JournalFacts]) -> JournalSummary:
    known = sorted(journals, key=lambda journal: journal.name)
    heads = "".join(f"{journal.name}:{journal.hash}\n" for journal in known)
    return JournalSummary(
        events=sum(journal.events for journal in known),
        verified=bool(known) and all(journal.verified for journal in known),
        hash=hashlib.blake2b(heads.encode(), digest_size=32).hexdigest(),
    )
