"""What the screen says of learning is what the registries, the rows and the versions say."""

from pathlib import Path

import msgspec
import numpy as np

from deploy.learnt import GATHERED, Learnt, lines
from domain.report import Learning
from federation.run.region_folder import keep_sent
from learning.places import models_root, rows_root
from learning.registry.gates import OFFLINE
from learning.registry.manifest import Gate, Manifest
from learning.registry.registry import Registry
from learning.registry.standing import CANARY, CHAMPION
from learning.train.config import TrainConfig
from learning.train.trainer import train
from tests.learning.builders import rows_with_signal

S = 10**9


def judged(registry: Registry, seed: int, passed: bool) -> str:
    exported = train(rows_with_signal(300, seed), None, TrainConfig(kind="logistic"), seed).exported
    model = registry.put(exported, Manifest("", "logistic", "federation", 1))
    registry.judge(
        model, [Gate(name, passed or name != "baselines", 1.25, 1.0, "log-loss") for name in OFFLINE]
    )
    return model


def told(learning: Learning, now_ns: int) -> str:
    return "\n".join(text.plain for text in lines(learning, now_ns))


def test_before_anything_was_learnt_there_is_nothing_to_tell(tmp_path: Path) -> None:
    learning = Learnt(tmp_path, ["tokyo"], 0).look()
    assert learning.version == learning.made == 0
    assert told(learning, 5 * S) == "learning: no version yet\n  tokyo: 0 rows"


def test_versions_champion_canary_and_the_last_refusal_are_told_and_only_this_runs_are_counted(
    tmp_path: Path,
) -> None:
    now = [10 * S]
    registry = Registry(models_root(tmp_path) / "tokyo", now_ns=lambda: now[0])
    keep_sent(tmp_path / "federation" / "regions" / "tokyo", 4, {"weight": np.ones(2, np.float32)})
    before = judged(registry, 1, passed=True)
    registry.promote(before, CHAMPION)
    learnt = Learnt(tmp_path, ["tokyo", "nyc"], 20 * S)
    now[0] = 30 * S
    wrong, canary = judged(registry, 2, passed=False), judged(registry, 3, passed=True)
    registry.promote(canary, CANARY, share_ppm=250_000)
    keep_sent(tmp_path / "federation" / "regions" / "nyc", 6, {"weight": np.ones(2, np.float32)})
    path = rows_root(tmp_path) / "tokyo" / GATHERED
    path.parent.mkdir(parents=True)
    path.write_bytes(msgspec.msgpack.encode({"sequence": 9, "finished": 321}))
    learning = learnt.look()
    tokyo = learning.regions["tokyo"]
    assert (learning.version, learning.made, tokyo.rows) == (6, 2, 321)
    assert (tokyo.champion, tokyo.champion_since_ns, tokyo.canary) == (before, 10 * S, canary)
    assert (tokyo.judged, tokyo.promoted) == (2, 1)
    shown = told(learning, 70 * S)
    assert f"tokyo: 321 rows, champion {before[:6]} for 60 s, canary {canary[:6]} for 0.25 of agents" in shown
    assert f"1 of 2 let in, last refused {wrong[:6]} baselines: log-loss: 1.25, limit 1" in shown
    assert "learning: version 6, 2 made in this run" in shown
    (tmp_path / "models" / "tokyo" / "pointer.json").write_text("{")
    assert learnt.look().regions["tokyo"].champion == before, "what cannot be read is left as it was"
