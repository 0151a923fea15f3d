"""A node comes back from its journal as it was: from genesis, from a snapshot, and under a changed config."""

from __future__ import annotations

import pytest

from agents.node import Node
from agents.record import Recorder, encode_action, recover
from agents.replay import Replay
from bus.journal_memory import MemoryJournal
from domain.actions import FetchBook
from domain.errors import ExitCode, SwarmError
from domain.instrument import Instrument
from domain.market_events import Tick, Trade
from domain.report import NodeReport
from market.schedule import Schedule
from sim.swarm import SwarmModel
from sim.translate import listed
from tests.sim.plans import plan, region_config

CONFIG = region_config("tokyo")


class Lived:
    """A node that traded for a while, and the journal it left."""

    def __init__(self, seconds: float = 20) -> None:
        model = SwarmModel(plan(11, "tokyo"))
        model.run_for(seconds)
        (node,) = model.nodes
        store = node.recorder.store
        assert isinstance(store, MemoryJournal) and isinstance(node.recorder.core, Node)
        self.store, self.node, self.recorder = store, node.recorder.core, node.recorder
        exchange = model.hosts["tokyo-x"].exchange
        venue = CONFIG.venues[0]
        account = exchange.config.account_index(venue.account)
        self.instruments: list[Instrument] = listed(exchange, account, venue.symbols, 0)


def known(node: Node) -> NodeReport:
    """Give all that a node says of itself."""
    return node.report(0)


def again(lived: Lived) -> tuple[Recorder, Node, Replay]:
    recorder, replay = recover(lived.store, CONFIG, lived.instruments)
    assert isinstance(recorder.core, Node)
    return recorder, recorder.core, replay


def test_a_node_recovers_from_its_genesis() -> None:
    lived = Lived()
    _, node, replay = again(lived)
    assert known(node) == known(lived.node) and node.state() == lived.node.state()
    assert replay.from_sequence == 1 and replay.inputs > 100 and replay.actions > 10
    assert sum(agent.fills for agent in known(node).agents) > 0


def test_a_node_recovers_from_a_snapshot_and_what_came_after() -> None:
    lived = Lived()
    lived.recorder.keep_snapshot()
    _, node, replay = again(lived)
    assert replay.inputs == 0 and replay.from_sequence == lived.store.events + 1
    assert known(node) == known(lived.node) and node.state() == lived.node.state()


def test_a_changed_config_takes_the_state_over() -> None:
    lived = Lived()
    fewer = CONFIG.model_copy(
        update={"desk": CONFIG.desk.model_copy(update={"take_bps": 7})},
    )
    before = lived.store.events
    recorder, _ = recover(lived.store, fewer, lived.instruments)
    assert lived.store.events == before + 1, "the new genesis is marked"
    assert isinstance(recorder.core, Node) and recorder.core.config.desk.take_bps == 7
    assert known(recorder.core) == known(lived.node)
    recorder.commit()
    unchanged, _ = recover(lived.store, fewer, lived.instruments)
    assert lived.store.events == before + 1 and known(unchanged.core) == known(lived.node)  # type: ignore[arg-type]


def test_a_journal_that_another_build_wrote_is_refused() -> None:
    lived = Lived(2)
    lived.store.append(encode_action(FetchBook(3)))
    lived.store.commit()
    with pytest.raises(SwarmError, match=f"record {lived.store.events}") as caught:
        again(lived)
    assert caught.value.code == ExitCode.REPLAY_MISMATCH and caught.value.where == "tokyo-1"


def test_snapshots_are_due_as_the_config_says() -> None:
    lived = Lived(1)
    often = CONFIG.model_copy(
        update={"journal": CONFIG.journal.model_copy(update={"snapshot_events": 1_000})}
    )
    recorder, _ = recover(lived.store, often, lived.instruments)
    assert recorder.snapshot_every == 1_000


def test_the_classes_of_indicators_are_recorded_and_a_restart_sees_the_same_values() -> None:
    names = ("ema:5", "sma:7", "bollinger:9")
    schedule = Schedule({"sma:7": "few", "bollinger:9": "deferred"}, {}, few=3, batch=8, delay=2)
    config = CONFIG.model_copy(update={"market": CONFIG.market.model_copy(update={"indicators": names})})
    store, instruments = MemoryJournal("tokyo-1"), Lived(0.1).instruments
    first, _ = recover(store, config, instruments, schedule)
    for number in range(1, 60):
        at_ns = number * 50_000_000
        bid = 6_000_000 + number * number % 97
        first.step(Tick(0, at_ns, at_ns, bid, 5, bid + 2, 5, number))
        first.step(Trade(0, at_ns, at_ns, number, bid, 3, 1))
    first.commit()
    again, replay = recover(store, config, instruments, schedule)
    assert isinstance(first.core, Node) and isinstance(again.core, Node) and replay.inputs == 118
    shown = [first.core.pipeline.indicator(0, name) for name in names]
    assert shown == [again.core.pipeline.indicator(0, name) for name in names] and None not in shown
    assert again.core.state() == first.core.state()
    bare, _ = recover(MemoryJournal("tokyo-1"), config, instruments)
    assert isinstance(bare.core, Node) and bare.genesis != again.genesis
