"""What a learner must not forget, beside the pointer: rows taken, the comparison so far, its schedules.

One file that is replaced whole: what a row did to the comparison, and that it was taken, are there together
or not at all. Who only looks (`swarm models ab`) reads it here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from learning.registry.blob import refused
from learning.registry.files import nothing, replace
from learning.registry.pointer import Pointer
from learning.registry.sequential import Comparison, SequentialConfig

FILE, FORMAT, HASH_BYTES = "learner.msgpack", 1, 16
AGENTS_MAX = 1_000
MEND = "move it away: schedule and comparison begin anew, versions are not touched"


class Rules(msgspec.Struct, frozen=True):
    """How a comparison is decided: outcomes are cut off at `limit_bps`, a canary may be `less_bps` worse."""

    limit_bps: float = 10.0
    alpha: float = 0.05
    pairs_min: int = 100
    less_bps: float = 1.0

    @property
    def outcomes(self) -> SequentialConfig:
        """Give the comparison's own config."""
        return SequentialConfig(limit_bps=self.limit_bps, alpha=self.alpha)


class Memory(msgspec.Struct):
    """Everything that a learner's restart needs of one region."""

    seen_ns: int = 0
    taken: list[tuple[int, int]] = []
    canary: str = ""
    champion: str = ""
    comparison: bytes = b""
    rules: Rules = Rules()
    agents: dict[str, list[int]] = {}
    serving: str = ""
    errors: list[float] = []
    ratios: list[float] = []
    together: bytes = b""
    alone: bytes = b""
    format: int = FORMAT

    def seen(self, model: str, shard: int) -> None:
        """Take note that a model answered an agent."""
        agents = self.agents.setdefault(model, [])
        if shard not in agents and len(agents) < AGENTS_MAX:
            agents.append(shard)


def read_memory(folder: Path) -> Memory:
    """Read what was kept; refuse by name what is damaged or of another format."""
    file = folder / FILE
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return Memory()
    content = text[HASH_BYTES:]
    if _hash(content) != text[:HASH_BYTES]:
        raise refused("damaged", MEND, str(file))
    try:
        known = msgspec.msgpack.decode(content, type=_Format).format
        if known != FORMAT:
            raise refused(f"written in format {known}, not {FORMAT}", MEND, str(file))
        return msgspec.msgpack.decode(content, type=Memory)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused(f"corrupt: {error}", MEND, str(file)) from error


def write_memory(folder: Path, memory: Memory) -> None:
    """Replace what was kept."""
    folder.mkdir(parents=True, exist_ok=True)
    content = msgspec.msgpack.encode(memory)
    replace(folder / FILE, _hash(content) + content, nothing, "learner")


def trial(folder: Path, pointer: Pointer) -> dict[str, Any] | None:
    """Tell how the canary does beside the champion; nothing where no canary is tried."""
    if pointer.canary == "":
        return None
    memory = read_memory(folder)
    same = (memory.canary, memory.champion) == (pointer.canary, pointer.champion)
    comparison = Comparison(memory.rules.outcomes, memory.comparison if same else b"")
    low, high = comparison.interval
    known = comparison.pairs > 0
    return {
        "champion": pointer.champion,
        "canary": pointer.canary,
        "canary_ppm": pointer.canary_ppm,
        "agents": {
            arm: len(memory.agents.get(model, [])) if same else 0
            for arm, model in (("champion", pointer.champion), ("canary", pointer.canary))
        },
        "pairs": comparison.pairs,
        "low_bps": low if known else None,
        "high_bps": high if known else None,
        "verdict": comparison.verdict,
        "promoted": {"pairs": memory.rules.pairs_min, "low_bps": -memory.rules.less_bps},
    }


class _Format(msgspec.Struct):
    format: int = 0


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()
