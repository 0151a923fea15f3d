from pathlib import Path

import pytest

from deploy.credentials import FILE, venue_credentials
from domain.errors import ExitCode, SwarmError


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    first = venue_credentials(tmp_path / "keys", ["A_KEY", "A_SECRET"])
    second = venue_credentials(tmp_path / "keys", ["A_SECRET", "A_KEY", "B_KEY"])
    assert first["A_KEY"] == second["A_KEY"] != second["B_KEY"]
    assert len({*second.values()}) == 3
    assert (tmp_path / "keys" / FILE).stat().st_mode & 0o777 == 0o600


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venue_credentials(tmp_path, ["A_KEY"])
    monkeypatch.setenv("A_KEY", "mine")
    assert venue_credentials(tmp_path, ["A_KEY"]) == {"A_KEY": "mine"}


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    venue_credentials(tmp_path, ["A_KEY"])
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(SwarmError, match="can be read by others") as caught:
        venue_credentials(tmp_path, ["A_KEY"])
    assert caught.value.code == ExitCode.WRONG_KEY


@pytest.mark.parametrize("line", ["A_KEY", "A_KEY=", "=x", "1 2=x"])
def test_a_garbled_key_file_is_refused_by_line(tmp_path: Path, line: str) -> None:
    venue_credentials(tmp_path, ["A_KEY"])
    (tmp_path / FILE).write_text(f"B_KEY=1\n{line}\n")
    with pytest.raises(SwarmError, match="line 2 is not NAME=value"):
        venue_credentials(tmp_path, ["A_KEY"])


def test_a_key_file_that_is_no_text_is_refused_too(tmp_path: Path) -> None:
    venue_credentials(tmp_path, ["A_KEY"])
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SwarmError, match="line 1 is not NAME=value"):
        venue_credentials(tmp_path, ["A_KEY"])
