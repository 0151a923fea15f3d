"""A group is part of its node's state: it is restored whole, and a replay decides the same, at any moment."""

from __future__ import annotations

from agents.node import Node
from agents.record import recover
from bus.journal_memory import MemoryJournal
from domain.actions import SendOrder
from tests.agents.arbitrage.rig import (
    BTC_A,
    BTC_B,
    ETH_B,
    Meets,
    Rig,
    group_table,
    instruments,
    region_config,
)


def lived() -> Rig:
    """Live through gaps that are taken well and badly, and leave one saga in the middle."""
    r = Rig()
    r.start()
    usual: dict[str, list[Meets]] = {"a-x": [2_000, 700, "reject"], "b-x": [1_999, "silent"]}
    for name, meets in usual.items():
        r.venues[name].script.extend(meets)
    r.gap()
    r.quiet(2)
    r.tick(ETH_B, 10_040, 10_042)
    r.quiet(14)
    r.venues["b-x"].script.append("mute")
    r.gap()
    return r


def test_a_node_restored_in_the_middle_of_a_saga_is_the_same_and_decides_the_same() -> None:
    r = lived()
    assert r.group.execution.sagas.living
    again = Node(r.config, r.instruments)
    again.restore(r.node.state())
    assert again.state() == r.node.state()
    began = len(r.inputs)
    r.quiet(12)
    for event in r.inputs[began:]:
        again.step(event)
    assert again.state() == r.node.state() and not r.group.execution.sagas.living


def test_a_restore_at_any_event_changes_no_action() -> None:
    r = lived()
    r.quiet(12)
    node, fresh = Node(r.config, r.instruments), []
    for number, event in enumerate(r.inputs):
        fresh += node.step(event)
        if number % 40 == 39:
            kept = node.state()
            node = Node(r.config, r.instruments)
            node.restore(kept)
            assert node.state() == kept
    assert [_plain(action) for action in fresh] == [_plain(action) for action in r.log]


def _plain(action: object) -> object:
    """Give an action as a value: an approval is one by its intent."""
    return (action.client_id, action.approved.intent) if isinstance(action, SendOrder) else action


def test_a_journal_derives_every_action_again() -> None:
    r = lived()
    store = MemoryJournal("test")
    recorder, _ = recover(store, r.config, r.instruments)
    for number, event in enumerate(r.inputs):
        recorder.step(event)
        if number == len(r.inputs) // 2:
            recorder.commit()
            recorder.keep_snapshot()
    recorder.commit()
    again, replay = recover(store, r.config, r.instruments)
    assert replay.equal and replay.from_sequence > 1 and replay.actions > 0
    assert again.core.state() == r.node.state()


def test_with_other_markets_sagas_are_the_operators_and_hands_keep_their_own() -> None:
    r = lived()
    held = {hand.config.name: hand.position.net_lots for hand in r.group.hands.values()}
    fewer = region_config(group_table(symbols=("BTCUSDT", "ETHUSDT")))
    again = Node(fewer, instruments())
    again.restore(r.node.state())
    (group,) = again.groups
    assert not group.execution.sagas.living
    again.step(r.inputs[-1])
    r.node = again
    assert "sagas-forgotten" in str(r.wait(0.1))
    # The first market's hand has its shard still; the others moved, and an order's market is not its shard's.
    assert group.hands[BTC_A].position.net_lots == held["arb-a-x-BTCUSDT"] != 0
    assert group.hands[BTC_B].position.net_lots == 0


def test_a_group_that_is_new_begins_with_nothing() -> None:
    r = lived()
    other = Node(region_config(group_table(name="other", shard=500)), instruments())
    other.restore(r.node.state())
    (group,) = other.groups
    assert not group.execution.sagas.living and not group.tickets
    assert all(hand.position.fills == 0 for hand in group.hands.values())
