"""The coordinator as a value: leases with epochs, a split risk budget, the halt latch, and the sums.

An epoch is given to one incarnation of one node and never again. A second process of a node's name is
refused while the first may act: until its lease ran out or it left. One exception lets a killed node come
back sooner: incarnations only rise within the node's own journal, which one process at a time can hold, so a
*higher* one says that the process before it is gone; it is believed once that one has been silent for
`late_after_s`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from coordinator.budgets import BudgetBook
from coordinator.config import CoordinatorConfig
from coordinator.facts import (
    EpochGranted,
    Fact,
    LatchSet,
    MoveCommanded,
    NodeLeft,
    read_state,
    write_state,
)
from coordinator.halts import HaltLatches, Latch
from coordinator.members import Member
from coordinator.orders import MoveOrders
from coordinator.steps import (
    CoordinatorAction,
    CoordinatorEvent,
    CoordinatorStarted,
    Record,
    Reply,
    Role,
    Said,
)
from domain.control_events import Clocked
from domain.ids import EPOCH_MAX
from domain.report import NodeReport
from domain.steering import (
    Grant,
    HaltRequest,
    Heartbeat,
    Leave,
    MoveNoted,
    MoveRequest,
    Refusal,
    ResumeRequest,
    StatusRequest,
    SwarmStatus,
)

# Far above what operators can reach, and far below what a record cannot hold.
COMMAND_ID_MAX = 1 << 53


class Coordinator:
    """Step on what peers say; starting anew and recovering are one path: facts, then `CoordinatorStarted`."""

    def __init__(self, config: CoordinatorConfig) -> None:
        self.config = config
        self.members: dict[str, Member] = {}
        self.latches = HaltLatches()
        self.orders = MoveOrders()
        self.budgets = BudgetBook(config.budget_atoms, config.expected_nodes)
        self.now_ns = 0
        self._attested: dict[str, tuple[str, str, int]] = {}

    # What survives.

    def replay(self, facts: Iterable[Fact]) -> None:
        """Take back what was journalled."""
        for fact in facts:
            self._apply(fact)

    def snapshot(self) -> bytes:
        """Give everything that a restart needs."""
        facts: list[Fact] = []
        for member in self.members.values():
            facts.append(_granted(member, member.budget_atoms))
            if member.left:
                facts.append(NodeLeft(member.node))
        facts.extend(self.latches.facts())
        facts.extend(self.orders.facts())
        return write_state(facts)

    def restore(self, state: bytes) -> None:
        """Take back what `snapshot` gave."""
        self.replay(read_state(state))

    def _apply(self, fact: Fact) -> None:
        match fact:
            case EpochGranted(node, region, incarnation, epoch, budget_atoms):
                member = self.members.get(node)
                if member is None:
                    self.members[node] = Member(node, region, incarnation, epoch, budget_atoms)
                    return
                assert epoch >= member.epoch, "epochs never go back"
                member.region, member.incarnation = region, incarnation
                member.epoch, member.budget_atoms, member.left = epoch, budget_atoms, False
            case NodeLeft(node):
                self.members[node].left = True
                self.budgets.end(node)
            case LatchSet():
                self.latches.apply(fact)
            case MoveCommanded():
                self.orders.apply(fact)

    # What happens.

    def step(self, event: CoordinatorEvent) -> list[CoordinatorAction]:
        """Answer an event; records come before the replies that depend on them."""
        match event:
            case CoordinatorStarted(now_ns):
                return self._started(now_ns)
            case Clocked(local_ts_ns):
                self.now_ns = max(self.now_ns, local_ts_ns)
                return []
            case Said():
                self.now_ns = max(self.now_ns, event.now_ns)
                return self._said(event)

    def _started(self, now_ns: int) -> list[CoordinatorAction]:
        self.now_ns = now_ns
        for member in self.members.values():
            member.last_seen_ns = now_ns
            if not member.left:
                # Nobody knows when the last lease was granted: believe that it was just now.
                self.budgets.lease(member.node, member.budget_atoms, now_ns + self.config.lease_ttl_ns)
        return []

    def _said(self, said: Said) -> list[CoordinatorAction]:
        message = said.message
        if isinstance(message, Heartbeat | Leave):
            refusal = _not_this_node(said, message.report)
            if refusal is not None:
                return [_refuse(said, refusal)]
            return (
                self._heartbeat(said, message)
                if isinstance(message, Heartbeat)
                else self._leave(said, message)
            )
        if said.role is not Role.OPERATOR:
            return [_refuse(said, f"{said.peer} is no operator")]
        match message:
            case HaltRequest(region, reason):
                return self._command(said, region, True, reason)
            case ResumeRequest(region):
                return self._command(said, region, False, "")
            case MoveRequest():
                return self._move(said, message)
            case StatusRequest():
                return [Reply(said.peer, said.line, self.status())]
            case _:
                return [_refuse(said, "that is not for a coordinator")]

    # Nodes.

    def _heartbeat(self, said: Said, heartbeat: Heartbeat) -> list[CoordinatorAction]:
        refusal = self._why_not(said, heartbeat)
        if refusal is not None:
            return [_refuse(said, refusal)]
        member, records = self._granted_member(heartbeat)
        member.hear(heartbeat, said.line, self.now_ns)
        records += self._halted_anew(heartbeat.report)
        self.orders.heard(heartbeat.report)
        return [*records, Reply(said.peer, said.line, self._grant(member))]

    def _grant(self, member: Member) -> Grant:
        latch, orders = self.latches.of(member.region), self.orders.of(member.node)
        return member.grant(latch, self.config.lease_ttl_ns, orders)

    def _halted_anew(self, report: NodeReport) -> list[CoordinatorAction]:
        """Number a halt again for a node that obeyed a later command, one that our lost journal knew."""
        latch = self.latches.of(report.region)
        if report.halted or not latch.halted or report.halt_command_id <= latch.command_id:
            return []
        fact = self.latches.command(report.region, True, latch.reason, report.halt_command_id)
        self._apply(fact)
        return [Record(fact)]

    def _why_not(self, said: Said, heartbeat: Heartbeat) -> str | None:
        """Give the reason to refuse a lease, `None` for none."""
        report, member = heartbeat.report, self.members.get(heartbeat.report.node)
        if not all(math.isfinite(a.pnl_quote) and math.isfinite(a.exposure_quote) for a in report.agents):
            return "figures in the report are not finite"
        commands = report.halt_command_id, report.move_command_id
        known = all(0 <= number < COMMAND_ID_MAX for number in commands)
        if not (known and 0 <= heartbeat.seen_epoch <= EPOCH_MAX):
            return "numbers in the report are out of their range"
        if member is None:
            if heartbeat.seen_epoch >= EPOCH_MAX:
                return f"{report.node} has used up its epochs"
            if len(self.members) >= self.config.nodes_max:
                return f"there are already {self.config.nodes_max} nodes"
        elif self._other_lives(member, said, heartbeat):
            return f"another process of {member.node} is alive or its lease still runs"
        elif heartbeat.incarnation != member.incarnation and self._past(heartbeat) >= EPOCH_MAX:
            return f"{member.node} has used up its epochs"
        elif heartbeat.incarnation == member.incarnation and report.region != member.region:
            return f"{member.node} belongs to {member.region} until it is started anew"
        return self._unarmed(heartbeat)

    def _other_lives(self, member: Member, said: Said, heartbeat: Heartbeat) -> bool:
        same_process = heartbeat.incarnation == member.incarnation
        if member.left or (same_process and member.line in (None, said.line)):
            return False
        if not self.budgets.holds_lease(member.node, self.now_ns):
            return False
        silent = self.now_ns - member.last_seen_ns >= self.config.late_after_ns
        return not (silent and heartbeat.incarnation >= member.incarnation)

    def _unarmed(self, heartbeat: Heartbeat) -> str | None:
        """Refuse until enough live nodes attest the same build and config, where the config asks for it."""
        quorum = self.config.arming_quorum
        if quorum is None:
            return None
        since_ns = self.now_ns - self.config.lost_after_ns
        mine = (heartbeat.build, heartbeat.config_hash)
        attested = {node: seen for node, seen in self._attested.items() if seen[2] > since_ns}
        attested[heartbeat.report.node] = (*mine, self.now_ns)
        self._attested = dict(list(attested.items())[-self.config.nodes_max :])
        agreeing = sum(seen[:2] == mine for seen in attested.values())
        if agreeing >= quorum:
            return None
        return f"{agreeing} of {quorum} nodes attest build {mine[0]} with config {mine[1]}"

    def _granted_member(self, heartbeat: Heartbeat) -> tuple[Member, list[CoordinatorAction]]:
        """Give the member its share, and an epoch of its own if its incarnation is new."""
        report, config = heartbeat.report, self.config
        member = self.members.get(report.node)
        share = self.budgets.share(report.node, self.now_ns)
        self.budgets.lease(report.node, share, self.now_ns + config.lease_ttl_ns)
        records: list[CoordinatorAction] = []
        fresh = member is None or member.incarnation != heartbeat.incarnation
        if member is None or fresh or member.left or share > member.budget_atoms:
            epoch = self._past(heartbeat) + 1 if member is None or fresh else member.epoch
            # An earlier life of the node may still hold more: a restart must count what is the most.
            most = self.budgets.outstanding(report.node, self.now_ns)
            fact = EpochGranted(report.node, report.region, heartbeat.incarnation, epoch, most)
            self._apply(fact)
            records.append(Record(fact))
            member = self.members[report.node]
        member.granted_atoms = share
        return member, records

    def _past(self, heartbeat: Heartbeat) -> int:
        """Give the highest epoch that this node ever had, by our journal and by its own."""
        member = self.members.get(heartbeat.report.node)
        return max(member.epoch if member is not None else 0, heartbeat.seen_epoch)

    def _leave(self, said: Said, leave: Leave) -> list[CoordinatorAction]:
        member = self.members.get(leave.report.node)
        ours = member is not None and member.epoch == leave.report.epoch
        if member is None or not ours or member.left or member.line not in (None, said.line):
            return []
        member.report, member.last_seen_ns = leave.report, self.now_ns
        member.granted_atoms = None
        fact = NodeLeft(member.node)
        self._apply(fact)
        return [Record(fact)]

    # Operators.

    def _command(self, said: Said, region: str | None, halted: bool, reason: str) -> list[CoordinatorAction]:
        known = self.regions()
        if region is not None and region not in known:
            return [_refuse(said, f"region {region} is not known; known: {', '.join(known) or 'none yet'}")]
        reports = [member.report for member in self.members.values() if member.report is not None]
        fact = self.latches.command(
            region, halted, reason, max((report.halt_command_id for report in reports), default=0)
        )
        self._apply(fact)
        pushed = [
            Reply(member.node, member.line, self._grant(member))
            for member in self.members.values()
            if region in (None, member.region)
            and member.line is not None
            and member.granted_atoms is not None
        ]
        return [Record(fact), *pushed, Reply(said.peer, said.line, self.status())]

    def _move(self, said: Said, asked: MoveRequest) -> list[CoordinatorAction]:
        """Note an operator's word for the one node that proposed this move, and push it."""
        having = [member for member in self.members.values() if member.has_move(asked.move)]
        if len(having) != 1:
            why = "no node proposes it" if not having else "several nodes have a group of this name"
            return [_refuse(said, f"move {asked.move[:60]!a}: {why}")]
        (member,) = having
        same = self.orders.same(member.node, asked)
        if same is not None:
            return [Reply(said.peer, said.line, MoveNoted(member.node, same))]
        if (refusal := self.orders.refused(member.node, asked)) is not None:
            return [_refuse(said, refusal)]
        obeyed = member.report.move_command_id if member.report is not None else 0
        fact = self.orders.command(member.node, asked, obeyed)
        self._apply(fact)
        answers: list[CoordinatorAction] = [Record(fact)]
        if member.line is not None and member.granted_atoms is not None:
            answers.append(Reply(member.node, member.line, self._grant(member)))
        return [*answers, Reply(said.peer, said.line, MoveNoted(member.node, fact.command_id))]

    def regions(self) -> list[str]:
        """Name every region that the config or a node ever named."""
        heard = (member.region for member in self.members.values())
        return sorted({*self.config.regions, *heard})

    def status(self) -> SwarmStatus:
        """Sum the swarm up, lost and departed nodes at their last word: their positions are still there."""
        positions: dict[str, int] = {}
        exposure = pnl = 0.0
        for member in self.members.values():
            for agent in member.report.agents if member.report is not None else ():
                market = f"{agent.venue}:{agent.symbol}"
                positions[market] = positions.get(market, 0) + agent.position_lots
                exposure += agent.exposure_quote
                pnl += agent.pnl_quote
        return SwarmStatus(
            ts_ns=self.now_ns,
            halted=self.latches.swarm.halted,
            halted_regions=tuple(region for region in self.regions() if self._latch(region).halted),
            members=tuple(
                member.status(self.now_ns, self._latch(member.region), self.config)
                for member in self.members.values()
            ),
            exposure_quote=exposure,
            pnl_quote=pnl,
            positions=dict(sorted(positions.items())),
            journal_events=0,
            journal_hash="",
        )

    def _latch(self, region: str) -> Latch:
        return self.latches.of(region)


def _granted(member: Member, budget_atoms: int) -> EpochGranted:
    return EpochGranted(member.node, member.region, member.incarnation, member.epoch, budget_atoms)


def _not_this_node(said: Said, report: NodeReport) -> str | None:
    if said.role is Role.NODE and report.node == said.peer:
        return None
    return f"the key of {said.peer} does not speak for node {report.node}"


def _refuse(said: Said, reason: str) -> Reply:
    return Reply(said.peer, said.line, Refusal(reason))
