"""What a stranger tried: a zip that holds another market, old line ends, and SQL that will not end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from domain.errors import ExitCode, SwarmError
from market.history.query import Query
from tests.market.history.importing import NAME, imported, line
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
