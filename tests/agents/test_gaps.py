"""A gap is in the journal every time, and in the log a few times."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from agents.gaps import GAP, GAPS_TOLD_MAX, Gaps
from agents.node import Node
from agents.record import Recorder, decode
from agents.shell import NodeShell
from bus.journal_memory import MemoryJournal
from hw.clock import SystemClock
from market.venues.trade_order import Gap
from tests.agents.builders import config, instrument


def test_every_gap_is_marked_and_the_log_is_not_flooded() -> None:
    store, said = MemoryJournal("node"), list[str]()
    gaps = Gaps(store, said.append)
    for number in range(200):
        gaps.tell(Gap("x", "BTC", number, number + 2, "gone"))
    store.commit()
    marks = [decode(record) for _, record in store.read(1)]
    assert marks[3] == {"kind": GAP, "venue": "x", "symbol": "BTC", "after": 3, "before": 5, "why": "gone"}
    assert len(marks) == gaps.count == 200 and len(said) == GAPS_TOLD_MAX + 2
    assert said[0] == "alarm history-gap: x BTC: trades after 0 and before 2: gone"
    assert said[-1].endswith("(200 by now)")


def test_what_a_venue_could_not_have_is_marked_in_the_nodes_journal() -> None:
    region = config()
    store: Any = MemoryJournal("node")
    shell = NodeShell(
        region, Recorder(Node(region, (instrument(),)), store, b""), store, SystemClock(), print
    )
    venue: Any = SimpleNamespace(name="x", instruments=(), prefer=lambda markets: None)
    shell.attach(venue)
    venue.on_gap(Gap("x", "BTC", 1, None, "gone"))
    store.commit()
    ((_, record),) = store.read(1)
    assert decode(record) == {
        "kind": GAP,
        "venue": "x",
        "symbol": "BTC",
        "after": 1,
        "before": None,
        "why": "gone",
    }
