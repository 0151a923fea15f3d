"""An operator's word on a move: journalled, told to its node until that has heard it, and never twice."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator.core import COMMAND_ID_MAX
from coordinator.facts import EpochGranted, LatchSet, MoveCommanded, NodeLeft, read_state
from coordinator.orders import PENDING_MAX
from coordinator.steps import CoordinatorAction, Record, Reply, Role
from domain.moves import MoveOrder, MoveReport
from domain.steering import Grant, MoveNoted, MoveRequest, Refusal
from tests.coordinator.builders import Desk


def move(name: str = "arb-7", **changed: Any) -> MoveReport:
    fields: dict[str, Any] = {
        "move": name, "node": "nyc-1", "region": "nyc", "group": "arb", "kind": "transfer", "asset": "BTC",
        "from_venue": "a-x", "to_venue": "b-x", "amount": "1.5", "cost": "0.001", "delay_s": 60.0,
        "reason": "because", "state": "proposed", "note": "", "since_ns": 0,
    }  # fmt: skip
    return MoveReport(**(fields | changed))


def desk(*names: str) -> Desk:
    made = Desk()
    made.grant("nyc-1", moves=tuple(move(name) for name in names or ("arb-7",)))
    return made


def said(actions: list[CoordinatorAction]) -> object:
    """Give what the operator was answered."""
    answer = actions[-1]
    assert isinstance(answer, Reply) and answer.peer == "operator"
    return answer.message


def test_a_command_is_recorded_pushed_and_repeated_until_the_node_heard_it() -> None:
    made = desk()
    record, push, answer = made.operate(MoveRequest("arb-7", "take"))
    assert record == Record(MoveCommanded("nyc-1", 1, "arb-7", "take"))
    assert isinstance(push, Reply) and isinstance(push.message, Grant)
    assert push.message.moves == (MoveOrder(1, "arb-7", "take"),)
    assert isinstance(answer, Reply) and answer.message == MoveNoted("nyc-1", 1)
    assert made.grant("nyc-1", moves=(move(),)).moves == (MoveOrder(1, "arb-7", "take"),)
    assert made.grant("tokyo-1").moves == ()
    assert made.grant("nyc-1", moves=(move(),), move_command_id=1).moves == ()


def test_what_is_said_twice_is_said_once_while_it_is_unheard() -> None:
    made = desk()
    made.operate(MoveRequest("arb-7", "take", 9))
    (again,) = made.operate(MoveRequest("arb-7", "take", 9))
    assert isinstance(again, Reply) and again.message == MoveNoted("nyc-1", 1)
    assert said(made.operate(MoveRequest("arb-7", "drop"))) == MoveNoted("nyc-1", 2)
    assert made.core.orders.of("nyc-1")[0] == MoveOrder(1, "arb-7", "take", 9)
    made.grant("nyc-1", moves=(move(),), move_command_id=2)
    assert said(made.operate(MoveRequest("arb-7", "take"))) == MoveNoted("nyc-1", 3)


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (MoveRequest("arb-8", "take"), "move 'arb-8': no node proposes it"),
        (MoveRequest("arb-7", "burn"), "a move can be taken or dropped, not 'burn'"),
        (
            MoveRequest("arb-7", "drop", 5),
            "an amount that cannot be: one above nothing, and only with `take`",
        ),
        (
            MoveRequest("arb-7", "take", -5),
            "an amount that cannot be: one above nothing, and only with `take`",
        ),
    ],
)
def test_what_cannot_be_is_refused_and_recorded_nowhere(request_: MoveRequest, why: str) -> None:
    made = desk()
    before = list(made.facts)
    assert said(made.operate(request_)) == Refusal(why) and made.facts == before


def test_a_name_that_two_nodes_use_is_refused() -> None:
    made = desk()
    made.grant("tokyo-1", moves=(move(),))
    assert said(made.operate(MoveRequest("arb-7", "take"))) == Refusal(
        "move 'arb-7': several nodes have a group of this name"
    )


def test_only_an_operator_may_say_so() -> None:
    (answer,) = desk().say(MoveRequest("arb-7", "take"), peer="nyc-1", role=Role.NODE)
    assert isinstance(answer, Reply) and answer.message == Refusal("nyc-1 is no operator")


def test_what_a_node_does_not_hear_is_bounded() -> None:
    made = desk(*(f"arb-{number}" for number in range(PENDING_MAX + 1)))
    for number in range(PENDING_MAX):
        made.operate(MoveRequest(f"arb-{number}", "drop"))
    answer = said(made.operate(MoveRequest(f"arb-{PENDING_MAX}", "drop")))
    assert answer == Refusal(f"nyc-1 has not heard {PENDING_MAX} commands yet")


def test_a_restart_still_tells_what_was_not_heard() -> None:
    made = desk()
    made.operate(MoveRequest("arb-7", "take"))
    after = made.restarted()
    assert after.grant("nyc-1", moves=(move(),)).moves == (MoveOrder(1, "arb-7", "take"),)
    after.grant("nyc-1", moves=(move(),), move_command_id=1)
    assert [type(fact) for fact in _kept(after)] == [EpochGranted]
    assert said(after.operate(MoveRequest("arb-7", "drop"))) == MoveNoted("nyc-1", 2)


def test_a_snapshot_keeps_what_was_not_heard() -> None:
    made = desk()
    made.operate(MoveRequest("arb-7", "take"))
    after = Desk()
    after.core.restore(made.core.snapshot())
    assert after.core.orders.of("nyc-1") == (MoveOrder(1, "arb-7", "take"),)


def test_numbers_go_on_above_those_that_a_lost_journal_gave() -> None:
    made = Desk()
    made.grant("nyc-1", moves=(move(),), move_command_id=41)
    assert said(made.operate(MoveRequest("arb-7", "take"))) == MoveNoted("nyc-1", 42)


@pytest.mark.parametrize("command_id", [-1, COMMAND_ID_MAX])
def test_a_number_that_cannot_be_is_refused(command_id: int) -> None:
    assert "out of their range" in Desk().refusal("nyc-1", move_command_id=command_id)


def _kept(made: Desk) -> list[EpochGranted | NodeLeft | LatchSet | MoveCommanded]:
    return list(read_state(made.core.snapshot()))
