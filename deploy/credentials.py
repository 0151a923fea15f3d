"""API keys for the simulated exchanges: made on first start, kept beside the link keys, never in a config."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from domain.errors import ExitCode, SwarmError

FILE = "venues.env"


def venue_credentials(keys: Path, names: Iterable[str]) -> dict[str, str]:
    """Give a value for every variable named; the environment wins, then the file, then a new one."""
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = keys / FILE
    kept = _read(path) if path.exists() else {}
    wanted = list(names)
    made = {name: secrets.token_hex(32) for name in wanted if name not in kept}
    if made:
        kept.update(made)
        _write(path, kept)
    return {name: os.environ.get(name) or kept[name] for name in wanted}


def _read(path: Path) -> dict[str, str]:
    if path.stat().st_mode & 0o077:
        raise _wrong(path, "can be read by others", f"chmod 600 {path}")
    pairs = {}
    # What is no text becomes a line that is refused like any other.
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        name, equals, value = line.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise _wrong(path, f"line {number} is not NAME=value", f"remove {path} to have new keys made")
        pairs[name] = value
    return pairs


def _write(path: Path, pairs: dict[str, str]) -> None:
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text("".join(f"{name}={value}\n" for name, value in sorted(pairs.items())), encoding="utf-8")
    fresh.replace(path)


def _wrong(path: Path, what: str, mend: str) -> SwarmError:
    return SwarmError(f"the key file {what}", where=str(path), mend=mend, code=ExitCode.WRONG_KEY)
