"""The federation's folder: a version is there or not, never half, and never twice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from domain.errors import SwarmError
from federation.loop.version import Version, first_version
from federation.run.store import VersionStore, champion_in, read_line, read_versions
from federation.update import Update
from tests.federation.loop.world import NAMES, World, learnt, model


def line(count: int) -> list[Version]:
    """Make a few versions."""
    world = World()
    world.up("nyc")
    for _ in range(count - 1):
        world.arrive(learnt(world.current, "nyc"), after_s=1)
    return list(world.line)


def test_what_was_stored_is_read_back(tmp_path: Path) -> None:
    store, versions = VersionStore(tmp_path), line(4)
    for each in versions:
        store.store(each)
    assert [each.hash for each in store.newest(3)] == [each.hash for each in versions[1:]]
    assert [each.hash for each in read_versions(tmp_path, 2)] == [each.hash for each in versions[2:]]
    assert store.newest(10)[0].number == 0


def test_an_empty_folder_has_nothing(tmp_path: Path) -> None:
    store = VersionStore(tmp_path)
    assert store.newest(3) == [] and store.held() == [] and read_versions(tmp_path, 3) == []


def test_two_do_not_write_one_line(tmp_path: Path) -> None:
    first = VersionStore(tmp_path)
    with pytest.raises(SwarmError, match="written by process"):
        VersionStore(tmp_path)
    first.close()
    VersionStore(tmp_path).close()


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    store, versions = VersionStore(tmp_path), line(2)
    store.store(versions[0])
    with pytest.raises(SwarmError, match="is there already"):
        store.store(versions[0])


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty", "of the future"])
def test_a_damaged_version_is_refused_by_name(tmp_path: Path, harm: str) -> None:
    store, versions = VersionStore(tmp_path), line(2)
    for each in versions:
        store.store(each)
    path = tmp_path / "versions" / "00000001.version"
    data = path.read_bytes()
    place = data.index(np.ascontiguousarray(versions[1].arrays[1]).tobytes())
    flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    future = data.replace(b"number\x01", b"number\x63", 1)
    harmed = {"truncated": data[:-5], "flipped": flipped, "empty": b"", "of the future": future}
    path.write_bytes(harmed[harm])
    with pytest.raises(SwarmError, match=r"00000001\.version is damaged"):
        store.newest(1)
    assert [each.number for each in read_versions(tmp_path, 5)] == [0]


def test_a_file_that_is_no_version_is_no_part_of_the_line(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "notes.version").touch()
    assert VersionStore(tmp_path).numbers() == [] and read_line(tmp_path, 1) == []


def test_a_damaged_line_is_named_to_whoever_looks_at_it(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "00000000.version").write_bytes(b"torn")
    with pytest.raises(SwarmError, match=r"00000000\.version is damaged"):
        read_line(tmp_path, 1)


def test_a_version_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SwarmError, match="no version 7"):
        VersionStore(tmp_path).version(7)


def test_held_updates_last_until_a_version_is_stored(tmp_path: Path) -> None:
    store, versions = VersionStore(tmp_path), line(2)
    store.store(versions[0])
    update = learnt(versions[0], "nyc")
    store.hold(update)
    store.hold(Update("tokyo", versions[0].hash, model(), 5, names=NAMES))
    store.close()
    again = VersionStore(tmp_path)
    held = again.held()
    assert [each.region for each in held] == ["nyc", "tokyo"] and held[0].examples == update.examples
    (tmp_path / "held" / "tokyo.update").write_bytes(b"torn")
    assert [each.region for each in again.held()] == ["nyc"]
    again.store(versions[1])
    assert again.held() == []


def test_old_versions_go_but_not_the_champion(tmp_path: Path) -> None:
    store = VersionStore(tmp_path, kept=2)
    for each in line(6):
        store.store(each)
    assert store.numbers() == [4, 5]
    champion = VersionStore(tmp_path / "other", kept=2)
    champion.store(first_version(NAMES, model()))
    for each in line(5)[1:]:
        champion.store(msgspec.structs.replace(each, champion=0))
    assert champion.numbers() == [0, 3, 4]
    found = champion_in(tmp_path / "other")
    assert found is not None and found.number == 0 and champion_in(tmp_path / "nowhere") is None
    assert [each.number for each in champion.newest(2)] == [0, 3, 4]
