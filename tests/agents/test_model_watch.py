"""The registry's pointer becomes a node's models; whatever is wrong there, the node keeps what it has."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import numpy as np
import pytest

from agents.config import MindsConfig
from agents.minds import MODEL, Minds
from agents.model_watch import ModelWatch
from domain.control_events import ModelSet
from learning.models import begin
from tests.learning.builders import rows_with_signal
from tests.learning.registry.versions import ALIVE, champions, exported, manifest, registry


class Watched:
    """A registry, a node's minds, and the watch between them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.registry, self.minds = folder, registry(folder), Minds(MindsConfig())
        self.told: list[ModelSet] = []
        self.said: list[str] = []
        self.watch = self.again()

    def again(self) -> ModelWatch:
        """Make a watch, as a restarted node does."""
        return ModelWatch(self.folder, self.minds, self.deliver, lambda: 100, self.said.append)

    def deliver(self, event: ModelSet) -> None:
        assert self.minds.set(event) == ""
        self.told.append(event)

    def look(self) -> list[tuple[str, str]]:
        """Look once, and give what was set."""
        before = len(self.told)
        asyncio.run(self.watch.look())
        return [(event.slot, event.model) for event in self.told[before:]]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "models")


def test_an_empty_folder_sets_nothing(watched: Watched) -> None:
    assert watched.look() == [] and watched.said == []


def test_promotion_canary_and_rollback_reach_the_node_each_once(watched: Watched) -> None:
    (first,) = champions(watched.registry, 1)
    assert watched.look() == [("champion", first)] and watched.look() == []
    assert watched.told[0].engine in ("fused", "onnx")
    second = watched.registry.put(exported(2), manifest())
    watched.registry.promote(second, "canary", share_ppm=400_000)
    assert watched.look() == [("canary", second)] and watched.told[-1].canary_ppm == 400_000
    watched.registry.promote(second, "champion", ALIVE)
    assert watched.look() == [("champion", second)], "a promoted canary has left its slot by itself"
    watched.registry.rollback("worse")
    assert watched.look() == [("champion", first)]


def test_trees_reach_the_node_by_their_own_engine_and_networks_after_them_are_measured(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = rows_with_signal(300)
    model = begin("lightgbm", {"rounds": 6})
    model.learn(rows.x, rows.y)
    monkeypatch.setattr("agents.model_watch.fastest", lambda tensors: "onnx")
    first = watched.registry.put(model.export(), msgspec.structs.replace(manifest(), kind="lightgbm"))
    watched.registry.promote(first, "champion")
    assert watched.look() == [("champion", first)] and watched.told[0].engine == "fused"
    for row, wanted in zip(rows.x[:20], model.predict(rows.x[:20]), strict=True):
        out = np.zeros(3, np.float32)
        assert watched.minds.answer(1, 100, row, out) == (MODEL, first, "fused")
        np.testing.assert_array_equal(out, wanted)
    champions(watched.registry, 2)
    watched.look()
    assert watched.told[-1].engine == "onnx"


def test_a_canary_that_is_withdrawn_leaves_its_slot(watched: Watched) -> None:
    champions(watched.registry, 1)
    second = watched.registry.put(exported(2), manifest())
    watched.registry.promote(second, "canary")
    watched.look()
    watched.registry.retire(second, "worse")
    assert watched.look() == [("canary", "")] and watched.minds.model("canary") == ""


def test_a_restarted_node_is_told_only_what_it_has_not(watched: Watched) -> None:
    champions(watched.registry, 1)
    watched.look()
    watched.watch = watched.again()
    assert watched.look() == []


def test_a_damaged_version_is_told_once_and_the_champion_goes_on(watched: Watched) -> None:
    first, second = champions(watched.registry, 1, 2)
    watched.registry.rollback("to begin with the first")
    watched.look()
    third = champions(watched.registry, 3)[0]
    (watched.folder / "blobs" / f"{third}.safetensors").write_bytes(b"cut")
    assert watched.look() == [] and watched.look() == []
    assert len(watched.said) == 2 and third in watched.said[1] and "\n" not in watched.said[1]
    assert watched.minds.model("champion") == first
    assert second != first


def test_what_was_refused_is_tried_again_once_the_registry_changes(watched: Watched) -> None:
    (first,) = champions(watched.registry, 1)
    blob = watched.folder / "blobs" / f"{first}.safetensors"
    whole = blob.read_bytes()
    blob.write_bytes(b"cut")
    assert watched.look() == [] and first in watched.said[0]
    blob.write_bytes(whole)
    assert watched.look() == []
    watched.registry.put(exported(2), manifest())
    assert watched.look() == [("champion", first)]


def test_trouble_of_the_disk_or_a_library_is_told_and_ends_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise PermissionError("no")

    champions(watched.registry, 1)
    with monkeypatch.context() as patched:
        patched.setattr("agents.model_watch.fastest", broken)
        assert watched.look() == [] and "no" in watched.said[0]
    with monkeypatch.context() as patched:
        patched.setattr("learning.registry.registry.Registry.pointer", broken)
        assert watched.look() == [] and len(watched.said) == 2


def test_a_pointer_that_cannot_be_read_is_told_once_and_changes_nothing(watched: Watched) -> None:
    (first,) = champions(watched.registry, 1)
    watched.look()
    (watched.folder / "pointer.json").write_bytes(b"{")
    assert watched.look() == [] and watched.look() == []
    assert len([line for line in watched.said if "pointer" in line]) == 1
    assert watched.minds.model("champion") == first


def test_it_goes_on_until_it_is_cancelled(watched: Watched) -> None:
    (first,) = champions(watched.registry, 1)

    async def watch() -> None:
        task = asyncio.ensure_future(watched.watch.run())
        while not watched.told:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(watch(), 20))
    assert [event.model for event in watched.told] == [first]
