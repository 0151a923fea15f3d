"""A snapshot made by a child is of the moment of the fork, and whatever goes wrong in it stays there."""

from __future__ import annotations

import os
from pathlib import Path

from agents.snapshot_child import ended_well, forked
from bus.journal import Journal


def test_a_child_keeps_the_state_of_the_moment_while_we_go_on(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "node-x") as journal:
        state = [b"before"]
        journal.append(b"tick")
        keep = journal.snapshot_writer()
        child = forked(lambda: keep(state[0]))
        state[0] = b"after"
        journal.append(b"another tick")
        journal.commit()
        assert ended_well(child)
        assert journal.latest_snapshot() == (1, b"before")
        assert [record for _, record in journal.read(2)] == [b"another tick"]
    with Journal.open(tmp_path, "node-x") as journal:
        assert journal.report.reason is None and journal.latest_snapshot() == (1, b"before")


def test_a_child_that_fails_says_so_and_holds_nothing_of_ours(tmp_path: Path) -> None:
    ours, theirs = os.pipe()

    def work() -> None:
        os.write(theirs, b"a child must not have this")

    child = forked(work)
    assert not ended_well(child)
    os.close(theirs)
    assert os.read(ours, 1) == b""
    os.close(ours)
