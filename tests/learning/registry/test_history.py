"""The history is a chain that shows any change to it, is sealed when long, and takes many writers at once."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from domain.errors import ExitCode, SwarmError
from learning.registry.history import NOTHING, Entry, decode_entries, encode_entries
from learning.registry.pointer import Pointer, encode_pointer
from learning.registry.registry import Registry
from learning.registry.standing import Standings, after
from tests.learning.registry.versions import champions, exported, manifest, registry


def writer(folder: Path, first: int) -> int:
    """Put eight versions from a process of its own, and give its number."""
    child = os.fork()
    if child == 0:
        made, code = registry(folder, candidates_max=100), 1
        try:
            for seed in range(first, first + 8):
                made.put(exported(seed), manifest())
            code = 0
        finally:
            os._exit(code)
    return child


def refused(made: Registry) -> str:
    with pytest.raises(SwarmError) as caught:
        made.states()
    with pytest.raises(SwarmError):
        made.rollback("no")
    assert caught.value.code == ExitCode.BAD_DATA
    assert made.get(made.pointer().champion).kind == "mlp"
    return caught.value.what


def test_a_changed_line_breaks_the_chain_and_the_champion_goes_on(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1, 2)
    path = tmp_path / "history.jsonl"
    text = path.read_bytes()
    lines = text.splitlines(keepends=True)
    for wrong, word in (
        (text.replace(b'"champion"', b'"canary"', 1), "breaks at line 2"),
        (b"".join(lines[1:]), "breaks at line 1"),
        (b"".join([*lines[:2], *lines[3:]]), "breaks at line 3"),
        (text.replace(lines[1], b"{}\n"), "breaks at line 2"),
        (b"".join(lines[:-1]), "it ends at line 4, the pointer counts 5"),
    ):
        path.write_bytes(wrong)
        assert word in refused(made)
    path.write_bytes(text)
    assert made.rollback("yes") != ""


def test_a_line_of_a_later_program_is_refused_by_its_verb() -> None:
    later = Entry(0, 1, "merge", "m", "").numbered(1, NOTHING)
    (entry,) = decode_entries(encode_entries([later]), "")
    with pytest.raises(SwarmError, match="line 1 says 'merge'"):
        after(Standings(), entry)


def test_a_damaged_pointer_is_refused_and_written_again_by_the_next_change(tmp_path: Path) -> None:
    made = registry(tmp_path)
    _, second = champions(made, 1, 2)
    path = tmp_path / "pointer.json"
    for wrong, word in (
        (path.read_bytes()[:-9], "corrupt"),
        (encode_pointer(Pointer(canary_ppm=-1)), "cannot be"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(SwarmError, match=word) as caught:
            made.pointer()
        assert caught.value.where == str(path)
        made.mend()
        assert made.pointer().champion == second


def test_a_pointer_of_a_later_program_is_not_written_over(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1, 2)
    path = tmp_path / "pointer.json"
    for later in (encode_pointer(Pointer(format=2)), b'{"format":2,"said_otherwise":[]}'):
        path.write_bytes(later)
        for change in (made.pointer, made.mend, lambda: made.rollback("no")):
            with pytest.raises(SwarmError, match="newer than 1"):
                change()
        assert path.read_bytes() == later


def test_a_pointer_that_is_gone_is_read_off_the_history(tmp_path: Path) -> None:
    made = registry(tmp_path)
    champions(made, 1, 2)
    pointer, states, lines = made.pointer(), made.states(), made.history()
    (tmp_path / "pointer.json").unlink()
    assert (made.pointer(), made.states(), made.history()) == (pointer, states, lines)
    made.mend()
    assert (tmp_path / "pointer.json").exists() and made.pointer() == pointer


def test_a_change_that_failed_does_not_come_about_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = registry(tmp_path)
    first, second = champions(made, 1, 2)
    lines = made.history()

    def full(point: str) -> None:
        if point == "pointer half written":
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        registry(tmp_path, reached=full).rollback("told to have failed")
    made.put(exported(3), manifest())
    assert (made.pointer().champion, made.history()[:-1]) == (second, lines)
    assert not list(tmp_path.rglob("*.draft"))
    # A disk that takes a part of what is written says so only when it is asked again.
    write = os.write
    monkeypatch.setattr("os.write", lambda handle, part: write(handle, part[:7]))
    assert made.rollback("in small parts") == first == made.pointer().champion
    assert made.history()[-1].reason == "in small parts"


def test_a_long_history_is_sealed_and_goes_on_from_where_it_stood(tmp_path: Path) -> None:
    made = registry(tmp_path, history_lines_max=16)
    first, second = champions(made, 1, 2)
    for seed in range(10, 40):
        made.put(exported(seed), manifest())
    kept = sorted(tmp_path.glob("history-*.jsonl"))
    assert len(kept) == 2 and len(made.history()) < 16
    assert (made.pointer().champion, made.pointer().previous) == (second, first)
    assert len(made.states()) == 32 and made.rollback("still") == first
    last = list(decode_entries(kept[0].read_bytes(), ""))[-1]
    begun = next(decode_entries(kept[1].read_bytes(), ""))
    assert (begun.number, begun.before) == (last.number + 1, last.hash)
    cut = msgspec.structs.replace(begun, standings=None).numbered(begun.number, begun.before)
    with pytest.raises(SwarmError, match="breaks at line 1"):
        list(decode_entries(encode_entries([cut]), ""))


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, 100 * number) for number in range(3)]
    assert [os.waitpid(child, 0)[1] for child in writers] == [0, 0, 0]
    made = registry(tmp_path)
    assert len(made.states()) == 24
    assert [entry.number for entry in made.history()] == list(range(1, 25))
    assert all(made.get(model).kind == "mlp" for model in made.states())
