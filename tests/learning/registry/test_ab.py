"""An operator compares two versions on shares of the agents, sees what is known, and ends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main
from domain.errors import ExitCode
from learning.registry.memory import FILE, Memory, read_memory, write_memory
from learning.registry.registry import Registry
from learning.registry.sequential import CANARY, CHAMPION, Comparison
from tests.learning.registry.versions import champions, exported, manifest, registry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Leave a champion and two candidates."""
    made = registry(tmp_path / "models" / "tokyo")
    champions(made, 1)
    for seed in (2, 3):
        made.put(exported(seed), manifest())
    return made.folder


class Operator:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.champion, self.first, self.second = Registry(folder).states()

    def say(self, *words: str) -> tuple[int, str, str]:
        code = main(["models", *words, "--state", str(self.folder.parent.parent)])
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def asked(self, *words: str) -> Any:
        code, out, _ = self.say(*words, "--json")
        assert code == 0
        return json.loads(out)


@pytest.fixture
def operator(folder: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(folder, capsys)


def outcomes(operator: Operator, canary_bps: float, count: int) -> None:
    """Let a learner have compared so many pairs."""
    memory = Memory(canary=operator.first, champion=operator.champion)
    comparison = Comparison(memory.rules.outcomes)
    for shard in range(count):
        memory.seen(operator.first, shard % 3)
        comparison.add(CANARY, canary_bps)
        comparison.add(CHAMPION, 0.0)
    memory.comparison = comparison.save()
    write_memory(operator.folder, memory)


@pytest.mark.parametrize("turned", [False, True])
def test_two_versions_share_the_agents_in_whichever_order_they_are_named(
    operator: Operator, turned: bool
) -> None:
    pair = [operator.champion, operator.first]
    answer = operator.asked("split", *(pair[::-1] if turned else pair), "--share", "0.3")
    assert (answer["champion"], answer["canary"]) == (operator.champion, operator.first)
    assert (answer["canary_ppm"], answer["pairs"], answer["verdict"]) == (300_000, 0, "open")
    assert operator.asked("ls")["ab"] == operator.asked("ab") == answer
    assert operator.asked("split", *pair)["canary_ppm"] == 500_000, "a share can be changed on the way"


def test_what_is_known_is_shown_and_not_yet_is_said_where_it_is_open(operator: Operator) -> None:
    operator.say("split", "champion", operator.first)
    outcomes(operator, 0.1, 40)
    answer = operator.asked("ab")
    assert answer["low_bps"] < 0 < answer["high_bps"]
    assert (answer["pairs"], answer["verdict"], answer["agents"]["canary"]) == (40, "open", 3)
    assert answer["promoted"] == {"pairs": 100, "low_bps": -1.0}
    for words in (("ab",), ("ls",), ("show", "canary"), ("show", "champion")):
        _, out, _ = operator.say(*words)
        assert "40 pairs" in out and "not yet" in out, words
    outcomes(operator, -8.0, 400)
    assert operator.asked("ab")["verdict"] == "worse"


def test_outcomes_of_another_pair_say_nothing_of_this_one(operator: Operator) -> None:
    outcomes(operator, 5.0, 400)
    operator.say("split", "champion", operator.second)
    assert operator.asked("ab")["pairs"] == 0


def test_it_is_stopped_and_the_champion_serves_all_again(operator: Operator) -> None:
    operator.say("split", "champion", operator.first)
    answer = operator.asked("stop", "--reason", "seen enough")
    assert (answer["champion"], answer["canary"], answer["canary_ppm"]) == (operator.champion, "", 0)
    assert operator.asked("ab") is None and "nobody" in operator.say("ab")[1]
    assert operator.asked("show", operator.first)["history"][-1]["reason"] == "seen enough"
    code, _, error = operator.say("stop")
    assert code == ExitCode.BAD_DATA and "no version is being compared" in error


def test_what_cannot_be_compared_is_refused_by_name_and_nothing_changes(operator: Operator) -> None:
    operator.say("split", "champion", operator.first)
    before = Registry(operator.folder).pointer()
    for pair, words in (
        ((operator.first, operator.second), "neither of"),
        (("champion", operator.champion), "are one version"),
        (("champion", operator.second), "is being compared already"),
        (("champion", "feed"), "is no version"),
    ):
        code, out, error = operator.say("split", *pair)
        assert code in (ExitCode.BAD_DATA, ExitCode.USAGE) and words in error and out == ""
        assert error.count("\n") == 1
    with pytest.raises(SystemExit) as ended:
        operator.say("split", "champion", operator.first, "--share", "0")
    assert ended.value.code == ExitCode.USAGE
    assert Registry(operator.folder).pointer() == before


def test_a_damaged_memory_is_refused_by_name_wherever_a_bit_flips(operator: Operator) -> None:
    operator.say("split", "champion", operator.first)
    outcomes(operator, 1.0, 5)
    file = operator.folder / FILE
    whole = file.read_bytes()
    for place in range(len(whole)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(Exception, match="damaged"):
            read_memory(operator.folder)
    code, _, error = operator.say("ab")
    assert code == ExitCode.BAD_DATA and "learner.msgpack" in error and error.count("\n") == 1
    assert "damaged" in operator.asked("ls")["ab"]["trouble"]
    assert "damaged" in operator.say("ls")[1]
