"""Killed at any point of any change, a registry holds the old or the new, and goes on."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from learning.registry.history import whole
from learning.registry.pointer import Pointer, decode_pointer
from learning.registry.registry import Registry
from tests.learning.registry.versions import ALIVE, champions, exported, manifest, registry

Change = Callable[[Registry], object]


def prepared(folder: Path, config: dict[str, Any] | None = None) -> tuple[str, str, str]:
    """Leave two champions and a canary behind."""
    made = registry(folder, **(config or {}))
    first, second = champions(made, 1, 2)
    canary = made.put(exported(3), manifest())
    made.promote(canary, "canary")
    return first, second, canary


def put(made: Registry) -> None:
    made.put(exported(9), manifest())


def crown(made: Registry) -> None:
    made.promote(made.pointer().canary, "champion", ALIVE)


def back(made: Registry) -> None:
    made.rollback("killed on the way")


def withdraw(made: Registry) -> None:
    made.retire(made.pointer().canary, "killed on the way")


def killed(change: Change, folder: Path, point: int, config: dict[str, Any]) -> bool:
    """Make a change in a process that is killed as it reaches its nth point; tell whether it came so far."""
    child = os.fork()
    if child == 0:
        passed = 0

        def reached(_: str) -> None:
            nonlocal passed
            passed += 1
            if passed == point:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            change(registry(folder, reached=reached, **config))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def view(made: Registry) -> tuple[Pointer, dict[str, str]]:
    """Read all that readers see, leaving out how many lines it took."""
    pointer = made.pointer()
    states = {model: known.state for model, known in made.states().items()}
    for name in filter(None, (pointer.champion, pointer.canary, pointer.previous)):
        assert made.get(name).kind == "mlp" and made.show(name).model == name
    serving = Pointer(pointer.champion, pointer.canary, pointer.canary_ppm, 0, pointer.previous)
    return serving, states


@pytest.mark.parametrize(
    ("change", "lines_max"), [(put, 4096), (crown, 4096), (back, 4096), (withdraw, 4096), (crown, 16)]
)
def test_killed_anywhere_it_holds_the_old_or_the_new(tmp_path: Path, change: Change, lines_max: int) -> None:
    config: dict[str, Any] = {"history_lines_max": lines_max, "retired_max": 1}
    origin = tmp_path / "origin"
    prepared(origin, config)
    if lines_max == 16:
        for seed in range(30, 30 + 16 - len(registry(origin).history())):
            registry(origin, **config).put(exported(seed), manifest())
    old = view(registry(origin))
    shutil.copytree(origin, tmp_path / "whole")
    change(registry(tmp_path / "whole", **config))
    new = view(registry(tmp_path / "whole"))
    assert new != old
    point = 1
    while True:
        folder = tmp_path / f"at{point}"
        shutil.copytree(origin, folder)
        if not killed(change, folder, point, config):
            break
        found = view(registry(folder))
        assert found in _on_the_way(old, new)
        registry(folder, **config).mend()
        assert view(registry(folder)) in _on_the_way(old, new)
        change_again(change, folder, old, config)
        point += 1
    assert point > 6 and not list(tmp_path.glob("at*/*/*.draft"))
    assert view(registry(folder)) == new


def _on_the_way(
    old: tuple[Pointer, dict[str, str]], new: tuple[Pointer, dict[str, str]]
) -> list[tuple[Pointer, dict[str, str]]]:
    """Old or new; what is too many may go a step later."""
    stale = {model: state for model, state in old[1].items() if model not in new[1]}
    kept = dict.fromkeys(stale, "retired")
    return [old, new, (new[0], {**kept, **new[1]})]


def change_again(
    change: Change, folder: Path, old: tuple[Pointer, dict[str, str]], config: dict[str, Any]
) -> None:
    """Whoever comes after a killed one can make the change, where it was not made."""
    if view(registry(folder))[0] == old[0] and change is not put:
        change(registry(folder, **config))
        assert view(registry(folder))[0] != old[0]


def test_a_history_cut_at_any_byte_of_its_last_line_goes_on_from_the_line_before(tmp_path: Path) -> None:
    made = registry(tmp_path)
    first, _, _ = prepared(tmp_path)
    history = tmp_path / "history.jsonl"
    before = history.read_bytes()
    pointer = (tmp_path / "pointer.json").read_bytes()
    made.rollback("x")
    written = history.read_bytes()[len(before) :]
    for end in range(0, len(written), 23):
        history.write_bytes(before + written[:end])
        (tmp_path / "pointer.json").write_bytes(pointer)
        assert made.states() and made.pointer().champion != first
        made.mend()
        assert made.pointer() == decode_pointer(pointer, "") and whole(history.read_bytes()) == before
    made.rollback("y")
    assert made.pointer().champion == first and made.history()[-1].reason == "y"
