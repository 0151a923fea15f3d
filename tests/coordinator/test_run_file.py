from __future__ import annotations

import json
from pathlib import Path

import pytest

from coordinator.run_file import coordinator_address, note_address
from domain.errors import ExitCode, SwarmError


def test_the_address_is_noted_beside_what_the_supervisor_wrote(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"coordinator": "tcp://old:1", "pids": {"venue": 7}}))
    note_address(tmp_path, "tcp://new:2")
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "coordinator": "tcp://new:2",
        "pids": {"venue": 7},
    }
    assert coordinator_address(tmp_path) == "tcp://new:2"


def test_a_file_that_already_says_so_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{ "coordinator" :  "tcp://same:1"}')
    note_address(tmp_path, "tcp://same:1")
    assert (tmp_path / "run.json").read_text() == '{ "coordinator" :  "tcp://same:1"}'


@pytest.mark.parametrize("content", [None, "", "[]", "{", '{"coordinator": 7}', "{}"])
def test_without_an_address_nothing_is_running(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(SwarmError) as caught:
        coordinator_address(tmp_path)
    assert caught.value.code is ExitCode.NOT_RUNNING
