import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import pytest

from deploy.preflight import check_disk, check_ports, owned, put_aside
from domain.errors import ExitCode, SwarmError


def test_a_port_in_use_is_named_with_its_part() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SwarmError, match=f"port {port} is in use \\(tokyo-x\\)") as caught:
            check_ports([("tokyo-x", port)])
    assert caught.value.code == ExitCode.PORT_IN_USE
    check_ports([("tokyo-x", port)])


def test_a_state_folder_has_one_owner(tmp_path: Path) -> None:
    with owned(tmp_path), pytest.raises(SwarmError, match="another swarm") as caught, owned(tmp_path):
        pass
    assert caught.value.code == ExitCode.STATE_IN_USE
    with owned(tmp_path):
        assert (tmp_path / "up.lock").read_text().isdigit()


def test_a_full_disk_is_found_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Usage(NamedTuple):
        free: int

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1024))
    with pytest.raises(SwarmError, match="only 0 MB free") as caught:
        check_disk(tmp_path)
    assert caught.value.code == ExitCode.DISK_FULL


def test_an_old_state_is_put_aside_under_the_next_number(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert put_aside(state) is None
    for number in (1, 2):
        state.mkdir()
        (state / "kept").write_text(str(number))
        aside = put_aside(state)
        assert aside == tmp_path / f"state.{number}"
        assert (aside / "kept").read_text() == str(number)
    assert not state.exists()


def test_a_state_that_is_in_use_is_not_put_aside(tmp_path: Path) -> None:
    with owned(tmp_path / "state"), pytest.raises(SwarmError, match="another swarm"):
        put_aside(tmp_path / "state")
    assert (tmp_path / "state").exists()
