"""`swarm data`, as a person calls it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.cli import main
from domain.errors import ExitCode, SwarmError
from hw.clock import SystemClock
from market.history.layout import Kind, day_of
from market.history.progress import Bars, said_bytes
from market.history.query import Query
from market.history.record_cli import Chosen, chosen_venues, take_keys
from tests.market.history.dumps import klines, trades, written
from tests.market.history.market import recorded, stream

REGION = """
[[venues]]
name = "tokyo-x"
rest_url = "http://127.0.0.1:1"
stream_url = "ws://127.0.0.1:1"
api_url = "ws://127.0.0.1:1"
account = "a"
api_key_env = "DATA_TEST_KEY"
api_secret_env = "DATA_TEST_SECRET"
symbols = ["BTCUSDT", "ETHUSDT"]
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state folder with history in it."""
    recorded(tmp_path / "history", stream(400), group_rows=90, file_rows_max=20)
    return tmp_path


def swarm(state: Path, *words: str) -> int:
    """Call the command."""
    return main(["data", words[0], "--state", str(state), *words[1:]])


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """Give what was printed as JSON lines."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_there_is_is_listed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swarm(state, "ls", "--json") == ExitCode.OK
    told = lines(capsys)
    assert {(one["symbol"], one["kind"]) for one in told} == {
        (symbol, kind) for symbol in ("BTCUSDT", "ETH/USDT") for kind in ("ticks", "trades", "books")
    }
    assert sum(int(str(one["rows"])) for one in told) == 400
    assert swarm(state, "ls", "--venue", "test-x") == ExitCode.OK
    assert "ETH/USDT" in capsys.readouterr().out
    assert swarm(state, "ls", "--venue", "none") == ExitCode.OK
    assert "there is no history" in capsys.readouterr().out


def test_a_query_is_answered_as_table_json_and_csv(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = (
        "SELECT symbol, day, count(*) AS n, min(bid) AS low, sum(bid_size) AS size FROM ticks"
        " WHERE symbol = 'ETH/USDT' AND day = '2026-01-01' GROUP BY ALL"
    )
    assert swarm(state, "query", sql) == ExitCode.OK
    table = capsys.readouterr().out
    assert "ETH/USDT" in table and "2026-01-01" in table and "59999.5" in table
    assert swarm(state, "query", sql, "--json") == ExitCode.OK
    (told,) = lines(capsys)
    assert told["symbol"] == "ETH/USDT" and float(str(told["size"])) == pytest.approx(
        float(str(told["n"])) * 3e-5
    )
    assert (
        swarm(state, "query", "SELECT kind, levels FROM books ORDER BY arrival LIMIT 3", "--csv")
        == ExitCode.OK
    )
    found = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert found[0] == ["kind", "levels"] and len(found) == 4
    assert swarm(state, "query", "FROM trades", "--limit", "2") == ExitCode.OK
    assert "the first 2 rows" in capsys.readouterr().out
    assert swarm(state, "query", "DESCRIBE ticks", "--json") == ExitCode.OK
    assert "bid_ticks" in {one["column_name"] for one in lines(capsys)}


@pytest.mark.parametrize(
    "sql",
    [
        "COPY trades TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.db'",
        "SELECT 1; SELECT 2",
        "",
        "CREATE TABLE a (b INT)",
        "SELECT nothing FROM trades",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "INSTALL httpfs",
        "SET threads = 1",
        "PRAGMA enable_external_access",
    ],
)
def test_nothing_but_reading_the_history_is_allowed(
    state: Path, sql: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swarm(state, "query", sql) == ExitCode.USAGE
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("swarm: ") and told.err.count("\n") == 1


def test_a_file_that_is_damaged_ends_a_query_with_its_own_code(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next(state.rglob("trades-*.parquet"))
    path.write_bytes(path.read_bytes()[:-9])
    assert swarm(state, "query", "SELECT sum(price) FROM trades") == ExitCode.BAD_DATA
    assert path.name in capsys.readouterr().err


def test_views_without_files_are_empty_and_strange_roots_are_read(tmp_path: Path) -> None:
    root = tmp_path / "it's [odd]*"
    recorded(root, stream(50))
    with Query(root) as history:
        assert list(history.run("SELECT count(*) FROM bars")[1]) == [(0,)]
        assert list(history.run("SELECT count(*) > 0 FROM ticks")[1]) == [(True,)]
    with Query(tmp_path) as empty:
        for kind in Kind:
            names, rows = empty.run(f"SELECT * FROM {kind}")
            assert names[:4] == ["venue", "symbol", "day", "time"] and list(rows) == []


def test_a_query_of_one_day_reads_only_its_files(tmp_path: Path) -> None:
    recorded(tmp_path, stream(100))
    broken = tmp_path / "venue=test-x" / "symbol=BTCUSDT" / "day=2026-02-02" / "trades-1-2-3.parquet"
    broken.parent.mkdir()
    # Truncating the pages but not the footer: only who reads the rows would notice.
    data = bytearray(next(tmp_path.rglob("symbol=BTC*/*/trades-*.parquet")).read_bytes())
    data[4:100] = bytes(96)
    broken.write_bytes(data)
    with Query(tmp_path) as history:
        assert list(history.run("SELECT sum(price) > 0 FROM trades WHERE day = '2026-01-01'")[1]) == [(True,)]
        with pytest.raises(SwarmError):
            list(history.run("SELECT sum(price), sum(trade_id), sum(exchange_ts_ns) FROM trades")[1])


def test_files_are_imported_told_and_known_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = written(tmp_path / "BTCUSDT-trades-2025-01-01.zip", trades(3), zipped=True)
    two = written(tmp_path / "BTCUSDT-1m-2025-01.csv", klines())
    assert swarm(tmp_path, "import", "--dry-run", str(one)) == ExitCode.OK
    assert "would import: 3 trades" in capsys.readouterr().out
    assert swarm(tmp_path, "import", str(one), str(two), "--json") == ExitCode.OK
    assert [told["rows"] for told in lines(capsys)] == [{"trades": 3}, {"bars": 3}]
    assert swarm(tmp_path, "import", str(one)) == ExitCode.OK
    told = capsys.readouterr().out
    assert "known already" in told and "inferred from this file's numbers" in told
    assert swarm(tmp_path, "query", "SELECT open, quote_volume FROM bars LIMIT 1", "--csv") == ExitCode.OK
    assert capsys.readouterr().out == "open,quote_volume\n4.1507,2240.398609\n"


def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "BTCUSDT-trades-2025-01-01.csv", [*trades(2), "3,x"])
    assert swarm(tmp_path, "import", str(path)) == ExitCode.BAD_DATA
    told = capsys.readouterr().err
    assert f"{path}:3" in told and told.count("\n") == 1
    assert swarm(tmp_path, "import", str(tmp_path / "none.csv"), "--symbol", "A") == ExitCode.CONFIG


def test_fix_and_mapped_files_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.market.test_fix import SESSION

    path = tmp_path / "session.fix"
    path.write_bytes(b"noise" + SESSION)
    words = ["import", str(path), "--symbol", "BTC/USD", "--venue", "fix-x"]
    assert swarm(tmp_path, *words) == ExitCode.CONFIG
    assert "the steps of BTC/USD are not known" in capsys.readouterr().err
    assert swarm(tmp_path, *words, "--tick", "0.01", "--lot", "0.001", "--json") == ExitCode.OK
    (told,) = lines(capsys)
    assert told["rows"] == {"books": 4, "trades": 1} and "5 garbage bytes" in str(told["notes"])
    path.write_bytes(b"noise")
    assert swarm(tmp_path, *words) == ExitCode.BAD_DATA
    mapped = tmp_path / "mine.csv"
    mapped.write_text("1735689600,5,1\n")
    told_map = ("--columns", "t,p,q", "--map", "time=t:s,price=p,size=q", "--kind", "trades")
    assert swarm(tmp_path, "import", str(mapped), *told_map, "--symbol", "XRPUSDT") == ExitCode.OK


def test_upkeep_is_told(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("verify", "compact", "verify"):
        assert swarm(state, verb) == ExitCode.OK
    told = capsys.readouterr().out
    assert "400 rows: all hold" in told and "files became 6" in told
    for verb in ("verify", "compact"):
        assert swarm(state, verb, "--json") == ExitCode.OK
    assert len(lines(capsys)) == 6
    tar = str(state / "day.tar")
    assert swarm(state, "archive", tar, "--day", "2026-01-01", "--symbol", "BTCUSDT") == ExitCode.OK
    assert swarm(state, "restore", tar) == ExitCode.OK
    assert "3 were there already" in capsys.readouterr().out
    assert swarm(state, "restore", "--json", "--root", str(state / "b"), tar) == ExitCode.OK
    assert swarm(state, "archive", "--json", str(state / "c.tar"), "--day", "2026-01-01") == ExitCode.OK
    assert [one["files"] for one in lines(capsys)] == [3, 6]


def test_trouble_found_by_verify_is_the_exit_code(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(state.rglob("books-*.parquet")).write_bytes(b"")
    assert swarm(state, "verify") == ExitCode.BAD_DATA
    assert "cannot be read" in capsys.readouterr().out


def test_retain_says_first_and_removes_on_demand(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The history is of 2026-01-01: with as many days as that is ago it stays, with one less it goes.
    days = (day_of(SystemClock().now_ns()) - day_of(1_767_268_800_000_000_000)).days + 1
    assert swarm(state, "retain", "--keep-days", str(max(days, 1)), "--yes") == ExitCode.OK
    assert "removed 0 files" in capsys.readouterr().out.replace("would remove", "removed")
    if days > 1:
        assert swarm(state, "retain", "--keep-days", str(days - 1)) == ExitCode.OK
        assert "nothing was removed: say --yes" in capsys.readouterr().out
        assert swarm(state, "retain", "--keep-days", str(days - 1), "--yes", "--json") == ExitCode.OK
        assert lines(capsys)[0]["done"] is True and not list(state.rglob("*.parquet"))


@pytest.mark.parametrize("verb", ["ls", "verify", "compact"])
def test_a_history_that_is_not_there_is_said(
    tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swarm(tmp_path, verb) == ExitCode.CONFIG
    assert "there is no history" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("retain", "--keep-days", "0"),
        ("archive", "x.tar", "--day", "yesterday"),
        ("record", "--region", "tokyo", "--seconds", "nan"),
        ("record", "--region", "tokyo", "--seconds", "soon"),
        ("record",),
    ],
)
def test_wrong_words_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as told:
        swarm(tmp_path, *words)
    assert told.value.code == ExitCode.USAGE


def test_venues_to_record_are_chosen_from_a_region_file(tmp_path: Path) -> None:
    path = tmp_path / "region.toml"
    path.write_text(REGION)
    (one,) = chosen_venues(path, ["tokyo-x=127.0.0.1:9"], ["ETHUSDT"])
    assert one.symbols == ("ETHUSDT",) and one.config.rest_url == "http://127.0.0.1:9"
    assert [each.symbols for each in chosen_venues(path, [], [])] == [("BTCUSDT", "ETHUSDT")]
    with pytest.raises(SwarmError, match="other is not in the region file"):
        chosen_venues(path, ["other"], [])
    with pytest.raises(SwarmError, match="XRP is not in the region file"):
        chosen_venues(path, [], ["XRP"])
    path.write_text("venues = 3")
    with pytest.raises(SwarmError, match="its venues cannot be read"):
        chosen_venues(path, [], [])


def test_a_region_that_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert swarm(tmp_path, "record", "--region", "atlantis") == ExitCode.CONFIG
    assert "there is no region atlantis" in capsys.readouterr().err


def test_keys_that_were_made_for_simulated_venues_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    path = tmp_path / "region.toml"
    path.write_text(REGION)
    chosen: list[Chosen] = chosen_venues(path, [], [])
    keys = tmp_path / "venues.env"
    take_keys(keys, chosen)
    monkeypatch.setenv("DATA_TEST_SECRET", "mine")
    monkeypatch.delenv("DATA_TEST_KEY", raising=False)
    keys.write_text("DATA_TEST_KEY=made\nDATA_TEST_SECRET=made\n")
    take_keys(keys, chosen)
    assert (os.environ["DATA_TEST_KEY"], os.environ["DATA_TEST_SECRET"]) == ("made", "mine")
    monkeypatch.delenv("DATA_TEST_KEY")


def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", screen)
    with Bars() as bars:
        bars.bytes_of(Path("a.csv"), "reading", 5, 10)
        bars.steps_of("verify", 1, None)
    assert "a.csv: reading" in screen.getvalue()
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "stderr", quiet)
    with Bars() as bars:
        bars.steps_of("verify", 1, 2)
    assert quiet.getvalue() == ""
    assert said_bytes(5) == "5 B" and said_bytes(3e13) == "30.0 TB"


def test_the_command_line_stays_light() -> None:
    code = (
        "import sys; from deploy.cli import parser; parser();"
        "print([name for name in ('pyarrow', 'duckdb', 'numpy', 'pandas') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_recording_does_not_pull_in_what_its_node_does_not_need(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from tests.market.history.market import recorded, stream;"
        "recorded(Path(sys.argv[1]), stream(50));"
        "from market.history.history import History;"
        "print(sum(len(rows) for rows in History(Path(sys.argv[1])).rows('test-x', ('BTCUSDT',))) > 0,"
        " 'pandas' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["True", "False"]
