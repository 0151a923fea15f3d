"""A store says how its rows are labelled, and rows that are labelled otherwise never get among them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from domain.errors import ExitCode, SwarmError
from learning.rows.labelled import FILE, Labelled
from learning.rows.labels import LabelConfig
from learning.rows.row import Rows
from learning.rows.store import Store
from tests.learning.rows.builders import table

LONG = LabelConfig(horizon_s=20.0)


def rows(count: int = 6, symbol: str = "BTCUSDT") -> Rows:
    return Rows.of("tokyo-x", symbol, table(count))


def store(folder: Path, labels: LabelConfig | None = None) -> Store:
    return Store(folder, labels=labels)


def test_the_first_rows_say_how_they_are_labelled_and_who_does_not_say_labels_alike(tmp_path: Path) -> None:
    assert store(tmp_path).labelled() is None
    store(tmp_path, LONG).append(rows())
    assert store(tmp_path).labelled() == Labelled(labels=LONG)
    store(tmp_path).append(rows(3, "ETHUSDT"))
    assert len(store(tmp_path).rows().markets) == 2
    assert json.loads((tmp_path / FILE).read_text())["features"] == "f1"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (LabelConfig(), "horizon_s 20.0 and 10.0"),
        (LabelConfig(horizon_s=20, up_multiple=0.5), "up_multiple 1.0 and 0.5"),
        (LabelConfig(horizon_s=20, cost_bps=3), "cost_bps 2.0 and 3.0"),
    ],
)
def test_rows_labelled_otherwise_are_refused_by_name_and_how_to_mend(
    tmp_path: Path, other: LabelConfig, named: str
) -> None:
    store(tmp_path, LONG).append(rows())
    with pytest.raises(SwarmError, match=named) as refused:
        store(tmp_path, other).append(rows(3, "ETHUSDT"))
    assert refused.value.code == ExitCode.BAD_DATA and "move the folder away" in refused.value.mend
    assert len(store(tmp_path).rows()) == 6, "nothing was mixed"


def test_a_file_carried_over_from_another_store_is_refused(tmp_path: Path) -> None:
    store(tmp_path / "one", LONG).append(rows())
    store(tmp_path / "other").append(rows(3, "ETHUSDT"))
    (file,) = (tmp_path / "other").rglob("*.parquet")
    place = tmp_path / "one" / file.relative_to(tmp_path / "other")
    place.parent.mkdir(parents=True)
    shutil.copy(file, place)
    with pytest.raises(SwarmError, match=r"labelled otherwise than labels\.json says"):
        store(tmp_path / "one").rows()


def test_rows_that_nobody_says_the_labels_of_are_refused(tmp_path: Path) -> None:
    store(tmp_path).append(rows())
    (tmp_path / FILE).unlink()
    with pytest.raises(SwarmError, match="labelled otherwise"):
        Store(tmp_path).rows()
    with pytest.raises(SwarmError, match="does not say how its rows are labelled"):
        Store(tmp_path).append(rows(3, "ETHUSDT"))


@pytest.mark.parametrize(
    "text", ["", "{", '{"labels": {"horizon_s": -1}}', '{"labels": {"colour": 1}}', "[]"]
)
def test_a_spoilt_statement_is_refused_by_name(tmp_path: Path, text: str) -> None:
    store(tmp_path).append(rows())
    (tmp_path / FILE).write_text(text)
    for ask in (store(tmp_path).rows, lambda: store(tmp_path).append(rows(2))):
        with pytest.raises(SwarmError, match=r"labels\.json cannot be read"):
            ask()
