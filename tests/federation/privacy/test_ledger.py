"""The ledger: written first, never over the budget, and not to be thinned out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import SwarmError
from federation.privacy.accountant import epsilon_of, rdp_of_release
from federation.privacy.ledger import PrivacyLedger


def ledger(path: Path, epsilon_max: float = 8.0) -> PrivacyLedger:
    return PrivacyLedger(path / "privacy.jsonl", epsilon_max, 1e-5)


def test_what_was_spent_is_known_after_a_restart(tmp_path: Path) -> None:
    first = ledger(tmp_path)
    spent = [first.spend(f"v{place}", 0, 4.0, 1.0) for place in range(5)]
    again = ledger(tmp_path)
    assert spent == sorted(spent) and again.epsilon == spent[-1] and again.releases == 5


def test_a_release_over_the_budget_is_refused_and_costs_nothing(tmp_path: Path) -> None:
    mine = ledger(tmp_path, epsilon_max=2.0)
    while epsilon_of((mine.releases + 1) * rdp_of_release(4.0), 1e-5) <= 2.0:
        mine.spend(f"v{mine.releases}", 0, 4.0, 1.0)
    with pytest.raises(SwarmError, match="budget is spent"):
        mine.spend("one more", 0, 4.0, 1.0)
    assert mine.releases > 1 and mine.epsilon <= 2.0
    assert ledger(tmp_path).releases == mine.releases


def test_a_line_taken_out_is_noticed(tmp_path: Path) -> None:
    mine = ledger(tmp_path)
    for place in range(3):
        mine.spend(f"v{place}", 0, 4.0, 1.0)
    lines = mine.path.read_bytes().splitlines(keepends=True)
    mine.path.write_bytes(lines[0] + lines[2])
    with pytest.raises(SwarmError, match="line 2"):
        ledger(tmp_path)
    mine.path.write_bytes(b"nonsense\n")
    with pytest.raises(SwarmError, match="line 1"):
        ledger(tmp_path)


def test_an_end_cut_off_or_changed_is_noticed(tmp_path: Path) -> None:
    mine = ledger(tmp_path)
    for place in range(3):
        mine.spend(f"v{place}", 0, 4.0, 1.0)
    whole = mine.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    changed = lines[2].replace(b'"noise":4.0', b'"noise":1e6')
    for odd in (b"", b"".join(lines[:2]), whole[:-5], b"".join([*lines[:2], changed])):
        mine.path.write_bytes(odd)
        with pytest.raises(SwarmError, match="does not go on to line 3"):
            ledger(tmp_path)
    mine.path.unlink()
    with pytest.raises(SwarmError, match="does not go on to line 3"):
        ledger(tmp_path)
    beside = mine.path.with_name("privacy.jsonl.last")
    mine.path.write_bytes(whole)
    kept = beside.read_bytes()
    beside.write_bytes(b"torn")
    with pytest.raises(SwarmError, match="cannot be read"):
        ledger(tmp_path)
    beside.write_bytes(kept)
    assert ledger(tmp_path).releases == 3


def test_a_noise_that_hides_nothing_is_no_line(tmp_path: Path) -> None:
    mine = ledger(tmp_path)
    mine.spend("v0", 0, 4.0, 1.0)
    mine.path.write_bytes(mine.path.read_bytes().replace(b'"noise":4.0', b'"noise":0.0'))
    with pytest.raises(SwarmError, match="line 1"):
        ledger(tmp_path)


def test_a_line_that_was_written_before_the_power_was_lost_counts(tmp_path: Path) -> None:
    mine = ledger(tmp_path)
    mine.spend("v0", 0, 4.0, 1.0)
    kept = mine.path.with_name("privacy.jsonl.last").read_bytes()
    mine.spend("v1", 0, 4.0, 1.0)
    mine.path.with_name("privacy.jsonl.last").write_bytes(kept)
    assert ledger(tmp_path).releases == 2


def test_a_torn_last_line_is_cut_as_nothing_had_left(tmp_path: Path) -> None:
    mine = ledger(tmp_path)
    epsilon = mine.spend("v0", 0, 4.0, 1.0)
    with mine.path.open("ab") as file:
        file.write(b'{"base":"v1"')
    again = ledger(tmp_path)
    assert again.epsilon == epsilon and again.spend("v1", 0, 4.0, 1.0) > epsilon
    assert ledger(tmp_path).releases == 2


def test_what_was_spent_is_known_after_a_kill_in_the_middle(tmp_path: Path) -> None:
    """Whoever is killed has written down at least what it has told."""
    code = (
        "import sys; from pathlib import Path; from federation.privacy.ledger import PrivacyLedger\n"
        "mine = PrivacyLedger(Path(sys.argv[1]), 1e9, 1e-5)\n"
        "for place in range(10**6):\n"
        "    mine.spend(f'v{place}', 0, 4.0, 1.0); print('told', flush=True)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "privacy.jsonl")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(20)]
    process.kill()
    told += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    again = ledger(tmp_path, epsilon_max=1e9)
    assert len(told) <= again.releases <= len(told) + 1
    assert again.epsilon == epsilon_of(again.releases * rdp_of_release(4.0), 1e-5)
    spent = ledger(tmp_path, epsilon_max=again.epsilon)
    with pytest.raises(SwarmError, match="budget is spent"):
        spent.spend("more", 0, 4.0, 1.0)
