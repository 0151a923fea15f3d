from __future__ import annotations

import math
from typing import Any

import pytest

from coordinator.core import Coordinator
from coordinator.facts import EpochGranted, LatchSet, NodeLeft, read_state
from coordinator.steps import Record, Reply, Role
from domain.control_events import Clocked
from domain.ids import EPOCH_MAX
from domain.steering import Grant, HaltRequest, Refusal, ResumeRequest, StatusRequest, SwarmStatus
from tests.coordinator.builders import Desk, S, agent, heartbeat, leave


def health(desk: Desk) -> list[str]:
    desk.core.step(Clocked(desk.now_ns))
    return [member.health for member in desk.core.status().members]


def halted(desk: Desk, node: str = "tokyo-1", **changed: Any) -> tuple[bool, int]:
    grant = desk.grant(node, **changed)
    return grant.halted, grant.halt_command_id


def test_a_lease_runs_from_the_heartbeats_own_sending() -> None:
    grant = Desk().grant(sent_ns=42)
    assert (grant.sent_ns, grant.ttl_ns, grant.epoch) == (42, 5 * S, 1)


def test_an_epoch_is_recorded_before_it_is_granted_and_only_once() -> None:
    desk = Desk(budget_atoms=300)
    first, second = desk.say(heartbeat()), desk.say(heartbeat())
    assert first[0] == Record(EpochGranted("tokyo-1", "tokyo", 1, 1, 100))
    assert isinstance(first[1], Reply)
    assert [type(action) for action in second] == [Reply]


def test_a_new_incarnation_gets_a_higher_epoch() -> None:
    desk = Desk()
    assert desk.grant(incarnation=1).epoch == 1
    assert desk.later(6).grant(incarnation=2).epoch == 2
    assert desk.later(6).grant(incarnation=1).epoch == 3


def test_a_second_live_process_of_a_name_is_refused_and_changes_nothing() -> None:
    desk = Desk()
    epoch = desk.grant(incarnation=1).epoch
    for incarnation in (0, 1, 2):
        assert "alive" in desk.refusal(incarnation=incarnation, line=2)
    assert desk.grant(incarnation=1).epoch == epoch


def test_a_killed_node_comes_back_once_its_predecessor_fell_silent() -> None:
    desk = Desk()
    desk.grant(incarnation=1)
    assert "alive" in desk.later(0.9).refusal(incarnation=2, line=2)
    assert desk.later(0.1).grant(incarnation=2, line=2).epoch == 2
    assert "alive" in desk.later(0.1).refusal(incarnation=1)


def test_an_older_incarnation_waits_until_the_lease_ran_out() -> None:
    desk = Desk()
    desk.grant(incarnation=5)
    assert "lease" in desk.later(4.9).refusal(incarnation=4, line=2)
    assert desk.later(0.1).grant(incarnation=4, line=2).epoch == 2


def test_a_node_that_left_may_come_back_at_once() -> None:
    desk = Desk()
    epoch = desk.grant(incarnation=3).epoch
    assert desk.say(leave(epoch=epoch)) == [Record(NodeLeft("tokyo-1"))]
    assert health(desk) == ["left"]
    assert desk.grant(incarnation=1, line=2).epoch == 2


def test_only_the_process_that_holds_the_lease_can_give_it_back() -> None:
    desk = Desk()
    assert desk.say(leave()) == []
    epoch = desk.grant().epoch
    assert desk.say(leave(epoch=epoch), line=2) == []
    assert desk.say(leave(epoch=epoch - 1)) == []
    assert health(desk) == ["ok"]


def test_a_lost_lease_on_a_new_line_keeps_its_epoch() -> None:
    desk = Desk()
    desk.grant()
    assert desk.later(1).grant(line=2).epoch == 1


def test_silence_makes_a_node_late_and_then_lost() -> None:
    desk = Desk()
    desk.grant()
    assert health(desk) == ["ok"]
    assert health(desk.later(1)) == ["late"]
    assert health(desk.later(2)) == ["lost"]
    desk.grant()
    assert health(desk) == ["ok"]


def test_time_never_goes_back_for_the_core() -> None:
    desk = Desk()
    desk.grant()
    desk.later(-50).grant()
    assert desk.core.now_ns == 100 * S


def test_a_budget_is_split_evenly_over_the_expected_nodes() -> None:
    desk = Desk(budget_atoms=300, expected_nodes=3)
    assert [desk.grant(f"{region}-1").budget_atoms for region in ("a", "b", "c")] == [100, 100, 100]


def test_a_node_more_than_expected_waits_for_others_leases() -> None:
    desk = Desk(budget_atoms=300, expected_nodes=1)
    assert desk.grant("a-1").budget_atoms == 300
    assert desk.grant("b-1").budget_atoms == 0
    assert desk.later(1).grant("a-1").budget_atoms == 150
    assert desk.later(3.9).grant("b-1").budget_atoms == 0
    assert desk.later(0.1).grant("b-1").budget_atoms == 150


def test_a_budget_comes_free_when_a_node_leaves() -> None:
    desk = Desk(budget_atoms=300, expected_nodes=1)
    epoch = desk.grant("a-1").epoch
    desk.say(leave("a-1", epoch=epoch))
    assert desk.grant("b-1").budget_atoms == 300


def test_leases_from_before_a_restart_count_for_a_whole_ttl() -> None:
    desk = Desk(budget_atoms=300, expected_nodes=1)
    desk.grant("a-1")
    desk = desk.restarted()
    assert desk.later(4.9).grant("b-1").budget_atoms == 0
    assert desk.later(0.1).grant("b-1").budget_atoms == 300


def test_a_budget_that_grew_is_remembered_over_a_restart() -> None:
    desk = Desk(budget_atoms=300, expected_nodes=1)
    epoch = desk.grant("a-1").epoch
    assert desk.grant("b-1").budget_atoms == 0
    desk.say(leave("a-1", epoch=epoch))
    assert desk.grant("b-1").budget_atoms == 300
    assert desk.restarted().later(1).grant("c-1").budget_atoms == 0


def test_what_an_earlier_life_still_holds_is_remembered_over_a_restart() -> None:
    desk = Desk(budget_atoms=1000, expected_nodes=2)
    assert desk.grant("a-1").budget_atoms == 500
    desk.later(1.0)
    assert desk.grant("c-1").budget_atoms == 500 and desk.grant("b-1").budget_atoms == 0
    assert desk.grant("a-1", incarnation=2).budget_atoms == 333  # while the first may still run with 500
    for again in (desk.restarted(), Desk(read_state(desk.core.snapshot()), **desk.config.model_dump())):
        again.now_ns = desk.now_ns
        assert again.grant("b-1").budget_atoms == 0


def test_a_halt_is_recorded_then_pushed_to_every_node_in_scope() -> None:
    desk = Desk()
    desk.grant("tokyo-1", sent_ns=11)
    desk.grant("nyc-1", line=2)
    record, push, answer = desk.operate(HaltRequest("tokyo", "storm"))
    assert record == Record(LatchSet("tokyo", True, 1, "storm"))
    assert isinstance(push, Reply) and isinstance(push.message, Grant)
    assert (push.peer, push.line) == ("tokyo-1", 1)
    assert (push.message.sent_ns, push.message.halted, push.message.halt_command_id) == (11, True, 1)
    assert push.message.halt_reason == "storm"
    assert isinstance(answer, Reply) and isinstance(answer.message, SwarmStatus)
    assert answer.message.halted_regions == ("tokyo",) and not answer.message.halted
    assert halted(desk, "nyc-1", line=2) == (False, 0)


def test_a_halt_of_all_reaches_nodes_that_come_later() -> None:
    desk = Desk()
    desk.operate(HaltRequest(None, "all"))
    assert halted(desk) == (True, 1)


def test_a_resume_has_a_higher_id_and_reaches_a_lost_node_with_its_next_grant() -> None:
    desk = Desk()
    desk.grant()
    desk.operate(HaltRequest(None, ""))
    desk.later(60).operate(ResumeRequest(None))
    assert halted(desk) == (False, 2)


def test_the_latest_command_that_concerns_a_region_holds() -> None:
    desk = Desk(regions=("nyc", "tokyo"))
    desk.operate(HaltRequest(None, ""))
    desk.operate(ResumeRequest("tokyo"))
    assert desk.core.status().halted_regions == ("nyc",)
    desk.operate(HaltRequest("tokyo", ""))
    desk.operate(ResumeRequest(None))
    assert desk.core.status().halted_regions == ()
    assert halted(desk, "tokyo-1") == halted(desk, "nyc-1", line=2) == (False, 4)


def test_a_halt_survives_a_restart() -> None:
    desk = Desk()
    desk.grant()
    desk.operate(HaltRequest("tokyo", "storm"))
    desk = desk.restarted()
    grant = desk.grant()
    assert (grant.halted, grant.halt_command_id, grant.halt_reason) == (True, 1, "storm")


def test_a_restarted_coordinator_pushes_only_to_nodes_that_it_heard() -> None:
    desk = Desk()
    desk.grant()
    assert len(desk.restarted().operate(HaltRequest(None, ""))) == 2


@pytest.mark.parametrize(
    ("changed", "confirmed"),
    [
        ({"halted": True, "halt_command_id": 1}, True),
        ({"halted": True, "halt_command_id": 2}, True),
        ({"halted": True, "halt_command_id": 0}, False),
        ({"halted": False, "halt_command_id": 1}, False),
        ({"halted": True, "halt_command_id": 1, "flat_of_orders": False}, False),
    ],
)
def test_a_halt_is_confirmed_by_a_node_without_open_orders(changed: dict[str, Any], confirmed: bool) -> None:
    desk = Desk()
    desk.grant()
    desk.operate(HaltRequest(None, ""))
    desk.grant(**changed)
    [member] = desk.core.status().members
    assert (member.halted, member.halt_confirmed) == (True, confirmed)


def test_an_unknown_region_is_refused_and_known_ones_are_named() -> None:
    desk = Desk(regions=("nyc",))
    desk.grant("tokyo-1")
    [answer] = desk.operate(HaltRequest("mars", ""))
    assert answer == Reply("operator", 99, Refusal("region mars is not known; known: nyc, tokyo"))
    assert desk.core.latches.last_command_id == 0


@pytest.mark.parametrize("request_", [HaltRequest(None, ""), ResumeRequest(None), StatusRequest()])
def test_only_an_operator_operates(request_: HaltRequest | ResumeRequest | StatusRequest) -> None:
    assert Desk().say(request_, peer="tokyo-1") == [Reply("tokyo-1", 1, Refusal("tokyo-1 is no operator"))]


def test_a_key_speaks_for_its_own_node_only() -> None:
    for role in Role:
        [answer] = Desk().say(heartbeat("tokyo-1"), peer="nyc-1", role=role)
        assert answer == Reply("nyc-1", 1, Refusal("the key of nyc-1 does not speak for node tokyo-1"))


def test_what_only_a_coordinator_says_is_refused() -> None:
    [answer] = Desk().operate(Refusal("?"))
    assert answer == Reply("operator", 99, Refusal("that is not for a coordinator"))


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_a_report_with_a_figure_that_is_none_is_refused(figure: float) -> None:
    assert "finite" in Desk().refusal(agents=(agent(pnl_quote=figure),))
    assert "finite" in Desk().refusal(agents=(agent(exposure_quote=figure),))


def test_a_node_stays_in_its_region_while_it_lives() -> None:
    desk = Desk()
    desk.grant()
    assert "belongs to tokyo" in desk.refusal(region="nyc")
    assert desk.later(6).grant(region="nyc", incarnation=2).epoch == 2
    assert desk.core.regions() == ["nyc"]


def test_members_are_bounded() -> None:
    desk = Desk(nodes_max=1)
    desk.grant("a-1")
    assert "already 1" in desk.refusal("b-1")


def test_a_node_out_of_epochs_is_refused() -> None:
    desk = Desk([EpochGranted("tokyo-1", "tokyo", 1, EPOCH_MAX, 0)])
    assert desk.grant().epoch == EPOCH_MAX
    assert "epochs" in desk.later(6).refusal(incarnation=2)


def test_a_coordinator_that_lost_its_journal_goes_on_above_what_nodes_remember() -> None:
    empty = Desk()
    assert empty.grant(incarnation=9, seen_epoch=4).epoch == 5
    assert empty.grant(incarnation=9, seen_epoch=5).epoch == 5, "its own epoch is no new one"
    assert "epochs" in empty.refusal("nyc-1", seen_epoch=EPOCH_MAX)
    assert "range" in empty.refusal("nyc-1", seen_epoch=EPOCH_MAX + 1)
    assert "range" in empty.refusal("nyc-1", halt_command_id=1 << 60)


def test_a_halt_after_a_lost_journal_is_above_what_nodes_obeyed() -> None:
    empty = Desk()
    empty.grant(halt_command_id=7)
    empty.operate(HaltRequest(None, "now"))
    assert halted(empty, halt_command_id=7) == (True, 8)
    assert empty.restarted().core.latches.last_command_id == 8


def test_a_node_that_comes_later_than_the_halt_is_halted_by_a_number_that_it_obeys() -> None:
    empty = Desk()
    empty.operate(HaltRequest(None, "now"))
    assert halted(empty, "nyc-1") == (True, 1)
    assert halted(empty, "tokyo-1", halt_command_id=7) == (True, 8)
    assert halted(empty, "tokyo-1", halt_command_id=8, halted=True) == (True, 8)
    assert halted(empty, "nyc-1", halt_command_id=1, halted=True) == (True, 1)
    assert empty.restarted().later(6).grant("tokyo-1", incarnation=2).halt_command_id == 8


def test_no_node_is_armed_until_a_quorum_attests_the_same_build() -> None:
    desk = Desk(arming_quorum=2)
    assert desk.refusal("a-1") == "1 of 2 nodes attest build b with config config"
    assert "1 of 2" in desk.refusal("b-1", build="other")
    assert desk.grant("b-1").epoch == 1
    assert desk.grant("a-1").epoch == 1
    assert "1 of 2" in desk.refusal("c-1", build="other")
    assert "1 of 2" in desk.later(3).refusal("a-1")


def test_positions_exposure_and_pnl_are_summed_with_the_lost_at_their_last_word() -> None:
    desk = Desk()
    desk.grant("tokyo-1", agents=(agent(position_lots=5, pnl_quote=1.5), agent(position_lots=-2)))
    desk.later(60)
    desk.grant("nyc-1", agents=(agent(venue="nyc-x", position_lots=4, pnl_quote=-1.0, exposure_quote=9.0),))
    status = desk.core.status()
    assert status.positions == {"nyc-x:BTCUSDT": 4, "tokyo-x:BTCUSDT": 3}
    assert (status.exposure_quote, status.pnl_quote) == (9.0, 0.5)
    assert [member.health for member in status.members] == ["lost", "ok"]
    assert status.members[0].last_seen_ago_s == 60.0


def test_a_snapshot_leads_to_the_same_state_as_the_facts() -> None:
    desk = Desk()
    epoch = desk.grant("tokyo-1").epoch
    desk.grant("nyc-1", line=2)
    desk.say(leave("tokyo-1", epoch=epoch))
    for request in (HaltRequest(None, "a"), ResumeRequest("nyc"), HaltRequest("tokyo", "b")):
        desk.operate(request)
    restored, replayed = Coordinator(desk.config), Coordinator(desk.config)
    restored.restore(desk.core.snapshot())
    replayed.replay(desk.facts)
    assert restored.members == replayed.members
    assert restored.snapshot() == desk.core.snapshot()
    assert restored.latches.last_command_id == 3
    assert [restored.latches.of(region) for region in ("nyc", "tokyo")] == [
        desk.core.latches.of(region) for region in ("nyc", "tokyo")
    ]
