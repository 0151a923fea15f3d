from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from learning.train.schedule import (
    NS_PER_S,
    Finished,
    Kind,
    Labelled,
    Passed,
    Schedule,
    ScheduleConfig,
    Train,
)

CONFIG = ScheduleConfig(
    whole_s=1000, step_s=100, rows_first=50, rows_step=20, rows_drift=10, rest_s=10, late_s=300
)


def at(second: float) -> int:
    return int(second * NS_PER_S)


def trained(rows: int = 50) -> Schedule:
    """Build a schedule whose first training, begun at 1 s, is over at 5 s."""
    schedule = Schedule(CONFIG)
    assert schedule.step(Labelled(at(1), rows)) == Train(Kind.WHOLE, "first", rows)
    assert schedule.step(Finished(at(5), made=True)) is None
    return schedule


def test_nothing_is_asked_while_a_training_runs() -> None:
    schedule = Schedule(CONFIG)
    assert schedule.step(Labelled(at(1), 60)) is not None
    assert schedule.step(Labelled(at(2), 500, drifted=True)) is None
    assert schedule.new_rows == 560


def test_new_rows_are_learnt_in_small_steps_between() -> None:
    schedule = trained()
    assert schedule.step(Labelled(at(50), 19)) is None
    assert schedule.step(Labelled(at(60), 1)) is None
    assert schedule.step(Passed(at(104.9))) is None
    assert schedule.step(Passed(at(105))) == Train(Kind.STEP, "new rows", 70)
    assert schedule.step(Finished(at(106), made=True)) is None
    assert schedule.new_rows == 0


def test_drift_asks_for_a_whole_training_once_there_are_new_rows() -> None:
    schedule = trained()
    assert schedule.step(Labelled(at(20), 3, drifted=True)) is None
    assert schedule.step(Labelled(at(21), 7)) == Train(Kind.WHOLE, "drift", 60)
    schedule.step(Finished(at(22), made=True))
    assert not schedule.drifted
    assert schedule.step(Labelled(at(40), 15)) is None


def test_a_whole_training_comes_when_it_is_due_and_something_is_new() -> None:
    schedule = trained()
    assert schedule.step(Passed(at(2000))) is None
    assert schedule.step(Labelled(at(2001), 1)) == Train(Kind.WHOLE, "scheduled", 51)


def test_rows_that_came_during_a_training_are_still_new_after_it() -> None:
    schedule = Schedule(CONFIG)
    schedule.step(Labelled(at(1), 50))
    schedule.step(Labelled(at(2), 30))
    schedule.step(Finished(at(3), made=True))
    assert schedule.new_rows == 30


def test_failures_in_a_row_wait_twice_as_long_each_up_to_a_bound() -> None:
    schedule, now, waits = Schedule(CONFIG), 1.0, []
    asked = schedule.step(Labelled(at(now), 50))
    for _ in range(9):
        assert asked is not None
        schedule.step(Finished(at(now), made=False))
        waited, asked = 0, None
        while asked is None:
            waited += 10
            asked = schedule.step(Passed(at(now + waited)))
        waits.append(waited)
        now += waited
    assert waits == [20, 40, 80, 160, 320, 640, 640, 640, 640]


def test_a_training_that_says_nothing_is_given_up_and_its_late_word_ignored() -> None:
    schedule = Schedule(CONFIG)
    schedule.step(Labelled(at(1), 50))
    assert schedule.step(Passed(at(302))) is None
    assert schedule.failures == 1
    assert schedule.step(Finished(at(303), made=True)) is None
    assert schedule.step(Passed(at(330))) == Train(Kind.WHOLE, "first", 50)


def test_drift_that_comes_during_a_training_or_whose_training_fails_is_not_forgotten() -> None:
    schedule = trained()
    assert schedule.step(Labelled(at(20), 10, drifted=True)) == Train(Kind.WHOLE, "drift", 60)
    schedule.step(Finished(at(21), made=False))
    assert schedule.step(Passed(at(60))) == Train(Kind.WHOLE, "drift", 60)
    schedule.step(Labelled(at(61), 30, drifted=True))
    schedule.step(Finished(at(62), made=True))
    assert schedule.step(Passed(at(90))) == Train(Kind.WHOLE, "drift", 90)


EVENTS = st.one_of(
    st.builds(lambda rows, drifted: ("rows", rows, drifted), st.integers(0, 60), st.booleans()),
    st.just(("time", 0, False)),
    st.builds(lambda made: ("over", 0, made), st.booleans()),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 400)), max_size=60))
def test_trainings_never_overlap_nor_follow_without_rest(
    steps: list[tuple[tuple[str, int, bool], int]],
) -> None:
    def run() -> list[tuple[int, Train]]:
        schedule, now, busy, ended = Schedule(CONFIG), 1, False, -(10**9)
        found: list[tuple[int, Train]] = []
        for (name, rows, flag), wait in steps:
            now += wait
            if busy and now - found[-1][0] > CONFIG.late_s:
                busy, ended = False, now
            if name == "over" and busy:
                busy, ended = False, now
            events: dict[str, Labelled | Passed] = {
                "rows": Labelled(at(now), rows, flag),
                "time": Passed(at(now)),
            }
            asked = schedule.step(events.get(name, Finished(at(now), flag)))
            if asked is not None:
                assert not busy and now - ended >= CONFIG.rest_s
                assert asked.rows == schedule.rows
                busy = True
                found.append((now, asked))
        return found

    assert run() == run()


def test_the_more_rows_there_are_the_more_new_ones_a_step_needs() -> None:
    config = CONFIG.model_copy(update={"step_frac": 0.1, "rows_step_max": 30})
    for rows, needed in ((50, 20), (250, 25), (5_000, 30)):
        schedule = Schedule(config)
        schedule.step(Labelled(at(1), rows))
        schedule.step(Finished(at(2), made=True))
        assert schedule.step(Labelled(at(200), needed - 1)) is None
        asked = schedule.step(Labelled(at(201), 2))
        assert asked is not None and asked.kind is Kind.STEP


def test_a_restart_goes_on_and_a_training_that_it_cut_off_has_failed() -> None:
    first = trained()
    first.step(Labelled(at(50), 15))
    again = Schedule(CONFIG)
    again.restore(first.state())
    assert again.step(Labelled(at(105), 5)) == Train(Kind.STEP, "new rows", 70)
    third = Schedule(CONFIG)
    third.restore(again.state())
    assert (third.running, third.failures, third.new_rows) == (None, 1, 20)
    assert third.step(Passed(at(110))) is None, "it rests first"
    assert third.step(Passed(at(205))) == Train(Kind.STEP, "new rows", 70)
