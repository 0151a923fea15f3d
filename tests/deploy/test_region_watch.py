"""What a learner has taken is taken once, whatever kills it; drift and rows make its schedules ask."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from deploy.learner_config import LearnerConfig
from deploy.region_watch import LATE_NS, RegionWatch, Seen, error_of
from learning.registry import memory
from learning.registry.files import Reached, replace
from learning.registry.memory import FILE
from learning.registry.pointer import Pointer
from learning.rows.row import Rows
from learning.rows.store import Store
from learning.train.schedule import Kind, Labelled
from tests.learning.builders import BEGIN_NS, STEP_NS, rows_with_signal

CHAMPION, CANARY = "a" * 32, "b" * 32
POINTER = Pointer(CHAMPION, CANARY, 500_000, 1)
SURE_MISS, SURE_HIT = 1.0, 0.0


def watch(folder: Path, said: list[str] | None = None) -> RegionWatch:
    store = Store(folder / "rows")
    return RegionWatch(folder / "models", store, LearnerConfig(), ([] if said is None else said).append)


def decided(count: int, *, after: int = 0, shard: int = 1, model: str = CANARY, right: bool = True) -> Rows:
    """Build rows on which a model was sure of the class that came, or of another."""
    table = rows_with_signal(count, after, begin_ns=BEGIN_NS + after * STEP_NS + shard).table.copy()
    table["shard"], table["model"], table["decision_ppm"] = shard, model.encode(), 1_000_000
    said = table["label"] if right else (table["label"] + 1) % 3
    table["probabilities"] = np.eye(3, dtype=np.float32)[said]
    return Rows.of("tokyo-x", "BTC/USDT", table)


def append(folder: Path, *rows: Rows) -> None:
    for each in rows:
        Store(folder / "rows").append(each)


def both(after: int, count: int = 50) -> tuple[Rows, Rows]:
    return decided(count, after=after, shard=1), decided(count, after=after, shard=2, model=CHAMPION)


def test_rows_are_taken_once_and_a_restart_goes_on_with_the_comparison(tmp_path: Path) -> None:
    append(tmp_path, *both(0))
    one = watch(tmp_path)
    assert one.look(POINTER) == Seen(100, drifted=False)
    assert one.look(POINTER).rows == 0
    assert one.comparison.pairs == 50
    again = watch(tmp_path)
    assert again.look(POINTER).rows == 0
    append(tmp_path, *both(50))
    assert (again.look(POINTER).rows, again.comparison.pairs) == (100, 100)
    whole = watch(tmp_path / "other")
    append(tmp_path / "other", *both(0))
    whole.look(POINTER)
    append(tmp_path / "other", *both(50))
    whole.look(POINTER)
    assert whole.comparison.save() == again.comparison.save(), "as if it had never stopped"


def test_a_row_that_comes_late_is_taken_and_one_long_gone_is_not(tmp_path: Path) -> None:
    append(tmp_path, decided(10, after=1_000))
    one = watch(tmp_path)
    assert one.look(POINTER).rows == 10
    late = 1_000 - LATE_NS // STEP_NS // 2
    append(tmp_path, decided(1, after=late), decided(1, after=100))
    assert one.look(POINTER).rows == 1


def test_another_canary_or_champion_begins_another_comparison(tmp_path: Path) -> None:
    append(tmp_path, *both(0))
    one = watch(tmp_path)
    one.look(POINTER)
    for pointer in (Pointer(CHAMPION, "c" * 32, 1, 2), Pointer(CANARY, "c" * 32, 1, 3), Pointer(CANARY)):
        one.look(pointer)
        assert one.comparison.pairs == 0


def test_killed_while_it_writes_it_has_taken_all_of_a_look_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(tmp_path, *both(0))
    watch(tmp_path).look(POINTER)
    append(tmp_path, *both(50))
    for point, taken in (("learner half written", 0), ("learner drafted", 0), ("learner renamed", 100)):
        if os.fork() == 0:

            def killed(path: Path, content: bytes, reached: Reached, name: str, at: str = point) -> None:
                def stop(where: str) -> None:
                    if where == at:
                        os.kill(os.getpid(), signal.SIGKILL)

                replace(path, content, stop, name)

            monkeypatch.setattr(memory, "replace", killed)
            try:
                watch(tmp_path).look(POINTER)
            finally:
                os._exit(1)
        _, status = os.wait()
        assert os.WIFSIGNALED(status), point
        again = watch(tmp_path)
        assert again.comparison.pairs == 50 + taken // 2
    assert (again.look(POINTER).rows, again.comparison.pairs) == (0, 100)


@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_damaged_file_is_told_and_left_out(tmp_path: Path, place: int) -> None:
    append(tmp_path, *both(0))
    watch(tmp_path).look(POINTER)
    file = tmp_path / "models" / FILE
    text = bytearray(file.read_bytes())
    text[place] ^= 1
    file.write_bytes(bytes(text))
    said: list[str] = []
    again = watch(tmp_path, said)
    assert len(said) == 1 and "left out: damaged" in said[0] and str(file) in said[0]
    assert again.comparison.pairs == 0 and again.look(POINTER).rows == 100


def test_an_error_that_grows_is_drift_and_asks_for_a_whole_training_also_across_a_restart(
    tmp_path: Path,
) -> None:
    alone = Pointer(CHAMPION)
    append(tmp_path, decided(400, model=CHAMPION))
    one = watch(tmp_path)
    seen = one.look(alone)
    asked = one.alone.step(Labelled(1, seen.rows, seen.drifted))
    assert asked is not None and asked.reason == "first" and not seen.drifted
    one.keep()
    append(tmp_path, decided(300, after=400, model=CHAMPION, right=False))
    again = watch(tmp_path)
    seen = again.look(alone)
    assert seen.drifted
    assert again.alone.step(Labelled(10**18, seen.rows, seen.drifted)) is not None
    assert again.alone.running is not None
    assert (again.alone.running.kind, again.alone.running.reason) == (Kind.WHOLE, "first"), "it was cut off"


def test_what_another_model_or_a_rule_of_thumb_got_wrong_is_no_drift_of_the_champion(tmp_path: Path) -> None:
    ruled = decided(300, after=400, shard=3, model=CHAMPION, right=False)
    ruled.table["mode"] = 2
    append(tmp_path, decided(400, model=CHAMPION), decided(300, after=400, right=False), ruled)
    assert not watch(tmp_path).look(POINTER).drifted


def test_errors_go_from_nought_to_one(tmp_path: Path) -> None:
    assert error_of(decided(1).table[0]) == SURE_HIT
    assert error_of(decided(1, right=False).table[0]) == SURE_MISS
