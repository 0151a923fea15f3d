"""Whichever byte of a registry's files a bad disk changes, it is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from domain.errors import SwarmError
from learning.registry.registry import Registry
from tests.learning.registry.versions import champions, exported, manifest, registry


@pytest.fixture
def made(tmp_path: Path) -> Registry:
    kept = registry(tmp_path)
    champions(kept, 1, 2)
    kept.promote(kept.put(exported(3), manifest()), "canary")
    return kept


@pytest.mark.parametrize("bit", [0x01, 0x10, 0x80])
def test_a_flipped_bit_is_refused_wherever_it_is(made: Registry, bit: int) -> None:
    champion = made.pointer().champion
    asked: dict[Path, Callable[[], object]] = {
        made.folder / "pointer.json": made.pointer,
        made.folder / "history.jsonl": made.states,
        made.folder / f"blobs/{champion}.safetensors": lambda: made.get(champion),
        made.folder / f"manifests/{champion}.json": lambda: made.show(champion),
    }
    for path, ask in asked.items():
        whole, before = path.read_bytes(), ask()
        for place in range(0, len(whole), 1 if path.name == "pointer.json" else 13):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            # What means the same may be read, as 1E1 for 1e1.
            told: object = before
            with suppress(SwarmError):
                told = ask()
            assert told == before, (path.name, place)
        path.write_bytes(whole)
        assert path.suffix == ".safetensors" or ask() == before
