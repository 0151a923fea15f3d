"""Follow one order through a journal, then replay the journal: python examples/read_a_journal.py [FOLDER]

FOLDER is a node's journal, such as .swarm/journal/node-tokyo-1; it may be in use. Without one, a few seconds
are simulated first.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from agents.record import decode
from bus.codec import RecordedSend
from bus.journal import Journal
from bus.journal_reader import open_reader, verify
from domain.ids import client_id_text
from domain.order_events import Fill
from sim.replay import NodeReplay, replay
from sim.sim_run import swarm_plan
from sim.swarm import SwarmModel

DEPLOY = Path(__file__).resolve().parent.parent / "deploy"


def simulated(folder: Path) -> Path:
    """Leave a node's journal behind."""

    def opened(name: str) -> Journal:
        return Journal.open(folder / name, name)

    model = SwarmModel(swarm_plan(DEPLOY, seed=1, only=["tokyo"]), opened)
    model.run_for(20)
    model.stop()
    for store in model.stores.values():
        assert isinstance(store, Journal)
        store.close()
    return folder / "node-tokyo-1"


def first_filled(folder: Path) -> int | None:
    """Find the first order of ours that traded."""
    values = (decode(record) for _, record in open_reader(folder).read(1))
    return next((value.client_id for value in values if isinstance(value, Fill)), None)


def main(folder: Path) -> None:
    """Verify, count, follow, replay."""
    report = verify(folder)
    print(f"{report.events} records hold, head {report.hash[:16]}")
    kinds = Counter(type(decode(record)).__name__ for _, record in open_reader(folder).read(1))
    for name, number in kinds.most_common(8):
        print(f"  {number:6d} {name}")
    wanted = first_filled(folder)
    if wanted is not None:
        print(f"the life of order {client_id_text(wanted)}:")
        for sequence, record in open_reader(folder).read(1):
            value = decode(record)
            if getattr(value, "client_id", None) == wanted:
                arrow = "->" if isinstance(value, RecordedSend) or record[:1] == b"A" else "<-"
                print(f"  {sequence:6d} {arrow} {value}")
    found = replay(folder, NodeReplay(), from_snapshot=False)
    print(f"{found.actions} actions derived again, equal: {found.equal}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(simulated(Path(scratch)))
