"""An agent that trades a model's word: what it saw and decided is told, replayed and learnt from."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from agents.minds import LASTING, MODEL
from agents.node import Node
from agents.record import decode, encode_action, encode_event
from domain.actions import Action, Alarm, Observed
from domain.desire import TargetPosition
from domain.market_events import Trade
from learning.models.model import Exported
from learning.rows.features import FEATURES
from tests.agents.builders import MS, Rig, S, agent_table
from tests.agents.mind_builders import exported, hedge, model_set, trees


def rig(**parameters: Any) -> Rig:
    told = {"decide_ms": 100, "features": {"warm_s": 0.0}, "position_notional": 500.0, **parameters}
    made = Rig(agent_table(1, "learned", parameters=told), agent_table(2, symbol="ETHUSDT"))
    made.start()
    return made


def play(r: Rig, ticks: int, seed: int = 1) -> list[Action]:
    """Let the market move, and trades come between."""
    draw, mid, made = random.Random(seed), 10_000, []
    for number in range(ticks):
        mid += draw.randrange(-3, 4)
        made += r.tick(mid - 1, mid + 1, lots=draw.randrange(100, 2_000))
        if number % 3 == 0:
            r.now_ns += MS
            made += r.step(
                Trade(0, r.now_ns, r.now_ns, number + 1, mid, draw.randrange(1, 50), draw.choice((1, -1)))
            )
    return made


def rows(actions: list[Action]) -> list[Observed]:
    return [action for action in actions if isinstance(action, Observed)]


def desire(r: Rig) -> TargetPosition:
    wanted = r.node.desk.agents[1].desire
    assert isinstance(wanted, TargetPosition)
    return wanted


def test_it_tells_what_it_saw_and_decided_at_its_pace_and_nothing_else_does() -> None:
    r = rig()
    seen = rows(play(r, 300))
    assert {row.shard for row in seen} == {1}
    gaps = [later.at_ns - row.at_ns for row, later in pairwise(seen)]
    assert len(seen) > 20 and min(gaps) >= 100 * MS
    for row in seen:
        features = np.frombuffer(row.features, "<f4")
        assert features.shape == (len(FEATURES),) and np.isfinite(features).all()
        assert np.frombuffer(row.probabilities, "<f4").sum() == np.float32(1)
        assert row.spread_ticks == 2 and row.mid2_ticks > 0 and row.mode == 2 and row.model == ""


def test_a_model_is_obeyed_from_the_next_decision_on_and_another_without_a_restart() -> None:
    r = rig()
    play(r, 60)
    up, down = model_set(exported(1), at_ns=r.now_ns), model_set(exported(-1), at_ns=r.now_ns)
    r.step(up)
    seen = rows(play(r, 60))
    assert {(row.model, row.mode, row.decision_ppm) for row in seen} == {(up.model, 0, 1_000_000)}
    assert desire(r).position_lots > 0
    r.step(down)
    assert {(row.model, row.decision_ppm) for row in rows(play(r, 60))} == {(down.model, -1_000_000)}
    assert desire(r).position_lots <= 0, "round by way of flat"


def test_a_refused_model_is_an_alarm_and_the_champion_goes_on() -> None:
    r = rig()
    play(r, 60)
    champion = model_set(exported(1), at_ns=r.now_ns)
    r.step(champion)
    made = r.step(msgspec.structs.replace(model_set(exported(-1)), blob=b"rubbish", local_ts_ns=r.now_ns))
    (alarm,) = [action for action in made if isinstance(action, Alarm)]
    assert alarm.kind == "model-refused" and "champion" in alarm.text
    assert {row.model for row in rows(play(r, 60))} == {champion.model}


def test_falling_back_is_told_once_it_lasts() -> None:
    r = rig()
    r.step(model_set(exported(1), at_ns=r.now_ns))
    assert not [action for action in play(r, 200) if isinstance(action, Alarm)]
    r.step(model_set(exported(1, scale=0.001), at_ns=r.now_ns))
    made = play(r, 500, seed=2)
    told = [place for place, action in enumerate(made) if isinstance(action, Alarm)]
    assert [made[place].text for place in told] == ["learned-1: last good answers"]  # type: ignore[union-attr]
    assert len(rows(made[: told[0]])) == LASTING


@pytest.mark.parametrize("champion", [exported(0.3), trees(), hedge()], ids=lambda made: made.kind)
def test_a_replay_and_a_restored_state_decide_the_same(champion: Exported) -> None:
    r = rig()
    play(r, 80)
    told = model_set(champion, at_ns=r.now_ns)
    r.step(told)
    assert {(row.mode, row.model) for row in rows(play(r, 80))} == {(MODEL, told.model)}
    again, kept = Node(r.config, r.instruments), Node(r.config, r.instruments)
    done = b"".join(encode_action(a) for event in r.inputs for a in again.step(_read(encode_event(event))))
    assert done == b"".join(map(encode_action, r.log))
    kept.restore(r.node.state())
    before = len(r.inputs)
    made = play(r, 80, seed=4)
    assert rows(made)
    assert [a for event in r.inputs[before:] for a in kept.step(event)] == made
    assert kept.state() == r.node.state()


def test_a_row_comes_back_from_its_record() -> None:
    (row, *_) = rows(play(rig(), 60))
    assert decode(encode_action(row)) == row


def _read(record: bytes) -> Any:
    return decode(record)


def test_a_market_that_falls_silent_begins_anew() -> None:
    r = rig(features={"warm_s": 1.0, "gap_s": 2.0})
    assert rows(play(r, 200))
    r.now_ns += 5 * S
    r.wait(0.1)
    assert not rows(play(r, 50)), "windows are not full yet"
