"""What a region answers, and that nothing but the list leaves it: seen in the messages themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import ConfigError
from federation.loop.version import Version, first_version
from federation.privacy.leaving import FIGURES, LEAVING
from federation.run.client import answer
from federation.run.config import region_settings
from federation.run.flower import ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from federation.run.messages import ask_content, tensors_of, unlisted_in
from federation.run.region_folder import (
    DUE_FILE,
    LEDGER_FILE,
    PERSONAL_FILE,
    keep_sent,
    newest_sent,
    read_sent,
)
from federation.run.tensors import Tensors, read_tensors
from federation.run.trainer import Trained
from tests.federation.building import region
from tests.federation.trainers import first_tensors, softmax

SECRET = 60123.4375  # a price that is exact in float32, so that its bytes could be found


def version() -> Version:
    tensors = first_tensors()
    names = ("bias", "weight")
    return first_version(names, [tensors[name] for name in names])


def asked(attempt: int = 0, **config: Any) -> RecordDict:
    return ask_content(version(), attempt, 7, {"steps": 5, **config})


def talkative(store: Path, tensors: Tensors, config: Any, seed: int) -> Trained:
    """Train, and try to take along what must stay."""
    trained = softmax(store, tensors, config, seed)
    taken = {**trained.tensors, "rows": np.full(4, SECRET), "norm.mean": np.full(4, SECRET, np.float32)}
    told = {"log_loss": 0.5, "position_lots": SECRET, "last_fill_price": SECRET, "order_id": 17.0}
    return Trained(taken, trained.examples, told)


def everything(content: RecordDict) -> bytes:
    """Give all bytes of a message as it goes over the wire."""
    from flwr.common.serde import recorddict_to_proto

    data: bytes = recorddict_to_proto(content).SerializeToString()
    return data


def test_only_what_is_listed_leaves_whatever_the_trainer_gives(tmp_path: Path) -> None:
    settings = region_settings(region(tmp_path, "tokyo", 1))
    content = answer(asked(), settings, talkative)
    known = {(field.record, field.name) for field in LEAVING}
    told = {(record, name) for record in ("config", "metrics") for name in content[record]}
    assert told <= known and ("metrics", "m.log_loss") in told
    assert set(tensors_of(content)) == {"bias", "weight"}
    sent = everything(content)
    for form in (np.float32(SECRET), np.float64(SECRET)):
        assert form.tobytes() not in sent and form.astype(form.dtype.newbyteorder()).tobytes() not in sent
    for word in (str(tmp_path), "rows", "position", "fill", "order_id", "norm", "BTC"):
        assert word.encode() not in sent


def test_no_row_leaves(tmp_path: Path) -> None:
    given = region(tmp_path, "tokyo", 1)
    sent = everything(answer(asked(), region_settings(given), softmax))
    with np.load(given["store"]) as held:
        values = held["x"].reshape(-1)
    found = [value for value in values if value.tobytes() in sent]
    assert found == []


@pytest.mark.parametrize(
    "content",
    [
        RecordDict({"config": ConfigRecord({"position": 3})}),
        RecordDict({"metrics": MetricRecord({"m.sharpe": [1.0, 2.0]})}),
        RecordDict({"rows": MetricRecord({"m.sharpe": 1.0})}),
        RecordDict({"arrays": ArrayRecord([np.zeros(3)])}),
        RecordDict({"extra": ArrayRecord([np.zeros(3)])}),
        RecordDict({"config": ConfigRecord({"region": b"bytes"})}),
    ],
)
def test_what_is_not_listed_is_named(content: RecordDict) -> None:
    assert len(unlisted_in(content, ["bias"])) == 1


def test_the_list_says_why_for_every_field() -> None:
    assert len(LEAVING) == 6 + len(FIGURES) and all(len(field.why) > 8 for field in LEAVING)


def test_what_is_personal_stays_and_is_used_again(tmp_path: Path) -> None:
    settings = region_settings(region(tmp_path, "tokyo", 1))
    answer(asked(), settings, softmax)
    kept = read_tensors(settings.state / PERSONAL_FILE)
    assert set(kept) == {"norm.scale"} and kept["norm.scale"].max() != 1.0
    seen: list[Tensors] = []

    def watched(store: Path, tensors: Tensors, config: Any, seed: int) -> Trained:
        seen.append(tensors)
        return softmax(store, tensors, config, seed)

    answer(asked(), settings, watched)
    np.testing.assert_array_equal(seen[0]["norm.scale"], kept["norm.scale"])


def test_a_personal_head_stays_where_the_region_says_so(tmp_path: Path) -> None:
    settings = region_settings(region(tmp_path, "tokyo", 1, personal="norm.,bias"))
    content = answer(asked(), settings, softmax)
    assert content["config"]["refused"] == "asked for a personal tensor"


def test_a_mistake_of_the_trainer_is_told_by_its_kind_only(tmp_path: Path) -> None:
    given = region(tmp_path, "tokyo", 1, trainer="tests.federation.trainers:broken")
    content = answer(asked(), region_settings(given))
    assert content["config"]["refused"] == "a mistake of ours: ValueError"
    assert b"60123" not in everything(content)


def test_an_empty_region_refuses(tmp_path: Path) -> None:
    content = answer(asked(), region_settings(region(tmp_path, "tokyo", 1, rows=0)), softmax)
    assert content["config"]["refused"] == "no rows"


def test_training_that_diverged_does_not_leave(tmp_path: Path) -> None:
    def diverged(store: Path, tensors: Tensors, config: Any, seed: int) -> Trained:
        return Trained({**tensors, "bias": np.full(3, np.inf, np.float32)}, 5)

    content = answer(asked(), region_settings(region(tmp_path, "tokyo", 1)), diverged)
    assert content["config"]["refused"] == "training diverged"


def test_a_tensor_that_the_trainer_forgot_is_named(tmp_path: Path) -> None:
    def short(store: Path, tensors: Tensors, config: Any, seed: int) -> Trained:
        return Trained({"weight": tensors["weight"]}, 5)

    content = answer(asked(), region_settings(region(tmp_path, "tokyo", 1)), short)
    assert content["config"]["refused"] == "the trainer gave no bias"


def test_noise_is_added_once_it_is_written_down_and_never_over_the_budget(tmp_path: Path) -> None:
    given = region(tmp_path, "tokyo", 1, clip=1.0, noise=3.0, epsilon_max=5.0)
    settings = region_settings(given)
    plain = tensors_of(answer(asked(), region_settings({**given, "noise": 0.0}), softmax))
    answers = [answer(asked(attempt), settings, softmax) for attempt in range(40)]
    spoken = [each for each in answers if "arrays" in each]
    lines = (settings.state / LEDGER_FILE).read_bytes().count(b"\n")
    assert 0 < len(spoken) == lines < 40
    assert "budget is spent" in str(answers[-1]["config"]["refused"])
    assert np.abs(tensors_of(spoken[0])["weight"] - plain["weight"]).std() > 0.5
    assert not np.array_equal(tensors_of(spoken[0])["weight"], tensors_of(spoken[1])["weight"])


def test_noise_without_a_clip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="set clip too"):
        region_settings(region(tmp_path, "tokyo", 1, noise=1.0))


def test_a_trainer_that_is_not_there_is_named(tmp_path: Path) -> None:
    given = region(tmp_path, "tokyo", 1, trainer="tests.federation.trainers:nobody")
    content = answer(asked(), region_settings(given))
    assert "there is no trainer" in str(content["config"]["refused"])


def test_a_node_that_waits_learns_once_its_region_is_due_and_knows_every_version_that_it_was_sent(
    tmp_path: Path,
) -> None:
    settings = region_settings({**region(tmp_path, "tokyo", 1), "waits": True})
    refused = answer(asked(), settings)
    assert refused.config_records["config"]["refused"] == "too few new rows"
    assert not (settings.state / PERSONAL_FILE).exists()
    assert np.array_equal(read_sent(settings.state, 0)["weight"], first_tensors()["weight"])
    (settings.state / DUE_FILE).touch()
    assert "weight" in tensors_of(answer(asked(), settings))
    assert not (settings.state / DUE_FILE).exists()


def test_only_the_newest_versions_that_came_are_kept(tmp_path: Path) -> None:
    assert newest_sent(tmp_path) == 0
    for number in range(1, 6):
        keep_sent(tmp_path, number, {"weight": np.full(3, number, np.float32)})
    assert newest_sent(tmp_path) == 5
    assert len(list((tmp_path / "sent").iterdir())) == 3
    assert read_sent(tmp_path, 5)["weight"].tolist() == [5, 5, 5]


def test_versions_of_a_line_that_began_anew_take_the_old_ones_place(tmp_path: Path) -> None:
    for number in (56, 57, 1, 2):
        keep_sent(tmp_path, number, {"w": np.full(2, number, np.float32)})
    assert newest_sent(tmp_path) == 2 and read_sent(tmp_path, 2)["w"][0] == 2
