"""A journal becomes rows: from where reading stopped, once each, whoever was killed in between."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.record import NodeGenesis, Recorder, encode_genesis, recover
from agents.rows import POSITION, JournalRows
from bus.journal import Journal
from domain.actions import Observed
from domain.errors import ExitCode, SwarmError
from learning.places import rows_root
from learning.rows.gather import GatherConfig
from learning.rows.labels import LabelConfig
from learning.rows.store import Store
from tests.agents.test_learned import play, rig

CONFIG = GatherConfig(labels=LabelConfig(horizon_s=0.5))


class Journalled:
    """A node that trades a model's word, with its journal on disk."""

    def __init__(self, folder: Path) -> None:
        self.rig = rig()
        self.journal = Journal.open(folder / "journal", "test-1")
        recorder, _ = recover(self.journal, self.rig.config, self.rig.instruments, None)
        self.recorder: Recorder = recorder
        for event in self.rig.inputs:
            recorder.step(event)

    def play(self, ticks: int, seed: int) -> int:
        """Go on, and give how many decisions that made."""
        before = len(self.rig.inputs)
        play(self.rig, ticks, seed)
        made = [action for event in self.rig.inputs[before:] for action in self.recorder.step(event)]
        self.journal.commit()
        return sum(isinstance(action, Observed) for action in made)


@pytest.fixture
def journalled(tmp_path: Path) -> Journalled:
    return Journalled(tmp_path)


def reader(tmp_path: Path) -> JournalRows:
    return JournalRows(tmp_path / "journal", Store(rows_root(tmp_path) / "test"), CONFIG)


def read_all(rows: JournalRows, at_once: int = 100_000) -> int:
    read = 0
    while found := rows.catch_up(at_once):
        read += found
    return read


def test_rows_are_finished_and_labelled_in_one_go_or_in_many(tmp_path: Path, journalled: Journalled) -> None:
    decisions = journalled.play(600, 1)
    whole = reader(tmp_path)
    assert read_all(whole) == journalled.journal.events
    found = whole.store.rows()
    assert whole.gatherer is not None
    assert len(found) == decisions - whole.gatherer.waiting and len(found) > 30
    assert set(np.unique(found.table["label"])) <= {0, 1, 2}
    other = JournalRows(tmp_path / "journal", Store(tmp_path / "other"), CONFIG)
    read_all(other, at_once=97)
    assert other.store.rows().table.tobytes() == found.table.tobytes()


def test_it_goes_on_where_it_stopped_and_keeps_what_waited(tmp_path: Path, journalled: Journalled) -> None:
    journalled.play(300, 1)
    read_all(reader(tmp_path))
    journalled.play(300, 2)
    again = reader(tmp_path)
    assert 0 < read_all(again) < journalled.journal.events
    whole = JournalRows(tmp_path / "journal", Store(tmp_path / "whole"), CONFIG)
    read_all(whole)
    assert again.store.rows().table.tobytes() == whole.store.rows().table.tobytes()
    assert again.gatherer is not None and whole.gatherer is not None
    assert again.gatherer.waiting == whole.gatherer.waiting


def test_a_reader_killed_before_it_kept_its_place_stores_nothing_twice(
    tmp_path: Path, journalled: Journalled
) -> None:
    journalled.play(300, 1)
    first = reader(tmp_path)
    read_all(first)
    kept = (first.store.folder / POSITION).read_bytes()
    journalled.play(300, 2)
    read_all(first)
    stored = first.store.rows().table.tobytes()
    (first.store.folder / POSITION).write_bytes(kept)
    read_all(reader(tmp_path))
    assert Store(rows_root(tmp_path) / "test").rows().table.tobytes() == stored


def test_rows_that_could_not_be_stored_are_finished_again(
    tmp_path: Path, journalled: Journalled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    whole = JournalRows(tmp_path / "journal", Store(tmp_path / "whole"), CONFIG)
    rows = reader(tmp_path)
    for seed in (1, 2):
        journalled.play(300, seed)
        with monkeypatch.context() as patched:
            patched.setattr(Store, "append", full)
            with pytest.raises(OSError, match="No space"):
                rows.catch_up(100_000)
        read_all(rows)
        read_all(whole)
    assert len(whole.store.rows()) > 30
    assert rows.store.rows().table.tobytes() == whole.store.rows().table.tobytes()


def test_a_journal_that_was_begun_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    old, new = Journalled(tmp_path / "old"), Journalled(tmp_path / "new")
    old.play(600, 1)
    new.play(200, 2)
    store = Store(tmp_path / "store")
    rows = JournalRows(tmp_path / "old" / "journal", store, CONFIG)
    read_all(rows)
    rows = JournalRows(tmp_path / "new" / "journal", store, CONFIG)
    assert old.journal.events > new.journal.events == read_all(rows)


def test_a_changed_config_keeps_what_waits_and_other_markets_begin_anew(
    tmp_path: Path, journalled: Journalled
) -> None:
    journalled.play(300, 1)
    rows = reader(tmp_path)
    read_all(rows)
    gatherer = rows.gatherer
    instruments, journal = journalled.rig.instruments, journalled.journal
    genesis = NodeGenesis("genesis", {}, instruments)
    for changed in (genesis, NodeGenesis("genesis", {}, instruments[:1])):
        journal.append(encode_genesis(config=changed.config, instruments=changed.instruments))
        journal.commit()
        read_all(rows)
        assert (rows.gatherer is gatherer) == (changed is genesis)


def test_a_place_that_cannot_be_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    folder = rows_root(tmp_path) / "test"
    folder.mkdir(parents=True)
    (folder / POSITION).write_bytes(b"\xc1")
    with pytest.raises(SwarmError, match="cannot be read") as refused:
        reader(tmp_path)
    assert refused.value.code == ExitCode.BAD_DATA and "delete the file" in str(refused.value)
