"""The loop of sums: exact, in steps with deadlines, and never waiting for the dead for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from federation.loop.config import LoopConfig
from federation.loop.events import (
    DEAL,
    SEND,
    SHOW,
    UNCOVER,
    Action,
    Announce,
    ClientDown,
    ClientUp,
    Event,
    Failed,
    Part,
    Passed,
    Reported,
    Restarted,
    Said,
    Store,
    Tell,
)
from federation.loop.merge import Loss
from federation.loop.secure_loop import SecureLoop
from federation.loop.version import Version, decode_version, encode, first_version
from federation.privacy.fixed_point import to_floats
from federation.privacy.secure_mean import words_of
from federation.privacy.secure_sum import Keys, SecureClient
from tests.federation.loop.world import NAMES, S, learnt, model

FIVE = ("frankfurt", "nyc", "osaka", "tokyo", "zug")
STEPS = (SHOW, DEAL, SEND, UNCOVER)


class Sums:
    """Hold a secure loop, its regions' own sides, and all that was ever said."""

    def __init__(self, *regions: str, loss: Loss | None = None, clip: float = 50.0, **config: Any) -> None:
        self.config = LoopConfig.model_validate({"retry_s": 1, "deadline_first_s": 5, **config})
        self.loss, self.clip = loss, clip
        self.line: list[Version] = [first_version(NAMES, model(1.0))]
        self.announced: list[int] = []
        self.reported: list[Reported] = []
        self.clients: dict[str, SecureClient] = {}
        self.tells: list[Tell] = []
        self.step_of: dict[str, float] = {}
        self.now_ns = 0
        self.open()
        for region in regions:
            self.tell(ClientUp(region, 0))

    def open(self) -> None:
        self.loop = SecureLoop(self.config, self.line[-3:], clip=self.clip, step_s=10.0, loss=self.loss)
        self.tell(Restarted(self.now_ns))

    def tell(self, event: Event) -> list[Action]:
        actions = self.loop.step(event)
        for action in actions:
            if isinstance(action, Tell):
                self.tells.append(action)
            elif isinstance(action, Store):
                assert action.version.number == len(self.line)
                self.line.append(decode_version(encode(action.version)))
            elif isinstance(action, Announce):
                self.announced.append(action.version)
            elif isinstance(action, Reported):
                self.reported.append(action)
        return actions

    def passed(self, seconds: float = 0.0) -> None:
        self.now_ns += int(seconds * S)
        self.tell(Passed(self.now_ns))

    def part(self, tell: Tell) -> Part:
        """Do a region's part of a step."""
        if tell.step == SHOW:
            self.clients[tell.region] = SecureClient(tell.region)
            return self.clients[tell.region].keys()
        client = self.clients[tell.region]
        if tell.step == DEAL:
            return client.deal(tell.peers)
        if tell.step == SEND:
            return client.masked(words_of(*self.learnt(tell)), tell.boxes)
        return client.uncover(tell.alive)

    def learnt(self, tell: Tell) -> tuple[Any, Any, int]:
        version = self.line[tell.version]
        step = self.step_of.get(tell.region, 1.0)
        update = learnt(version, tell.region, step, attempt=tell.attempt)
        return update.arrays, version.arrays, update.examples

    def answer(self, without: Mapping[str, str] | None = None) -> None:
        """Let everybody do what it was told, except those who are gone at their step."""
        gone = without or {}
        tells, self.tells = self.tells, []
        for tell in tells:
            if gone.get(tell.region) != tell.step:
                self.tell(Said(tell.region, tell.sum, tell.step, self.part(tell), self.now_ns))

    def round(self, without: Mapping[str, str] | None = None) -> None:
        """Go through one sum; who is gone at a step answers nothing from then on."""
        self.passed(1)
        for _ in STEPS:
            self.answer(without)
            if not self.tells and self.loop.sum:  # somebody is waited for
                self.passed(11)


def plain_mean(sums: Sums, regions: tuple[str, ...], version: Version) -> list[np.ndarray]:
    """Sum the integers in the open, and read the mean out of the sum."""
    total = np.zeros(sum(each.size for each in version.arrays) + 1, np.uint64)
    for region in regions:
        update = learnt(version, region)
        total += words_of(update.arrays, version.arrays, update.examples)
    values = to_floats(total)
    cut = version.arrays[0].size
    parts = (values[:cut].reshape(version.arrays[0].shape), values[cut:-1])
    return [
        (base + part / values[-1]).astype(base.dtype)
        for base, part in zip(version.arrays, parts, strict=True)
    ]


@pytest.mark.parametrize("regions", [FIVE[:3], FIVE[:4], FIVE])
def test_a_version_is_the_plain_sum_to_the_bit(regions: tuple[str, ...]) -> None:
    sums = Sums(*regions)
    for _ in range(3):
        before = sums.line[-1]
        sums.round()
        due = plain_mean(sums, regions, before)
        assert [each.tobytes() for each in sums.line[-1].arrays] == [each.tobytes() for each in due]
    assert sums.announced == [1, 2, 3] and sums.reported == []
    assert [member.region for member in sums.line[-1].members] == list(regions)
    assert {(member.weight, member.examples) for member in sums.line[-1].members} == {(None, None)}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("gone", [(), ("nyc",), ("nyc", "tokyo")])
def test_up_to_two_of_five_may_be_lost_at_any_step(step: str, gone: tuple[str, ...]) -> None:
    sums = Sums(*FIVE)
    sums.round(dict.fromkeys(gone, step))
    counted = FIVE if step == UNCOVER else tuple(each for each in FIVE if each not in gone)
    due = plain_mean(sums, counted, sums.line[0])
    assert [each.tobytes() for each in sums.line[1].arrays] == [each.tobytes() for each in due]
    assert [member.region for member in sums.line[1].members] == list(counted)


@pytest.mark.parametrize("step", STEPS[1:])
def test_one_of_three_may_be_lost_once_all_have_shown_themselves(step: str) -> None:
    sums = Sums(*FIVE[:3])
    sums.round({"nyc": step})
    assert sums.announced == [1] and ("nyc" in {each.region for each in sums.line[1].members}) == (
        step == UNCOVER
    )


@pytest.mark.parametrize("step", STEPS)
def test_where_too_few_are_left_there_is_no_sum_and_the_next_one_begins(step: str) -> None:
    sums = Sums(*FIVE[:3])
    sums.round(dict.fromkeys(FIVE[:2], step))
    for region in FIVE[:2]:
        sums.tell(ClientDown(region, sums.now_ns))
    sums.passed(30)
    assert sums.announced == [] and any("no sum" in each.reason for each in sums.reported)
    for region in FIVE[:2]:
        sums.tell(ClientUp(region, sums.now_ns))
    sums.tells.clear()
    sums.round()
    assert sums.announced == [1] and sums.line[1].members[0].attempt == 1


def test_fewer_than_three_are_refused_by_name_once() -> None:
    sums = Sums("nyc", "tokyo")
    for _ in range(3):
        sums.passed(100)
    told = [(each.region, each.reason) for each in sums.reported]
    assert told == [(name, "a secure sum needs 3 regions, and 2 are up") for name in ("nyc", "tokyo")]
    assert sums.tells == []


def test_a_slow_region_is_not_waited_for_and_its_late_keys_count_for_nothing() -> None:
    sums = Sums(*FIVE[:4])
    sums.passed()
    slow = next(tell for tell in sums.tells if tell.region == "tokyo")
    sums.tells.remove(slow)
    sums.answer()
    assert sums.tells == []
    sums.passed(5)
    for _ in STEPS[1:]:
        sums.answer()
    assert sums.announced == [1] and len(sums.line[1].members) == 3
    sums.passed(1)
    assert "tokyo" not in {tell.region for tell in sums.tells}
    sums.tell(Said("tokyo", slow.sum, SHOW, SecureClient("tokyo").keys(), sums.now_ns))
    for _ in STEPS:
        sums.answer()
    sums.passed(1)
    assert sums.announced == [1, 2] and "tokyo" in {tell.region for tell in sums.tells}


def test_with_three_the_third_is_waited_for_until_it_is_lost() -> None:
    sums = Sums(*FIVE[:3], lost_first_s=100, lost_min_s=60)
    sums.passed()
    sums.tells.pop()
    sums.answer()
    sums.passed(90)
    assert sums.reported == []
    sums.passed(10)
    assert "did not answer" in {each.reason for each in sums.reported} and sums.loop.sum == ""
    assert any("2 clients cannot hide" in each.reason for each in sums.reported)


def test_a_region_that_goes_down_after_it_dealt_is_made_up_for_at_once() -> None:
    sums = Sums(*FIVE[:3])
    sums.passed()
    sums.answer()
    sums.answer()
    sums.tells = [tell for tell in sums.tells if tell.region != "nyc"]
    sums.tell(ClientDown("nyc", sums.now_ns))
    sums.answer()
    sums.answer()
    assert sums.announced == [1] and sums.now_ns == 0


def test_steps_that_were_quick_are_not_waited_for_long() -> None:
    sums = Sums(*FIVE[:4])
    for lost in (None, "nyc"):
        sums.passed(1)
        sums.answer()
        for _ in STEPS[1:]:
            sums.now_ns += S // 2
            sums.tells = [tell for tell in sums.tells if tell.region != lost]
            sums.answer()
            if lost is not None and sums.loop.sum and not sums.tells:
                sums.passed(1.4)
                assert not sums.tells, "four times half a second is two"
                sums.passed(0.2)
    assert sums.announced == [1, 2] and len(sums.line[2].members) == 3


def test_a_restart_begins_a_new_sum_and_the_old_ones_parts_are_nothing() -> None:
    sums = Sums(*FIVE[:3])
    sums.round()
    sums.passed(1)
    old = sums.tells[0]
    sums.answer()
    sums.tells.clear()
    sums.open()
    for region in FIVE[:3]:
        sums.tell(ClientUp(region, sums.now_ns))
    sums.passed(1)
    assert {tell.step for tell in sums.tells} == {SHOW} and sums.tells[0].sum != old.sum
    sums.tell(Said(old.region, old.sum, DEAL, {}, sums.now_ns))
    for _ in STEPS:
        sums.answer()
    assert sums.announced == [1, 2] and sums.line[2].parent == sums.line[1].hash


def far(arrays: Any) -> float:
    """Be best at 3."""
    return 1.0 + abs(float(arrays[0].mean()) - 3.0)


@pytest.mark.parametrize(
    ("steps", "clip", "word"),
    [
        ({"nyc": 1e4}, 50.0, "every region's is clipped to 50"),
        ({"nyc": -9.0}, 50.0, "hold-out loss"),
        ({"nyc": 20.0}, 1.0, "clipped to 1"),
    ],
)
def test_a_sum_that_one_spoilt_is_refused_as_a_whole_and_all_are_named(
    steps: dict[str, float], clip: float, word: str
) -> None:
    config = {"vetting": {"norm_base_max": 1e12, "loss_slack_frac": 0.1}, "regress_frac": 0.0}
    sums = Sums(*FIVE[:3], loss=far if "loss" in word else None, clip=clip, **config)
    sums.step_of = steps
    sums.round()
    assert sums.announced == [] and {each.region for each in sums.reported} == set(FIVE[:3])
    assert all(
        word in each.reason and "the sum of frankfurt, nyc, osaka" in each.reason for each in sums.reported
    )
    sums.step_of, sums.tells = {}, []
    if clip == 50.0:
        sums.round()
        assert sums.announced == [1]


def test_more_examples_than_all_may_claim_are_refused() -> None:
    sums = Sums(*FIVE[:3], examples_max=5)
    sums.round()
    assert sums.announced == [] and "30 examples of 3 regions" in sums.reported[0].reason


@pytest.mark.parametrize(
    ("step", "part"),
    [
        (SHOW, Keys(bytes(32), b"x" * 32)),
        (DEAL, {"nyc": b"too short"}),
        (SEND, np.zeros(3, np.uint64)),
        (UNCOVER, {}),
    ],
)
def test_a_part_of_no_use_leaves_its_region_out_and_the_others_go_on(step: str, part: Part) -> None:
    sums = Sums(*FIVE[:4])
    sums.passed()
    for each in STEPS:
        if each == step:
            tell = next(tell for tell in sums.tells if tell.region == "nyc")
            sums.tells.remove(tell)
            sums.tell(Said("nyc", tell.sum, step, part, sums.now_ns))
        sums.answer()
    assert sums.announced == [1]
    assert [each.region for each in sums.reported] == ["nyc"]


def test_shares_that_fit_nothing_end_the_sum_and_not_the_loop() -> None:
    sums = Sums(*FIVE[:3])
    sums.passed()
    for _ in STEPS[:3]:
        sums.answer()
    for tell in sums.tells:
        shares = dict.fromkeys(FIVE[:3], bytes(66 - len(tell.region)) + tell.region.encode())
        sums.tell(Said(tell.region, tell.sum, UNCOVER, shares, sums.now_ns))
    assert sums.announced == [] and "the sum of" in sums.reported[0].reason
    sums.tells.clear()
    sums.round()
    assert sums.announced == [1]


def test_a_region_that_fails_rests_and_an_older_champion_is_kept() -> None:
    sums = Sums(*FIVE[:4], loss=far, regress_frac=0.5, vetting={"loss_slack_frac": 1.0})
    sums.passed()
    sums.tell(Failed("zug", "no rows", sums.now_ns))
    tell = sums.tells.pop()
    sums.tell(Failed(tell.region, "no rows", sums.now_ns))
    for _ in STEPS:
        sums.answer()
    assert sums.line[1].left_out[-1].reason == "no rows" and sums.line[1].champion == 1
    sums.step_of = dict.fromkeys(FIVE, 2.0)
    sums.round()
    assert sums.line[2].champion == 1 and set(sums.loop.versions) == {1, 2}
    assert msgspec.to_builtins(sums.line[2].members[0])["weight"] is None
