"""The loop: equal to FedAvg when nobody is late, and never waiting for the dead."""

from __future__ import annotations

import numpy as np
import pytest

from federation.loop.events import Announce, Ask, Failed, Passed, Store
from federation.loop.version import decode_version, encode, first_version
from federation.update import Update
from tests.federation.aggregation.flowers import answer, strategy
from tests.federation.loop.world import S, World, learnt, model

REGIONS = ("frankfurt", "nyc", "tokyo")


def test_with_all_on_time_every_version_is_flowers_to_the_bit() -> None:
    world = World(deadline_min_s=60)
    world.up(*REGIONS)
    for count in (10, 400, 7):
        updates = [learnt(world.current, region, examples=count + i) for i, region in enumerate(REGIONS)]
        theirs = answer(strategy("FedAvg"), updates)
        for update in reversed(updates):  # whatever the order of arrival
            world.arrive(update, after_s=1)
        assert [each.tobytes() for each in world.current.arrays] == [each.tobytes() for each in theirs]
    assert world.announced == [1, 2, 3]


def test_a_version_is_stored_before_it_is_announced_and_then_everybody_is_asked() -> None:
    world = World()
    world.up(*REGIONS)
    for region in REGIONS[:2]:
        world.arrive(learnt(world.current, region))
    actions = world.arrive(learnt(world.current, REGIONS[2]))
    kinds = [type(each) for each in actions if isinstance(each, Store | Announce | Ask)]
    assert kinds == [Store, Announce, Ask, Ask, Ask]


def test_a_dead_region_does_not_hold_up_the_others() -> None:
    world = World(deadline_first_s=100, deadline_min_s=1)
    world.up(*REGIONS)
    for _ in range(3):
        world.arrive(learnt(world.current, "frankfurt"), after_s=1)
        world.arrive(learnt(world.current, "nyc"))
        waited = world.loop.wake_ns()
        assert waited is not None
        world.now_ns = waited
        world.tell(Passed(waited))
    assert world.announced == [1, 2, 3]
    assert world.now_ns < 10 * S
    assert {member.region for member in world.current.members} == {"frankfurt", "nyc"}


def test_a_deadline_counts_from_when_somebody_was_asked_not_from_when_everybody_rested() -> None:
    world = World(deadline_first_s=100, deadline_min_s=1)
    world.now_ns = 500 * S  # nobody had anything to say for long
    world.up("frankfurt", "nyc")
    world.arrive(learnt(world.current, "frankfurt"), after_s=30)
    assert world.announced == [], "nyc is at work, and not late"
    world.arrive(learnt(world.current, "nyc"), after_s=30)
    assert world.announced == [1]
    assert {member.region for member in world.current.members} == {"frankfurt", "nyc"}


def test_the_first_deadline_is_the_configs_as_nothing_was_measured() -> None:
    world = World(deadline_first_s=100)
    world.up(*REGIONS)
    world.now_ns = 99 * S
    world.tell(Passed(world.now_ns))
    assert world.announced == [] and world.loop.wake_ns() is not None


def test_a_buffer_of_two_does_not_wait_for_the_third() -> None:
    world = World(buffer=2)
    world.up(*REGIONS)
    first = world.current
    world.arrive(learnt(first, "nyc"))
    world.arrive(learnt(first, "tokyo"))
    assert world.announced == [1]
    world.arrive(learnt(first, "frankfurt"))
    world.arrive(learnt(world.current, "nyc"))
    late = {member.region: member.staleness for member in world.current.members}
    assert world.announced == [1, 2] and late == {"frankfurt": 1, "nyc": 0}


def test_a_late_step_counts_for_less_and_from_where_the_line_is_now() -> None:
    world = World(buffer=1, staleness_power=1.0)
    world.up("nyc", "tokyo")
    first = world.current
    world.arrive(Update("nyc", first.hash, model(1.0), 10, names=first.names))
    world.arrive(Update("tokyo", first.hash, model(4.0), 10, names=first.names))
    assert np.allclose(world.current.arrays[0], 1.0 + 4.0 / 2)


def test_what_is_too_late_does_not_count() -> None:
    world = World(buffer=1, staleness_max=2)
    world.up("nyc", "tokyo")
    first = world.current
    for _ in range(3):
        world.arrive(learnt(world.current, "nyc"))
    world.arrive(learnt(first, "tokyo"))
    assert world.announced == [1, 2, 3] and "too old" in world.reported[-1].reason


def test_a_claim_to_a_billion_examples_is_capped() -> None:
    world = World(examples_max=100)
    world.up("nyc", "tokyo")
    base = world.current
    world.arrive(Update("nyc", base.hash, model(1.0), 10**9, names=base.names))
    world.arrive(Update("tokyo", base.hash, model(3.0), 100, names=base.names))
    assert np.allclose(world.current.arrays[0], 2.0)


def test_a_duplicate_and_a_stale_replay_count_once() -> None:
    world = World(buffer=2)
    world.up(*REGIONS)
    old = learnt(world.current, "nyc")
    world.arrive(old)
    world.arrive(old)
    assert "replay" in world.reported[-1].reason and world.announced == []
    world.arrive(learnt(world.current, "tokyo"))
    world.arrive(old)
    assert "replay" in world.reported[-1].reason and len(world.loop.buffer) == 0


def test_a_try_that_nobody_asked_for_is_left_out_and_not_waited_for() -> None:
    world = World()
    world.up("nyc", "tokyo")
    world.arrive(learnt(world.current, "nyc", attempt=7))
    assert "nobody asked for" in world.reported[-1].reason and world.loop.buffer == {}
    world.arrive(learnt(world.current, "tokyo"))
    assert [member.region for member in world.current.members] == ["tokyo"]


@pytest.mark.parametrize("aggregator", ["fedavg", "fedadam", "median", "trimmed_mean", "krum"])
def test_a_number_without_an_axis_is_learnt_and_read_back(aggregator: str) -> None:
    first = first_version(("a", "b"), [np.array(1.0, np.float32), np.ones(2, np.float32)])
    world = World(first, aggregator=aggregator, buffer=1)
    world.up("nyc", "tokyo")
    late = learnt(first, "tokyo")
    world.arrive(learnt(first, "nyc"))
    world.arrive(late)
    assert [each.arrays[0].shape for each in world.line] == [(), (), ()]


def test_a_region_that_fails_is_reported_and_asked_again_after_a_rest() -> None:
    world = World(retry_s=5)
    world.up("nyc")
    world.tell(Failed("nyc", "no rows", world.now_ns))
    assert world.reported[-1].reason == "no rows" and len(world.asks) == 1
    assert world.loop.wake_ns() == 5 * S
    world.now_ns = 5 * S
    world.tell(Passed(world.now_ns))
    assert [(ask.region, ask.version) for ask in world.asks] == [("nyc", 0), ("nyc", 0)]


def test_a_region_that_never_answers_is_asked_again() -> None:
    world = World(lost_first_s=50)
    world.up("nyc")
    world.now_ns = 50 * S
    world.tell(Passed(world.now_ns))
    assert len(world.asks) == 2 and world.reported[-1].reason == "did not answer"


def test_a_region_that_comes_back_is_asked_for_the_newest_version() -> None:
    world = World(buffer=1)
    world.up("nyc", "tokyo")
    world.down("tokyo")
    world.arrive(learnt(world.current, "nyc"))
    world.up("tokyo")
    assert (world.asks[-1].region, world.asks[-1].version) == ("tokyo", 1)


def test_a_worse_aggregate_does_not_become_a_version() -> None:
    def far(arrays: object) -> float:
        return 1.0 + abs(float(arrays[0].mean()) - 1.0)  # type: ignore[index]

    world = World(loss=far, regress_frac=0.0, retry_s=0, vetting={"loss_slack_frac": 10.0})
    world.up("nyc")
    world.arrive(Update("nyc", world.current.hash, model(0.9), 10, names=world.current.names))
    world.arrive(Update("nyc", world.current.hash, model(5.0), 10, names=world.current.names))
    assert world.announced == [1] and "hold-out loss" in world.reported[-1].reason
    assert (world.asks[-1].version, world.asks[-1].attempt) == (1, 1)
    world.arrive(Update("nyc", world.current.hash, model(1.0), 10, names=world.current.names, attempt=1))
    assert world.announced == [1, 2] and world.current.champion == 2
    assert world.current.left_out[0].reason.startswith("hold-out loss")


def test_the_servers_step_is_kept_over_a_restart() -> None:
    once, twice = World(aggregator="fedadam"), World(aggregator="fedadam")
    for world in (once, twice):
        world.up("nyc")
    for _ in range(3):
        for world in (once, twice):
            world.arrive(learnt(world.current, "nyc"), after_s=1)
        twice.open()
        twice.up("nyc")
    assert once.current.hash == twice.current.hash and once.current.moments is not None


def test_a_version_survives_its_bytes_and_a_changed_one_is_refused() -> None:
    world = World()
    world.up("nyc")
    world.arrive(learnt(world.current, "nyc"))
    data = encode(world.current)
    assert encode(decode_version(data)) == data
    place = data.index(world.current.arrays[0].tobytes())
    broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    with pytest.raises(ValueError, match="hash"):
        decode_version(broken)
