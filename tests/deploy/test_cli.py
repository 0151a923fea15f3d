import argparse
import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import cli
from domain.errors import ConfigError, ExitCode, SwarmError

ROOT = Path(__file__).parents[2]


def command_that(raises: BaseException, monkeypatch: pytest.MonkeyPatch, state: Path, **more: object) -> int:
    def run(arguments: argparse.Namespace) -> int:
        raise raises

    def parser() -> argparse.ArgumentParser:
        made = argparse.ArgumentParser()
        made.set_defaults(run=run, state=state, **more)
        return made

    monkeypatch.setattr(cli, "parser", parser)
    return cli.main([])


def test_trouble_outside_is_one_line_and_its_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    error = ConfigError("no such field: sped", where="tokyo.toml", mend="did you mean speed?")
    assert command_that(error, monkeypatch, tmp_path) == ExitCode.CONFIG
    assert capsys.readouterr().err == "swarm: no such field: sped (tokyo.toml): did you mean speed?\n"


def test_trouble_inside_a_group_of_tasks_is_told_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    inner = SwarmError("port 1 is taken", where="venue", mend="take 2", code=ExitCode.PORT_IN_USE)
    group = BaseExceptionGroup("tasks", [ExceptionGroup("more", [inner])])
    assert command_that(group, monkeypatch, tmp_path) == ExitCode.PORT_IN_USE
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), ExitCode.DISK_FULL),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), ExitCode.CONFIG),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/keys"), ExitCode.CONFIG),
        (OSError(errno.EROFS, "Read-only file system", "/x/keys"), ExitCode.CONFIG),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
    ],
)
def test_the_machine_s_own_troubles_have_numbers(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert command_that(error, monkeypatch, tmp_path) == code


def test_a_full_disk_is_named_by_the_folder_that_was_written_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    command_that(error, monkeypatch, tmp_path)
    assert f"({tmp_path})" in capsys.readouterr().err
    command_that(error, monkeypatch, tmp_path, root=tmp_path / "history")
    assert f"({tmp_path / 'history'})" in capsys.readouterr().err


def test_a_mistake_of_ours_shows_one_line_and_keeps_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    assert command_that(AssertionError("impossible"), monkeypatch, tmp_path) == ExitCode.BUG
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "impossible" in told
    assert "Traceback" in (tmp_path / "logs" / "swarm-crash.log").read_text()


def test_an_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["fly"])
    assert caught.value.code == ExitCode.USAGE


@pytest.mark.parametrize(
    "wrong",
    [
        ["up", "--seconds", "soon"],
        ["up", "--seconds", "nan"],
        ["up", "--port-base", "80"],
        ["status", "--timeout", "nan"],
        ["halt", "--timeout", "-1"],
        ["journal"],
        ["fly"],
        [],
    ],
)
def test_a_wrong_call_is_told_in_one_line(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(wrong)
    assert caught.value.code == ExitCode.USAGE
    told = capsys.readouterr().err
    assert told.startswith("swarm: ")
    assert told.endswith("--help`\n")
    assert told.count("\n") == 1


def test_a_mistake_of_ours_without_room_for_its_traceback_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "logs" / cli.CRASH).mkdir(parents=True)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "none"))
    assert command_that(AssertionError("impossible"), monkeypatch, tmp_path) == ExitCode.BUG
    assert "no room for its traceback" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    told = capsys.readouterr().out
    for command in (
        "up",
        "node",
        "coordinator",
        "venue",
        "status",
        "halt",
        "resume",
        "journal",
        "sim",
        "kernels",
    ):
        assert re.search(rf"^    {command}\b", told, re.MULTILINE)


def test_help_imports_nothing_heavy() -> None:
    code = "import sys, deploy.cli; deploy.cli.parser(); print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(told.stdout.split())
    assert not loaded & {"numpy", "numba", "torch", "mesa", "rich", "zmq", "aiohttp", "pydantic", "msgspec"}


def test_an_older_python_is_told_what_to_use() -> None:
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 2);"
        f"sys.argv = ['swarm']; runpy.run_path({str(ROOT / 'deploy' / 'cli.py')!r}, run_name='__main__')"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == ExitCode.PYTHON_TOO_OLD
    assert told.stderr.startswith("swarm: Python 3.9.2 is too old")
    assert told.stderr.count("\n") == 1


def test_the_exit_codes_are_documented() -> None:
    table = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    rows = {
        tuple(part.strip() for part in line.split("|")[1:3])
        for line in table.splitlines()
        if line.startswith("| ")
    }
    assert {(str(int(code)), code.name) for code in ExitCode} <= rows
    assert len([row for row in rows if row[0].isdigit()]) == len(ExitCode)
