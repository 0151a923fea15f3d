"""The end of a run: our own last words held against the venues' balances and open orders."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import msgspec

from agents.config import VenueTable
from agents.process import report_file
from bus.journal_reader import verify
from deploy.child import Child
from deploy.plan import Plan
from domain.errors import SwarmError
from domain.report import Learning, NodeReport, Summary
from hw.clock import SystemClock
from market.venues.venue import account_truth
from sim.summary import JournalFacts, VenueTruth, summarise


class Ending:
    """Gather what the summary needs, in the order in which processes end."""

    def __init__(self, planned: Plan, children: dict[str, Child], seconds: float) -> None:
        self.plan, self.children, self.seconds = planned, children, seconds

    def reports(self) -> list[NodeReport]:
        """Read what every node left behind."""
        paths = [report_file(self.plan.state, region.node) for region in self.plan.regions]
        return [msgspec.json.decode(path.read_bytes(), type=NodeReport) for path in paths if path.exists()]

    async def truths(self, patience_s: float) -> list[VenueTruth]:
        """Ask every venue for its own word on our accounts; one that does not answer is a mismatch later."""
        os.environ.update(self.plan.credentials)
        owned = [(region.node, venue) for region in self.plan.regions for venue in region.venues]
        async with asyncio.TaskGroup() as asking:
            asked = [asking.create_task(self._told(node, venue, patience_s)) for node, venue in owned]
        return [truth for task in asked if (truth := task.result()) is not None]

    async def _told(self, node: str, venue: VenueTable, patience_s: float) -> VenueTruth | None:
        with contextlib.suppress(SwarmError, OSError):  # a time-out is an OSError
            async with asyncio.timeout(patience_s):
                return await self._truth(node, venue)
        return None

    async def _truth(self, node: str, venue: VenueTable) -> VenueTruth:
        place = f"127.0.0.1:{self.plan.venue_port(venue.name)}"
        truth = await account_truth(venue.reached_at(place), SystemClock())
        return VenueTruth(node, venue.name, venue.account, truth.totals, truth.open_order_ids)

    def summary(self, truths: list[VenueTruth], learning: Learning | None) -> Summary:
        """Sum everything up, once every process has ended."""
        restarts = {name: child.restarts for name, child in self.children.items()}
        journals = [_facts(folder) for folder in journal_folders(self.plan.state)]
        summed = summarise(self.reports(), truths, restarts, journals, self.seconds)
        return msgspec.structs.replace(summed, learning=learning)


def forget_reports(planned: Plan) -> None:
    """Remove the last words of an earlier run, which nobody may take for this one's."""
    for region in planned.regions:
        report_file(planned.state, region.node).unlink(missing_ok=True)


def journal_folders(state: Path) -> list[Path]:
    """List the journals of a state folder."""
    root = state / "journal"
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _facts(folder: Path) -> JournalFacts:
    try:
        report = verify(folder)
    except SwarmError as error:
        sys.stderr.write(f"swarm: {error}\n")
        return JournalFacts(folder.name, 0, False, "")
    return JournalFacts(folder.name, report.events, True, report.hash)
