"""Who comes second is told who was first; whoever is gone holds nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bus.owned_file import owned
from domain.errors import ExitCode, SwarmError


def test_a_file_has_one_owner_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = owned(path, "it is held by", tmp_path, "wait")
    with pytest.raises(SwarmError, match=f"it is held by process {os.getpid()}") as told:
        owned(path, "it is held by", tmp_path, "wait")
    assert (told.value.code, told.value.mend) == (ExitCode.STATE_IN_USE, "wait")
    os.close(first)
    os.close(owned(path, "it is held by", tmp_path, "wait"))
    assert path.read_text() == str(os.getpid())
