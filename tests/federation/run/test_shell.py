"""A federation in one process: three regions, our own Grid, Flower's own apps."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigError, SwarmError
from federation.__main__ import main
from federation.loop.version import Version
from federation.run.client import train as honest
from federation.run.config import CONFIG_FILE, FIRST_FILE
from federation.run.flower import ClientApp, Context, Message, RecordDict
from federation.run.grid import LocalGrid
from federation.run.messages import refusal_content, reply_content, tensors_of
from federation.run.roster import Roster
from federation.run.server import app as server_app
from federation.run.server import open_shell
from federation.run.shell import RoundShell
from federation.run.store import read_refused
from federation.run.tensors import read_tensors, write_tensors
from hw.clock import SystemClock
from tests.federation.building import REGIONS, federation, region, regions, shell

PATIENT = {"deadline_min_s": 60.0}


def test_three_regions_make_versions_that_get_better(tmp_path: Path) -> None:
    made, grid = shell(tmp_path, versions_max=4, loop=PATIENT)
    made.run()
    grid.close()
    line = [made.store.version(number) for number in made.store.numbers()]
    assert [each.number for each in line] == [0, 1, 2, 3, 4]
    losses = [each.loss for each in line if each.loss is not None]
    assert len(losses) == 5 and losses == sorted(losses, reverse=True)
    assert [member.region for member in line[-1].members] == sorted(REGIONS)
    assert line[-1].names == ("bias", "weight")


def test_flowers_server_app_runs_the_loop_and_takes_it_up_again(tmp_path: Path) -> None:
    from federation.run.client import app

    grid = LocalGrid(app, regions(tmp_path))
    for wanted in (2, 3):
        folder = federation(tmp_path, versions_max=wanted, loop=PATIENT)
        context = Context(1, 1, {}, RecordDict(), {"federation": str(folder)})
        server_app(grid, context)
        assert len(list((folder / "versions").glob("*.version"))) == wanted + 1
    grid.close()


def test_a_dead_region_is_gone_and_comes_back(tmp_path: Path) -> None:
    made, grid = shell(tmp_path, loop=PATIENT)
    grid.take_down("nyc")
    while made.loop.current.number < 2:
        made.turn()
    assert {member.region for member in made.loop.current.members} == {"frankfurt", "tokyo"}
    grid.bring_up("nyc")
    while not any(member.region == "nyc" for member in made.loop.current.members):
        made.turn()
    grid.take_down("nyc")
    made.turn()
    assert set(made.loop.up) == {"frankfurt", "tokyo"}
    grid.close()


def test_who_rests_once_a_version_is_made_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, grid = shell(tmp_path, loop=PATIENT)
    asked: list[int] = []
    push = grid.push_messages

    def counted(messages: Iterable[Message]) -> Iterable[str]:
        messages = list(messages)
        asked.extend(each.metadata.dst_node_id for each in messages)
        return push(messages)

    monkeypatch.setattr(grid, "push_messages", counted)
    resting: set[str] = set()

    def roster() -> dict[int, str]:
        return {each.node_id: each.name for each in grid.get_nodes() if each.name not in resting}

    def announce(version: Version) -> None:
        resting.update(member.region for member in version.members)

    made = RoundShell(opened.config, opened.store, grid, SystemClock(), roster, announce=announce)
    while made.loop.current.number < 1:
        made.turn()
    made.turn()
    assert len(asked) == len(set(asked)) == len(REGIONS), "each once, for the version that there is"
    resting.clear()
    while made.loop.current.number < 2:
        made.turn()
    assert len(asked) == 2 * len(REGIONS)
    grid.close()


def lying(message: Message, context: Context) -> Message:
    """Answer in another region's name."""
    config = message.content["config"]
    content = reply_content(tensors_of(message.content), "tokyo", str(config["base"]), 0, 10, {})
    return Message(content, reply_to=message)


def broken(message: Message, context: Context) -> Message:
    """Make a mistake outside our own client."""
    raise KeyError("a row")


def shouting(message: Message, context: Context) -> Message:
    """Refuse in words that a terminal would obey, with a line of its own."""
    return Message(refusal_content("nyc", "\x1b[2Jno rows\n     9 champion"), reply_to=message)


@pytest.mark.parametrize(
    ("work", "word"),
    [
        (lying, "says that it is tokyo"),
        (broken, "KeyError"),
        (shouting, "refused: ?[2Jno rows?     9 champion"),
    ],
)
def test_a_region_that_lies_or_breaks_is_reported(tmp_path: Path, work: Any, word: str) -> None:
    app = ClientApp()
    app.train()(work)
    grid = LocalGrid(app, {"nyc": {}})
    made = open_shell(federation(tmp_path), grid)
    while not made.reports:
        made.turn()
    assert word in made.reports[0].reason and "a row" not in made.reports[0].reason
    grid.close()


def test_whose_work_does_not_count_is_told_until_it_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wise = threading.Event()

    def work(message: Message, context: Context) -> Message:
        return honest(message, context) if wise.is_set() else shouting(message, context)

    app = ClientApp()
    app.train()(work)
    grid = LocalGrid(app, {"nyc": region(tmp_path, "nyc", 1)})
    made = open_shell(federation(tmp_path, loop={"retry_s": 0.01}), grid)
    while not made.reports:
        made.turn()
    made.store.close()
    state = ["--state", str(tmp_path)]
    assert main(["status", *state]) == 0
    assert re.search(r"nyc: not counted \d+ s ago, at version 0: refused: \?\[2Jno", capsys.readouterr().out)
    assert main(["status", *state, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["refused"]["nyc"]
    assert "no rows" in told["reason"] and 0 <= told["age_s"] < 60 and told["version"] == 0
    wise.set()
    while made.loop.current.number < 1:
        made.turn()
    assert read_refused(made.store.folder) == {}
    grid.close()


class Unnamed(LocalGrid):
    """Name no nodes, as a simulation does."""

    def get_nodes(self) -> list[Any]:
        """Describe nodes by their numbers only."""
        found = super().get_nodes()
        for node in found:
            node.name = ""
        return found


def test_nodes_that_nobody_registered_are_asked_who_they_are(tmp_path: Path) -> None:
    from federation.run.client import app

    grid = Unnamed(app, regions(tmp_path))
    roster = Roster(grid, SystemClock())
    while len(roster()) < 3:
        pass
    assert sorted(roster().values()) == sorted(REGIONS)
    grid.close()


class Told:
    """Be a clock that is told the time."""

    now = 0

    def now_ns(self) -> int:
        """Give it."""
        return self.now


def test_a_node_whose_answer_was_lost_is_asked_again(tmp_path: Path) -> None:
    from federation.run.client import app

    grid, clock = Unnamed(app, regions(tmp_path)), Told()
    roster = Roster(grid, clock)
    clock.now = 10**12
    assert roster() == {}
    lost = dict(roster._asked)
    for name in lost.values():
        grid._replies.pop(name).result()
    clock.now += 59 * 10**9
    assert roster() == {} and roster._asked == lost
    clock.now += 2 * 10**9
    while len(roster()) < 3:
        pass
    grid.close()


def test_a_strangers_name_is_not_taken(tmp_path: Path) -> None:
    app = ClientApp()

    @app.query("who")
    def who(message: Message, context: Context) -> Message:
        return Message(refusal_content("../x", ""), reply_to=message)

    grid = Unnamed(app, {"nyc": {}})
    roster = Roster(grid, SystemClock())
    while not roster._strangers:
        assert roster() == {}
    assert roster() == {}
    grid.close()


def test_a_federation_without_tensors_or_with_a_wrong_config_is_refused(tmp_path: Path) -> None:
    grid = LocalGrid(ClientApp(), {})
    folder = federation(tmp_path)
    (folder / FIRST_FILE).unlink()
    with pytest.raises(ConfigError, match="nothing to begin with"):
        open_shell(folder, grid)
    (folder / CONFIG_FILE).write_text('{"loop": {"buffer": -1}}')
    with pytest.raises(ConfigError, match="buffer"):
        open_shell(folder, grid)
    other = federation(tmp_path / "other", holdout="tests.federation.trainers:nobody")
    with pytest.raises(ConfigError, match="there is no holdout"):
        open_shell(other, grid)
    torn = federation(tmp_path / "torn")
    (torn / FIRST_FILE).write_bytes(b"torn")
    with pytest.raises(SwarmError, match="is damaged"):
        open_shell(torn, grid)


@pytest.mark.parametrize(
    ("tensor", "word"),
    [(np.ones(2, np.int64), "only floats have a mean"), (np.array([np.nan], np.float32), "not finite")],
)
def test_tensors_that_nobody_can_learn_from_are_refused_by_name(
    tmp_path: Path, tensor: Any, word: str
) -> None:
    folder = federation(tmp_path)
    write_tensors(folder / FIRST_FILE, {"odd": tensor})
    with pytest.raises(ConfigError, match=f"odd .*{word}"):
        open_shell(folder, LocalGrid(ClientApp(), {}))


def test_a_type_that_numpy_does_not_have_is_refused_by_name(tmp_path: Path) -> None:
    head = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(4))
    with pytest.raises(SwarmError, match="BF16"):
        read_tensors(path)
