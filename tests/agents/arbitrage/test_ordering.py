"""The whole way of an operator's word: coordinator, grant, node, balances, report; both die in between."""

from __future__ import annotations

from typing import Any

from agents.arbitrage.planning import Planning
from agents.coordinator_line import CoordinatorLine
from domain.events import Event
from domain.moves import MoveReport
from domain.steering import Grant, Heartbeat, MoveNoted, MoveRequest, Refusal, Steering
from domain.units import ATOMS_PER_UNIT
from tests.agents.arbitrage.rig import A, B, Rig, group_table
from tests.coordinator.builders import Desk

WAY = {"asset": "BTC", "between": [A, B], "fee": "0.01", "delay_s": 60}


class Swarm:
    """A node and a coordinator, as cores, with the node's own line between them."""

    def __init__(self) -> None:
        table = group_table(inventory={"shares": {"BTC": {A: 0.8, B: 0.2}}}, ways=[WAY])
        self.rig, self.desk, self.lives = Rig(table), Desk(), 1
        self.rig.start()
        self.connect()

    def connect(self) -> None:
        """Begin a process's line to the coordinator."""
        nothing: Any = None
        self.line = CoordinatorLine(
            nothing, self.report, self.tell, lambda: self.rig.now_ns, print,
            config_hash="c", build="b", incarnation=self.lives, seen_epoch=lambda: self.lives - 1,
        )  # fmt: skip

    def report(self) -> Any:
        return self.rig.node.report(self.rig.now_ns)

    def tell(self, event: Event) -> None:
        self.rig.step(event)

    def beat(self) -> None:
        """Say what the node says of itself, and let it hear the answer."""
        beat = Heartbeat(self.rig.now_ns, "c", "b", self.lives, self.report(), self.lives - 1)
        for answer in self.desk.say(beat, line=self.lives):
            self.hear(getattr(answer, "message", None))

    def hear(self, said: Steering | None) -> None:
        if isinstance(said, Grant):
            for event in self.line._events(said):
                self.rig.step(event)

    def order(self, name: str, verb: str, *, heard: bool = True) -> Steering | None:
        """Say an operator's word; the push to the node may get lost."""
        *rest, answer = self.desk.operate(MoveRequest(name, verb))
        for each in rest if heard else []:
            self.hear(getattr(each, "message", None))
        said: Steering | None = getattr(answer, "message", None)
        return said

    def move(self) -> MoveReport:
        """Give the one move, as operators see it at the coordinator."""
        (member,) = self.desk.core.status().members
        assert member.report is not None
        (move,) = member.report.moves
        return move

    def node_dies(self) -> None:
        self.lives += 1
        self.desk.later(10)
        self.rig.restart(self.lives)
        self.connect()

    def coordinator_dies(self) -> None:
        self.desk = self.desk.restarted()


def test_an_operator_takes_a_transfer_and_sees_it_arrive_though_everybody_dies_once() -> None:
    s = Swarm()
    Planning(s.rig.node, s.rig.step, lambda: s.rig.now_ns).step()
    s.beat()
    assert (s.move().move, s.move().state, s.move().amount) == ("arb-1", "proposed", "60.0000000000")
    assert s.order("arb-1", "take", heard=False) == MoveNoted("test-1", 1)
    s.coordinator_dies()
    s.node_dies()
    s.beat()  # the word, at last
    s.beat()
    assert s.move().state == "taken" and s.desk.core.orders.of("test-1") == ()
    s.node_dies()
    for venue, atoms in ((B, -60 * ATOMS_PER_UNIT), (A, 60 * ATOMS_PER_UNIT - ATOMS_PER_UNIT // 100)):
        s.rig.venues[venue].totals["BTC"] += atoms
        s.rig.quiet(12)
        s.node_dies()
        s.beat()
    assert s.move().state == "arrived" and s.report().reconciled
    assert not any(alarm.startswith(("balance", "transfer")) for alarm in s.report().alarms)


def test_a_word_is_heard_at_once_and_its_answer_stands_in_the_report() -> None:
    s = Swarm()
    Planning(s.rig.node, s.rig.step, lambda: s.rig.now_ns).step()
    s.beat()
    s.rig.node.accounts[B].wallets["BTC"].reserved_atoms += 90 * ATOMS_PER_UNIT  # orders of others
    s.order("arb-1", "take")
    assert s.report().move_command_id == 1 and "free, and 60.0000000000 is to go" in s.report().move_answer
    s.beat()
    s.order("arb-1", "drop")
    s.beat()
    assert s.report().move_answer == "" and s.move().state == "dropped"
    assert isinstance(s.order("arb-2", "drop"), Refusal)
