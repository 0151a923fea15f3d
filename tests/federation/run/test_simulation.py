"""The wiring of Flower's simulation; Ray itself is started by the soak test."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from domain.errors import ExitCode
from federation.__main__ import main
from federation.cli import add_commands
from federation.run.flower import Context, RecordDict
from federation.run.grid import LocalGrid
from federation.run.server import open_shell
from federation.run.simulation import client_of
from federation.run.store import read_versions
from tests.federation.building import REGIONS, deployment_file, federation, regions


def numbered(root: Path) -> LocalGrid:
    """Give nodes that know their number alone, as Flower's simulation does."""
    apart = client_of({name: {**each, "secure": True} for name, each in regions(root).items()})
    grid = LocalGrid(apart, {name: {"partition-id": place} for place, name in enumerate(REGIONS)})
    named = grid.get_nodes

    def unnamed() -> list[Any]:
        found = list(named())
        for node in found:
            node.name = ""
        return found

    grid.get_nodes = unnamed  # type: ignore[method-assign]
    return grid


def test_a_node_that_knows_its_number_answers_as_its_region_also_under_masks(tmp_path: Path) -> None:
    grid = numbered(tmp_path)
    config = {"secure": True, "versions_max": 1, "loop": {"deadline_min_s": 60.0}}
    made = open_shell(federation(tmp_path, **config), grid)
    made.run()
    grid.close()
    assert [member.region for member in made.loop.current.members] == sorted(REGIONS)


def test_simulate_makes_as_many_more_versions_as_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_threads(server: Any, clients: Any, num_supernodes: int, backend_config: Any) -> None:
        assert num_supernodes == 3 and backend_config["client_resources"]["num_gpus"] == 0.0
        grid = LocalGrid(clients, {name: {"partition-id": place} for place, name in enumerate(REGIONS)})
        server(grid, Context(1, 1, {}, RecordDict(), {}))
        grid.close()

    ray = SimpleNamespace(run_simulation=in_threads)  # importing the real one takes seconds
    monkeypatch.setitem(sys.modules, "flwr.simulation", ray)
    monkeypatch.setattr("os.environ", {**os.environ})
    given = ["--config", str(deployment_file(tmp_path)), "--state", str(tmp_path / "state")]
    for number in (1, 2):
        assert main(["simulate", *given, "--versions", "1"]) == ExitCode.OK
        assert f"{number:>6} " in capsys.readouterr().out
    assert [each.number for each in read_versions(tmp_path / "state" / "federation", 9)] == [0, 1, 2]
    ray.run_simulation = lambda *given, **more: None
    assert main(["simulate", *given]) == ExitCode.NOT_STARTED
    assert "ended early" in capsys.readouterr().err


def test_trouble_on_the_way_to_a_start_is_one_line_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(tmp_path / "state")]
    assert main(["start", "--config", str(tmp_path / "nowhere.toml"), *state]) == ExitCode.CONFIG
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    assert main(["start", "--config", str(tmp_path / "odd.toml"), *state]) == ExitCode.CONFIG
    (tmp_path / "first.toml").write_text('first = "nowhere.safetensors"')
    assert main(["simulate", "--config", str(tmp_path / "first.toml"), *state]) == ExitCode.CONFIG
    join = ["join", "--region", "nyc", "--superlink", "h:1", "--ca", str(tmp_path / "no.crt"), *state]
    assert main(join) == ExitCode.CONFIG
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["start", "--port", port, *state]) == ExitCode.NOT_STARTED
    lines = capsys.readouterr().err.splitlines()
    words = ("cannot be read: No such", "it is no text", "first cannot be read", "--ca cannot be read", port)
    assert len(lines) == 5 and all(word in line for word, line in zip(words, lines, strict=True))


@pytest.mark.parametrize("count", ["0", "-3", "x", "1e3"])
def test_a_count_that_is_none_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())
    with pytest.raises(SystemExit):
        parser.parse_args(["federate", "rounds", f"--last={count}"])
    assert "a count from 1 on" in capsys.readouterr().err
