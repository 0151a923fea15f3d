"""What was acknowledged is what comes back, whatever ended the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bus.journal import Journal
from bus.journal_memory import MemoryJournal
from domain.errors import JournalBroken
from sim.exchange.exchange import Exchange
from sim.exchange.messages import Refused
from sim.exchange.recovery import RecordedExchange
from tests.sim.exchange.exchange_builders import (
    ALICE,
    BUY,
    command_stream,
    place,
    random_commands,
    small_config,
)

ROOT = Path(__file__).parents[3]

CHILD = """
import sys
from pathlib import Path
from bus.journal import Journal
from sim.exchange.recovery import RecordedExchange
from tests.sim.exchange.exchange_builders import command_stream, small_config
journal = Journal.open(Path(sys.argv[1]), "exchange-small-x")
recorded = RecordedExchange.recover(small_config(), journal, snapshot_every=700)
skip = int(sys.argv[2])
for at, command in enumerate(command_stream(11)):
    if at < skip:
        continue
    recorded.step(command)
    if at % 20 == 19:
        recorded.commit()
        recorded.snapshot_if_due()
        print(at + 1, journal.events, recorded.exchange.state_hash(), flush=True)
"""


def test_recovery_gives_the_same_exchange_with_and_without_a_snapshot() -> None:
    store = MemoryJournal("exchange-small-x")
    recorded = RecordedExchange.recover(small_config(), store, snapshot_every=400)
    snapshots = 0
    for at, command in enumerate(random_commands(1, 2_000)):
        recorded.step(command)
        if at % 10 == 9:
            recorded.commit()
            snapshots += recorded.snapshot_if_due()
    recorded.commit()
    again = RecordedExchange.recover(small_config(), store)
    assert again.exchange.state_hash() == recorded.exchange.state_hash()
    assert snapshots >= 2 and 0 < again.replayed < 400 + 10
    plain = MemoryJournal("exchange-small-x")
    for _, record in store.read(1):
        plain.append(record)
    plain.commit()
    whole = RecordedExchange.recover(small_config(), plain)
    assert whole.exchange.state_hash() == recorded.exchange.state_hash()
    assert whole.replayed == store.events - 1


def test_only_what_changed_something_is_recorded() -> None:
    store = MemoryJournal("exchange-small-x")
    recorded = RecordedExchange.recover(small_config(), store)
    assert store.events == 1
    assert isinstance(recorded.step(place(ALICE, BUY, 1000, 0))[0], Refused)
    assert store.events == 1
    recorded.step(place(ALICE, BUY, 1000, 1))
    assert store.events == 2


def test_a_journal_of_another_config_is_refused() -> None:
    store = MemoryJournal("exchange-small-x")
    RecordedExchange.recover(small_config(), store)
    with pytest.raises(JournalBroken, match="another config"):
        RecordedExchange.recover(small_config(maker_fee_ppm=1), store)


@pytest.mark.parametrize(
    ("record", "what"), [(b"\xc1", "record 2 is no command"), (None, "record 2 was accepted once")]
)
def test_a_record_that_cannot_be_is_refused(record: bytes | None, what: str) -> None:
    other = MemoryJournal("exchange-small-x")
    RecordedExchange.recover(small_config(), other).step(place(ALICE, BUY, 1000, 1, text="x"))
    other.commit()
    taken = [each for _, each in other.read(1)]
    store = MemoryJournal("exchange-small-x")
    store.append(taken[0])
    store.append(record if record is not None else taken[1].replace(b"\xa1x", b"\xa1?"))
    store.commit()
    with pytest.raises(JournalBroken, match=what):
        RecordedExchange.recover(small_config(), store)


def run_until_killed(folder: Path, skip: int, lines_min: int) -> list[list[str]]:
    """Let a child step and commit, kill it without warning, and give what it had acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(skip)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(lines_min)]
    time.sleep(random.Random(skip).random() / 20)  # the kill falls anywhere in its loop
    os.kill(child.pid, signal.SIGKILL)
    lines += child.stdout.readlines()
    child.stdout.close()
    assert child.wait(10) == -signal.SIGKILL
    return [line.split() for line in lines if line.endswith("\n")]


def test_killed_three_times_it_comes_back_as_it_was_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "exchange-small-x"
    stream, done, accepted = command_stream(11), 0, 0
    twin = Exchange(small_config())
    for _ in range(3):
        acknowledged = {int(line[0]): line for line in run_until_killed(folder, done, 25)}
        with Journal.open(folder, "exchange-small-x") as journal:
            recorded = RecordedExchange.recover(small_config(), journal, snapshot_every=700)
            last = max(acknowledged)
            assert journal.events >= int(acknowledged[last][1])
            while accepted < journal.events - 1:
                accepted += not isinstance(twin.step(next(stream))[0], Refused)
                done += 1
                assert done not in acknowledged or twin.state_hash() == acknowledged[done][2]
            # What follows the last accepted command was refused, and changed nothing.
            assert done >= last or twin.state_hash() == acknowledged[last][2]
            assert recorded.exchange.state_hash() == twin.state_hash()
            for instrument in range(len(twin.markets)):
                assert recorded.exchange.depth(instrument, 100) == twin.depth(instrument, 100)
            for account in range(3):
                assert recorded.exchange.balances(account) == twin.balances(account)
                assert recorded.exchange.open_orders(account) == twin.open_orders(account)
