"""A command on a move counts as heard once it is durable, and not before: who gave it forgets it then."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bus.journal import Journal
from domain.control_events import MoveOrdered, NodeStarted
from tests.agents.test_snapshot_by_child import Line, shell_on

ANSWER = "there is no move 'arb-1'"


def test_what_a_crash_takes_was_never_heard_and_what_is_durable_is_told_at_once(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "node") as journal:
        shell, line = shell_on(journal, []), Line()
        shell.deliver(NodeStarted(10**18, "config", "build"))
        journal.commit()
        shell.deliver(MoveOrdered(10**18, 5, "arb-1", "take"))
        assert shell.node.mandate.heard == (5, ANSWER)
        assert (shell.report().move_command_id, shell.report().move_answer) == (0, "")

        async def until_heard() -> None:
            committing = asyncio.create_task(shell._commit(line))  # type: ignore[arg-type]
            async with asyncio.timeout(20):
                while line.hurries == 0:
                    await asyncio.sleep(0.005)
            committing.cancel()
            await asyncio.gather(committing, return_exceptions=True)

        asyncio.run(until_heard())
        assert (shell.report().move_command_id, shell.report().move_answer) == (5, ANSWER)
        assert line.hurries == 1 and journal.committed_events == journal.events
    with Journal.open(tmp_path, "node") as journal:
        assert shell_on(journal, []).report().move_command_id == 5
