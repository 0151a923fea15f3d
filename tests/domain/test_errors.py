"""An error is one line with a name, a mend and a number of its own."""

from __future__ import annotations

from domain.errors import ConfigError, ExitCode, JournalBroken, SwarmError


def test_every_kind_of_error_is_one_line_with_its_code() -> None:
    plain = SwarmError("it broke", where="node", mend="mend it")
    kinds = {
        plain: ExitCode.BUG,
        ConfigError("no such field", where="a.toml", mend="remove it"): ExitCode.CONFIG,
        JournalBroken("event 5", where="000001.db", mend="restore it"): ExitCode.JOURNAL_BROKEN,
    }
    for error, code in kinds.items():
        assert error.code is code and not error.retryable
        assert str(error) == f"{error.what} ({error.where}): {error.mend}"
    assert SwarmError("x", where="y", mend="z", retryable=True).retryable


def test_exit_codes_are_numbers_that_a_shell_can_give() -> None:
    assert len({int(code) for code in ExitCode}) == len(ExitCode) >= 18
    assert all(0 <= code <= 255 for code in ExitCode) and int(ExitCode.OK) == 0
