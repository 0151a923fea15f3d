"""Run a peer with the python of the environment that `make bench-peers` makes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENVIRONMENT = ROOT / ".venv-peers"
SECONDS_MAX = 300


def measured(module: str, package: str, *arguments: str) -> tuple[dict[str, Any], str]:
    """Give what a peer printed and a note; nothing, and why, where it was left out."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        return {}, f"peer {package} left out: run `make bench-peers`"
    command = [str(python), "-m", f"benchmarks.apart.{module}", *arguments]
    try:
        child = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS_MAX, check=True
        )
        found: dict[str, Any] = json.loads(child.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as trouble:
        return {}, f"peer {package} left out: it failed ({type(trouble).__name__}), see `make bench-peers`"
    return found, f"peer {package} {found['version']} ran apart"
