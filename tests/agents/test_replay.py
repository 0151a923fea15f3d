"""Replay: what was recorded is derived again, and a difference is named by its sequence."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from agents.replay import Replayer, Snapshot, recovered
from domain.errors import ExitCode, SwarmError


class Adder:
    """A core small enough to check by hand: it tells its sum at every step, twice when it is even."""

    def __init__(self, body: bytes) -> None:
        self.factor, self.sum = int(msgspec.msgpack.decode(body)["factor"]), 0

    def step(self, event: int) -> list[int]:
        self.sum += event * self.factor
        return [self.sum] * (2 if self.sum % 2 == 0 else 1)

    def state(self) -> bytes:
        return json.dumps(self.sum).encode()

    def restore(self, state: bytes) -> None:
        self.sum = json.loads(state)


class Shelf:
    """A store that only keeps."""

    def __init__(self, records: list[bytes]) -> None:
        self.records = records
        self.kept: tuple[int, bytes] | None = None

    def append(self, record: bytes) -> int:
        self.records.append(record)
        return len(self.records)

    def commit(self) -> None:
        """Nothing here is lost."""

    def snapshot(self, state: bytes, sequence: int | None = None) -> None:
        self.kept = (len(self.records) if sequence is None else sequence, state)

    def latest_snapshot(self) -> tuple[int, bytes] | None:
        return self.kept

    def read(self, first_sequence: int) -> Iterator[tuple[int, bytes]]:
        return iter(list(enumerate(self.records, 1))[first_sequence - 1 :])

    @property
    def events(self) -> int:
        return len(self.records)

    @property
    def head_hash(self) -> str:
        return ""


def genesis(factor: int) -> bytes:
    return b"S" + msgpack({"kind": "genesis", "factor": factor})


def msgpack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def replayer() -> Replayer:
    return Replayer(
        Adder,
        lambda record: int(record[1:]),
        lambda action: f"A{action}".encode(),
    )


GOOD = [genesis(1), b"I3", b"A3", b"I1", b"A4", b"A4", b"I1", b"A5"]


def replayed(records: list[bytes]) -> Replayer:
    player = replayer()
    for sequence, record in enumerate(records, 1):
        player.take(sequence, record)
    return player


def test_the_recorded_actions_are_derived_again() -> None:
    found = replayed(GOOD).result()
    assert found.equal and (found.inputs, found.actions, found.unrecorded) == (3, 4, 0)
    assert found.recorded_hash == found.derived_hash


@pytest.mark.parametrize(
    ("place", "record", "difference"),
    [(2, b"A9", 3), (4, b"A9", 5), (5, b"I0", 6), (7, b"A6", 8)],
    ids=["another action", "first of two", "an action is missing", "the last one"],
)
def test_the_first_difference_is_named(place: int, record: bytes, difference: int) -> None:
    records = [*GOOD[:place], record, *GOOD[place + 1 :]]
    found = replayed(records).result()
    assert not found.equal and found.first_difference == difference


def test_an_action_that_nothing_called_for_is_a_difference() -> None:
    assert replayed([*GOOD, b"A5"]).result().first_difference == 9


def test_other_marks_change_nothing() -> None:
    records = [*GOOD[:3], b"S" + msgpack({"kind": "build"}), *GOOD[3:]]
    assert replayed(records).result().derived_hash == replayed(GOOD).result().derived_hash


def test_a_new_genesis_takes_the_state_over() -> None:
    assert replayed([*GOOD, genesis(10), b"I1", b"A15"]).result().equal


def test_recovery_completes_a_torn_tail() -> None:
    shelf = Shelf(GOOD[:5])
    player = replayer()
    assert recovered(shelf, player, "node-x").unrecorded == 1
    assert shelf.records == GOOD[:6] and player.core is not None
    assert recovered(shelf, replayer(), "node-x").unrecorded == 0


def test_recovery_begins_at_the_newest_snapshot() -> None:
    shelf = Shelf(GOOD[:6])
    first = replayer()
    recovered(shelf, first, "node-x")
    assert first.core is not None
    shelf.snapshot(Snapshot.write(first.genesis, first.core.state()))
    shelf.records[:6] = [b"?"] * 6
    shelf.records.extend(GOOD[6:])
    found = recovered(shelf, replayer(), "node-x")
    assert (found.from_sequence, found.inputs) == (7, 1)


def test_recovery_refuses_a_journal_that_another_build_wrote() -> None:
    with pytest.raises(SwarmError, match="record 3") as caught:
        recovered(Shelf([*GOOD[:2], b"A7"]), replayer(), "node-x")
    assert caught.value.code == ExitCode.REPLAY_MISMATCH


def test_an_empty_store_recovers_to_nothing() -> None:
    player = replayer()
    assert recovered(Shelf([]), player, "node-x").inputs == 0 and player.core is None
