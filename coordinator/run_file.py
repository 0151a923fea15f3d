"""`<state>/run.json`: where the running swarm can be found."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from domain.errors import ExitCode, SwarmError


def note_address(state: Path, address: str) -> None:
    """Write the coordinator's address, unless the supervisor has; what else is in the file stays."""
    content = _content(state)
    if content.get("coordinator") == address:
        return
    path = state / "run.json"
    draft = path.with_name(f".run.json.{os.getpid()}")
    draft.write_text(json.dumps({**content, "coordinator": address}))
    draft.replace(path)


def coordinator_address(state: Path) -> str:
    """Give the coordinator's address; no file means that nothing runs."""
    address = _content(state).get("coordinator")
    if not isinstance(address, str):
        raise not_running(str(state / "run.json"))
    return address


def not_running(where: str) -> SwarmError:
    """Say that no coordinator answers."""
    return SwarmError(
        "no coordinator is running",
        where=where,
        mend="start one with `swarm up` or `swarm coordinator`, or give --state or --coordinator",
        code=ExitCode.NOT_RUNNING,
    )


def _content(state: Path) -> dict[str, Any]:
    try:
        content = json.loads((state / "run.json").read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
