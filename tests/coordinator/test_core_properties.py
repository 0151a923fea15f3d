from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from coordinator.facts import read_state
from coordinator.steps import Record, Reply
from domain.steering import Grant, HaltRequest, ResumeRequest
from tests.coordinator.builders import Desk, heartbeat, leave

NODES = ("a-1", "b-1", "c-1", "d-1")
TOTAL = 1000


class Swarm(RuleBasedStateMachine):
    """Nodes that come, die, return and double; a coordinator that dies between journal and reply."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(budget_atoms=TOTAL, expected_nodes=2, nodes_max=4)
        self.owners: dict[tuple[str, int], tuple[str, int]] = {}
        self.latest_epoch: dict[str, int] = {}
        self.leases: list[tuple[str, int, int]] = []
        self.commanded: dict[str, tuple[int, bool]] = {}
        self.last_id = 0

    @rule(
        node=st.sampled_from(NODES),
        incarnation=st.integers(1, 4),
        line=st.integers(1, 3),
        fate=st.sampled_from(["answered", "answered", "killed before reply", "killed before commit"]),
    )
    def beat(self, node: str, incarnation: int, line: int, fate: str) -> None:
        kept = len(self.desk.facts)
        actions = self.desk.say(heartbeat(node, incarnation, sent_ns=self.desk.now_ns), line=line)
        granted = [a.message for a in actions if isinstance(a, Reply) and isinstance(a.message, Grant)]
        if fate == "killed before commit":
            del self.desk.facts[kept:]
            granted = []
        if fate != "answered":
            self.desk = self.desk.restarted()
        for grant in granted:
            self.take(node, incarnation, grant)

    def take(self, node: str, incarnation: int, grant: Grant) -> None:
        owner = self.owners.setdefault((node, grant.epoch), (node, incarnation))
        assert owner == (node, incarnation), "an epoch has one incarnation"
        assert grant.epoch >= self.latest_epoch.get(node, 0), "epochs never go back"
        self.latest_epoch[node] = grant.epoch
        self.leases.append((node, grant.budget_atoms, grant.sent_ns + grant.ttl_ns))
        command_id, halted = self.commanded.get(node[0], (0, False))
        assert (grant.halt_command_id, grant.halted) == (command_id, halted), "a halt is never lost"

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 4.0, 5.0]))
    def wait(self, seconds: float) -> None:
        self.desk.later(seconds)

    @rule()
    def restart(self) -> None:
        self.desk = self.desk.restarted()

    @rule()
    def restart_from_snapshot(self) -> None:
        self.desk.facts = read_state(self.desk.core.snapshot())
        self.desk = self.desk.restarted()

    @rule(node=st.sampled_from(NODES), line=st.integers(1, 3))
    def leave(self, node: str, line: int) -> None:
        epoch = self.latest_epoch.get(node, 0)
        if any(isinstance(a, Record) for a in self.desk.say(leave(node, epoch=epoch), line=line)):
            self.leases = [lease for lease in self.leases if lease[0] != node]

    @rule(region=st.sampled_from([None, "a", "b", "c", "d"]), halted=st.booleans())
    def command(self, region: str | None, halted: bool) -> None:
        actions = self.desk.operate(HaltRequest(region, "") if halted else ResumeRequest(region))
        if not isinstance(actions[0], Record):
            assert region not in self.desk.core.regions()
            return
        self.last_id += 1
        for name in [region] if region is not None else ["a", "b", "c", "d"]:
            self.commanded[name] = (self.last_id, halted)
        for action in actions[1:-1]:
            assert isinstance(action, Reply) and isinstance(action.message, Grant)
            assert action.message.epoch == self.latest_epoch[action.peer], "news never carries a new epoch"
            assert (action.message.halt_command_id, action.message.halted) == (self.last_id, halted)

    @invariant()
    def budgets_never_exceed_the_total(self) -> None:
        self.leases = [lease for lease in self.leases if lease[2] > self.desk.now_ns]
        most: dict[str, int] = {}
        for node, budget, _ in self.leases:
            most[node] = max(budget, most.get(node, 0))
        assert sum(most.values()) <= TOTAL


Swarm.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSwarm = Swarm.TestCase
