"""How long a running node stands still while another model takes over, beside torch loading one.

As in a running node each model is made ready beside the loop before it is set (agents/model_watch.py): what
is timed is the step in which the node reads, checks and takes it, and the record of it.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from agents.config import RegionConfig
from agents.minds import Mind
from agents.record import Recorder, recover
from benchmarks.result import Result
from bus.journal import Journal
from domain.actions import Observed
from domain.control_events import Clocked, ModelSet, NodeStarted
from domain.events import Event
from domain.instrument import Instrument
from domain.market_events import BookSnapshot, FeedUp, MarketRows, Tick
from hw.clock import perf_ns
from learning.models.mlp import Mlp
from learning.models.model import Exported
from learning.registry.blob import hash_of, write_blob
from market.rows import rows_of

CASE = "hot_swap"
BAR: dict[str, tuple[str, float]] = {"max_ms": ("<=", 10.0), "missed": ("<=", 0.0), "unequal": ("<=", 0.0)}
VENUE, MS, EVERY = "one-x", 1_000_000, 50


def region() -> RegionConfig:
    """Configure a node with one agent that trades a model's word."""
    venue = {
        "name": VENUE, "rest_url": "http://127.0.0.1:1", "stream_url": "ws://127.0.0.1:1",
        "api_url": "ws://127.0.0.1:1/ws-api/v3", "account": "a", "api_key_env": "K", "api_secret_env": "S",
        "symbols": ("BTCUSDT",),
    }  # fmt: skip
    agent = {
        "name": "learned", "shard": 1, "strategy": "learned", "venue": VENUE, "symbol": "BTCUSDT",
        "warm_ticks": 0, "parameters": {"decide_ms": 50, "features": {"warm_s": 0.0}},
    }  # fmt: skip
    told: dict[str, Any] = {
        "node": "bench-1", "region": "bench", "coordinator": {"address": "tcp://127.0.0.1:1"},
        "venues": [venue], "agents": [agent],
    }  # fmt: skip
    return RegionConfig.model_validate(told)


def versions(count: int) -> list[ModelSet]:
    """Make models that differ."""
    made = []
    for seed in range(count):
        model = Mlp({}, seed)
        norm = {"norm.mean": np.zeros(16, np.float32), "norm.scale": np.full(16, 100, np.float32)}
        blob = write_blob(Exported("mlp", {**norm, **model.layers()}, model.config.model_dump()))
        made.append(ModelSet(0, "champion", hash_of(blob), "fused", blob, 0))
    return made


class Rig:
    """A recovered node with its journal on disk, and a market that never stops."""

    def __init__(self, folder: Path) -> None:
        self.market = Instrument.of(0, VENUE, "BTC", "USDT", tick="0.01", lot="0.00001")
        self.journal = Journal.open(folder, "bench-1")
        self.recorder: Recorder = recover(self.journal, region(), (self.market,), None)[0]
        self.now_ns, self.ticks, self.seen = MS, 0, list[str]()
        side = tuple((6_000_000 - place, 1_000) for place in range(5))
        other = tuple((6_000_001 + place, 1_000) for place in range(5))
        self.step(NodeStarted(self.now_ns, "", ""))
        self.step(FeedUp(VENUE, self.now_ns))
        self.step(BookSnapshot(0, self.now_ns, self.now_ns, 1, side, other))

    def step(self, event: Event) -> int:
        """Step and record; give how long that took."""
        began_ns = perf_ns()
        actions = self.recorder.step(event)
        took_ns = perf_ns() - began_ns
        self.seen += [action.model for action in actions if isinstance(action, Observed)]
        return took_ns

    def tick(self) -> None:
        """Let the touch move."""
        self.now_ns += 10 * MS
        self.ticks += 1
        bid = 6_000_000 + self.ticks % 7
        tick = Tick(0, self.now_ns, self.now_ns, bid, 1_000, bid + 1, 1_000, self.ticks)
        self.step(MarketRows(self.now_ns, rows_of(tick)))


def ours(count: int) -> dict[str, float]:
    """Swap models while the market moves; every tick must be seen, and a replay must equal."""
    with tempfile.TemporaryDirectory() as folder:
        rig, took, models = Rig(Path(folder) / "journal"), [], versions(count)
        for model in models:
            for _ in range(EVERY):
                rig.tick()
            Mind(model)
            took.append(rig.step(msgspec.structs.replace(model, local_ts_ns=rig.now_ns)))
        for _ in range(EVERY):
            rig.tick()
        rig.step(Clocked(rig.now_ns))
        rig.journal.commit()
        node: Any = rig.recorder.core
        missed = rig.ticks + 1 - node.ticks
        served = list(dict.fromkeys(model for model in rig.seen if model))
        assert served == [model.model for model in models], "every model answered, in its turn"
        state = node.state()
        rig.journal.close()
        again = Journal.open(Path(folder) / "journal", "bench-1")
        unequal = recover(again, region(), (rig.market,), None)[0].core.state() != state
        again.close()
    p50, p99, most = np.percentile(np.array(took) / MS, (50, 99, 100))
    return {
        "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3), "max_ms": round(float(most), 3),
        "missed": float(missed), "unequal": float(unequal),
    }  # fmt: skip


def torchs(count: int) -> float:
    """Time what the usual bot does: load a state dict into a module, and ask it once."""
    import torch

    def module() -> torch.nn.Module:
        layers = [torch.nn.Linear(16, 32), torch.nn.ReLU(), torch.nn.Linear(32, 32), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers, torch.nn.Linear(32, 3), torch.nn.Softmax(-1))

    took = []
    for _ in range(count):
        file = io.BytesIO()
        torch.save(module().state_dict(), file)
        began_ns = perf_ns()
        made = module()
        made.load_state_dict(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
        with torch.inference_mode():
            made(torch.zeros(1, 16))
        took.append(perf_ns() - began_ns)
    return round(float(np.median(took)) / MS, 3)


def run(quick: bool) -> Result:
    """Measure both in this process."""
    count = 20 if quick else 200
    metrics, peer = ours(count), torchs(count)
    met = all(metrics[name] <= limit for name, (_, limit) in BAR.items())
    return Result(
        CASE,
        metrics,
        "max_ms <= 10, no tick missed, a replay of the journal equal",
        met,
        peer="torch: load_state_dict and a first answer, without hash, journal or bounds",
        peer_metrics={"p50_ms": peer},
        ratio=round(peer / metrics["p50_ms"], 2),
    )
