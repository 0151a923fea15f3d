"""The public tape is made once, checked whenever it is read, and measures what is shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deploy import holdout
from deploy.holdout import LateLoss, tape, tape_loss
from domain.errors import ExitCode, SwarmError
from federation.run.config import TRAIN
from federation.run.deployment.config import HOLDOUT
from federation.run.rows_trainer import config_of
from federation.run.trainer import named
from federation.update import Update
from federation.vetting.history import History
from federation.vetting.vet import vet
from learning.models.mlp import Mlp
from learning.models.model import Tensors
from learning.rows.store import Store
from learning.train.config import TrainConfig
from learning.train.trainer import train
from tests.learning.builders import rows_with_signal

ROWS = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make one small tape for all."""
    made = tmp_path_factory.mktemp("federation") / "holdout"
    tape(made, ROWS)
    return made


def shared(tensors: Tensors) -> Tensors:
    return {name: each for name, each in tensors.items() if not name.startswith("norm.")}


def test_the_tape_is_made_once_and_stays_as_it_is(folder: Path) -> None:
    files = sorted(folder.rglob("*.parquet"))
    assert len(files) == 3 and not folder.with_name("holdout.draft").exists()
    again = tape(folder, ROWS + 1)
    assert len(again) == 3 * ROWS and sorted(folder.rglob("*.parquet")) == files
    assert len(again.markets) == 3


def test_a_draft_that_a_killed_maker_left_is_no_tape(tmp_path: Path) -> None:
    draft = tmp_path / "holdout.draft"
    draft.mkdir()
    (draft / "half").write_bytes(b"x")
    assert len(tape(tmp_path / "holdout", 12)) == 36
    assert not draft.exists()


def test_what_a_deployment_names_is_this_and_it_measures_the_shared_layers(folder: Path) -> None:
    assert named(HOLDOUT, "holdout") is tape_loss
    loss = tape_loss(folder)
    first = shared(Mlp({}, 1).layers())
    even = {name: np.zeros_like(each) for name, each in first.items()}
    assert loss(even) == pytest.approx(np.log(3), abs=1e-5)
    assert loss(even | {"norm.mean": np.full(16, 9.0, np.float32)}) == loss(even), (
        "the norm is the tape's own"
    )
    sure = even | {"l2.bias": np.array([9.0, 0.0, 0.0], np.float32)}
    assert loss(sure) > 2 * loss(even)


@pytest.mark.parametrize(("turn", "passes"), [(1.0, True), (-1.0, False)])
def test_an_update_that_learnt_the_market_passes_and_its_mirror_is_refused_by_name(
    folder: Path, turn: float, passes: bool
) -> None:
    first = shared(Mlp({}, 1).layers())
    learnt = shared(train(tape(folder), first, TrainConfig(rows_min=50), 1).exported.tensors)
    learnt["l2.weight"], learnt["l2.bias"] = 3 * turn * learnt["l2.weight"], 3 * turn * learnt["l2.bias"]
    names, loss = tuple(first), tape_loss(folder)
    base = list(first.values())
    update = Update("tokyo", "base", [learnt[name] for name in names], 100, {}, names, 0)
    found = vet(
        update, base, History(), lambda arrays: loss(dict(zip(names, arrays, strict=True))), names=names
    )
    assert (found is None) == passes
    if found is not None:
        assert found.region == "tokyo" and found.reason.startswith("hold-out loss")


@pytest.mark.parametrize(("told", "passes"), [({}, True), ({"model.line_rows": 0}, False)])
def test_a_regions_first_minute_counts_though_its_market_moved_more_than_others_do(
    folder: Path, told: dict[str, int], passes: bool
) -> None:
    rows, config = tape(folder), config_of({**TRAIN, **told})
    rows.table["label"][:60] = np.resize([0, 2], 60)
    first = Mlp(config.settings, 1).layers()
    learnt = shared(train(rows, first, config, 1).exported.tensors)
    names, loss = tuple(first), tape_loss(folder)
    update = Update("tokyo", "base", [learnt[name] for name in names], 100, {}, names, 0)
    found = vet(
        update,
        list(first.values()),
        History(),
        lambda arrays: loss(dict(zip(names, arrays, strict=True))),
        names=names,
    )
    assert (found is None) == passes


def test_a_damaged_tape_and_a_model_of_other_features_are_refused_by_name(
    tmp_path: Path, folder: Path
) -> None:
    copy = tmp_path / "holdout"
    Store(copy).append(rows_with_signal(40))
    part = next(copy.rglob("*.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:-200] + bytes(200))
    late = LateLoss(copy)
    with pytest.raises(SwarmError, match="cannot be read") as caught:
        late({})
    assert caught.value.code == ExitCode.BAD_DATA
    with pytest.raises(SwarmError, match="cannot be read"):
        late.check()
    with pytest.raises(SwarmError, match="16 features"):
        tape_loss(folder)(shared(Mlp({"inputs": 8}, 1).layers()))
    empty = tmp_path / "none"
    empty.mkdir()
    with pytest.raises(SwarmError, match="has no rows"):
        tape(empty)


def test_a_tape_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, rows: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(holdout, "_make", full)
    with pytest.raises(SwarmError, match="cannot be made"):
        LateLoss(tmp_path / "holdout")({})
