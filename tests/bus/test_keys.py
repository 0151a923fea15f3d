from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import zmq

from bus.keys import KeyPair, ensure_keys, known_keys, load_keys, load_public
from domain.errors import ExitCode, SwarmError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_first_start_makes_keys_that_later_starts_load(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path, "tokyo-1")
    assert ensure_keys(tmp_path, "tokyo-1") == keys == load_keys(tmp_path, "tokyo-1")
    assert zmq.curve_public(keys.secret) == keys.public == load_public(tmp_path, "tokyo-1")
    assert mode(tmp_path / "keys") == 0o700
    assert mode(tmp_path / "keys" / "tokyo-1.key") == 0o600
    assert mode(tmp_path / "keys" / "tokyo-1.pub") == 0o644


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path, "operator")
    assert keys.secret.decode() not in repr(keys)


def wrong(state: Path, name: str) -> SwarmError:
    with pytest.raises(SwarmError) as caught:
        load_keys(state, name)
    assert caught.value.code is ExitCode.WRONG_KEY
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    ensure_keys(tmp_path, "operator")
    (tmp_path / "keys" / "operator.key").chmod(0o640)
    assert "chmod 600" in wrong(tmp_path, "operator").mend


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    ensure_keys(tmp_path, "operator")
    (tmp_path / "keys").chmod(0o770)
    assert "chmod 700" in wrong(tmp_path, "operator").mend


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    assert "operator.key" in wrong(tmp_path, "operator").where
    with pytest.raises(SwarmError, match=r"coordinator\.pub"):
        load_public(tmp_path, "coordinator")


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys" / "operator.key").mkdir(parents=True)
    assert "cannot be read" in wrong(tmp_path, "operator").what


@pytest.mark.parametrize("text", ["", "too short", "ä" * 20, "x" * 41])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, text: str) -> None:
    ensure_keys(tmp_path, "operator")
    (tmp_path / "keys" / "operator.key").write_text(text)
    assert "does not hold one Z85 key" in wrong(tmp_path, "operator").what


def test_a_public_key_of_another_pair_is_refused(tmp_path: Path) -> None:
    ensure_keys(tmp_path, "operator")
    other = ensure_keys(tmp_path, "tokyo-1")
    (tmp_path / "keys" / "operator.pub").write_bytes(other.public)
    assert "does not belong" in wrong(tmp_path, "operator").what


def test_a_lost_public_key_is_made_again_from_the_secret(tmp_path: Path) -> None:
    keys = ensure_keys(tmp_path, "operator")
    (tmp_path / "keys" / "operator.pub").unlink()
    assert ensure_keys(tmp_path, "operator") == keys
    assert load_public(tmp_path, "operator") == keys.public


def test_known_keys_are_the_public_files_that_hold_one(tmp_path: Path) -> None:
    assert known_keys(tmp_path) == {}
    pairs = [ensure_keys(tmp_path, name) for name in ("coordinator", "tokyo-1")]
    (tmp_path / "keys" / "junk.pub").write_text("junk")
    assert known_keys(tmp_path) == {pair.public: pair.name for pair in pairs}


def make(
    state: Path, start: multiprocessing.synchronize.Barrier, made: multiprocessing.Queue[KeyPair]
) -> None:
    start.wait()
    made.put(ensure_keys(state, "operator"))


def test_processes_that_start_together_get_one_pair(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, made = context.Barrier(4), context.Queue()
    processes = [context.Process(target=make, args=(tmp_path, start, made)) for _ in range(4)]
    for process in processes:
        process.start()
    pairs = [made.get(timeout=10) for _ in processes]
    for process in processes:
        process.join(10)
    assert len(set(pairs)) == 1
