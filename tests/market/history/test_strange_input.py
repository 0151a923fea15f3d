"""What a stranger tried: a zip that holds another market, old line ends, and SQL that will not end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import ExitCode, SwarmError
from market.history import query
from market.history.history import History
from market.history.query import Query
from market.history.steps import Steps
from market.pipeline import Pipeline
from tests.market.history.importing import NAME, files, imported, line
from tests.market.test_fix import full
from tests.test_examples import ROOT


def test_a_zip_of_another_market_is_refused(tmp_path: Path) -> None:
    inner = NAME.replace("BTCUSDT", "ETHUSDT") + ".csv"
    path = tmp_path / f"{NAME}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(inner, line(1) + "\n")
    with pytest.raises(SwarmError, match=f"the zip's own file is {inner}") as told:
        imported(tmp_path, path)
    assert told.value.code == ExitCode.BAD_DATA


def test_old_line_ends_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.csv"
    path.write_bytes(line(1).encode() + b"\r" + line(2).encode() + b"\r")
    with pytest.raises(SwarmError) as told:
        imported(tmp_path, path)
    assert told.value.code == ExitCode.BAD_DATA and "\n" not in str(told.value)


def test_a_time_with_a_zone_is_refused_in_words(tmp_path: Path) -> None:
    with Query(tmp_path) as history, pytest.raises(SwarmError) as told:
        list(history.run("select now()")[1])
    assert "Traceback" not in str(told.value)


def test_a_query_without_end_ends_with_ctrl_c(tmp_path: Path) -> None:
    sql = "with recursive t(a) as (select 1 union all select a + 1 from t) select count(*) from t"
    command = [sys.executable, "-m", "deploy.cli", "data", "query", "--root", str(tmp_path), sql]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        time.sleep(3)  # there is nothing to see while it works; a signal before it worked ends it as well
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (lambda data: data.replace(b"100.0", b"200.0", 1), "wrong checksum"),
        (lambda data: data.replace(b"\x019=", b"\x019=1", 1), "wrong length"),
        (lambda data: full(9, ("0", "100.0", "1")) + data, "out of order"),
    ],
)
def test_a_damaged_fix_file_is_refused_whole(
    tmp_path: Path, damage: Callable[[bytes], bytes], what: str
) -> None:
    path = tmp_path / "session.fix"
    whole = full(1, ("0", "100.0", "1"), ("1", "101.0", "1")) + b"\n" + full(2, ("0", "100.5", "1"))
    steps = Steps("0.1", "0.001", "BTC", "USD", None)
    path.write_bytes(b"\n\n" + damage(whole))
    with pytest.raises(SwarmError, match=what) as told:
        imported(tmp_path, path, symbol="BTC/USD", format="fix", steps=steps)
    assert told.value.code == ExitCode.BAD_DATA and files(tmp_path) == []
    assert "session.fix:3" in str(told.value)


@pytest.mark.parametrize("separator", ["|", "^", ";"])
def test_fields_of_fix_separated_by_something_else_are_named_as_that(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "session.fix"
    steps = Steps("0.1", "0.001", "BTC", "USD", None)
    path.write_bytes(full(1, ("0", "100.0", "1")).replace(b"\x01", separator.encode()))
    with pytest.raises(SwarmError, match="separates its fields, not the byte 1") as told:
        imported(tmp_path, path, symbol="BTC/USD", format="fix", steps=steps)
    assert told.value.code == ExitCode.BAD_DATA and repr(separator) in str(told.value)


def test_a_crossed_fix_book_is_marked_and_stale_in_a_replay(tmp_path: Path) -> None:
    path = tmp_path / "session.fix"
    path.write_bytes(full(1, ("0", "100.0", "1"), ("1", "99.0", "1")))
    result = imported(
        tmp_path, path, symbol="BTC/USD", format="fix", steps=Steps("0.1", "0.001", "BTC", "USD", None)
    )
    assert "1 crossed books" in result.notes
    history = History(tmp_path / "history")
    market = history.instrument(result.venue, result.symbol)
    pipeline = Pipeline([market])
    pipeline.feed_up(market.venue, 0)
    for rows in history.rows(market.venue, [market.symbol]):
        pipeline.advance(rows, 0, len(rows))
    assert pipeline.book(0).stale


def test_a_question_has_a_bound_of_time_and_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = "with recursive t(a) as (select 1 union all select a + 1 from t) select count(*) from t"
    with Query(tmp_path, 0.1) as history, pytest.raises(SwarmError, match=r"no answer within 0.1 s") as told:
        history.run(endless)
    assert told.value.code == ExitCode.USAGE
    monkeypatch.setattr(query, "MEMORY_MB_MAX", 20)
    with Query(tmp_path) as history, pytest.raises(SwarmError, match="more than 20 MB") as told:
        list(history.run("select list(a) from range(20000000) t(a)")[1])
    assert told.value.code == ExitCode.USAGE
