"""A region's own folder: what is personal of its model, versions that it was sent, and whether it is due."""

from __future__ import annotations

from pathlib import Path

from federation.run.tensors import Tensors, read_tensors, write_tensors

PERSONAL_FILE, LEDGER_FILE, DUE_FILE = "personal.safetensors", "privacy.jsonl", "due"
SENT, SENT_KEPT = "sent", 3


def keep_sent(folder: Path, number: int, shared: Tensors) -> None:
    """Keep a version that came, for whoever holds it against the region's gates; the oldest go."""
    path = _path(folder, number)
    for newer in [each for each in _known(folder) if each.stem > path.stem]:  # of a line that began anew
        newer.unlink(missing_ok=True)
    if not path.exists():
        write_tensors(path, shared)
    for old in _known(folder)[:-SENT_KEPT]:
        old.unlink(missing_ok=True)


def newest_sent(folder: Path) -> int:
    """Give the number of the newest version that came; 0, the untrained one, where none did."""
    known = _known(folder)
    return int(known[-1].stem) if known else 0


def read_sent(folder: Path, number: int) -> Tensors:
    """Read what is shared of a version that came."""
    return read_tensors(_path(folder, number))


def _known(folder: Path) -> list[Path]:
    return sorted((folder / SENT).glob("*.safetensors"))


def _path(folder: Path, number: int) -> Path:
    return folder / SENT / f"{number:08d}.safetensors"
