"""How long a round of three regions takes in one process: ask, train, vet, aggregate, gate, store."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.fed_world import (
    first_layers,
    flower_fields,
    grid_of,
    train_mlp,
    write_federation,
    write_regions,
)
from benchmarks.result import Result
from federation.run.flower import ArrayRecord, settled
from federation.run.messages import arrays_record
from federation.run.server import open_shell
from hw.clock import perf_ns

CASE = "fed_round"
BAR = {"round_s": ("<=", 1.0)}
ROWS = 2000


def run(quick: bool) -> Result:
    """Run rounds with ours and with Flower's FedAvg, on the same clients over the same Grid."""
    rounds = 3 if quick else 8
    with tempfile.TemporaryDirectory() as root:
        configs = write_regions(Path(root), ROWS)
        train_mlp(Path(configs["tokyo"]["store"]), first_layers(), {}, 1)  # so that torch is imported
        ours_s, first_loss, last_loss = ours(Path(root), rounds)
        flower_s = flowers(Path(root), rounds)
    return Result(
        case=CASE,
        metrics={"round_s": ours_s, "loss_before": first_loss, "loss_after": last_loss},
        bar="round of three clients <= 1 s",
        met=ours_s <= 1.0 and last_loss < first_loss,
        peer="Flower FedAvg.start over the same Grid and clients",
        peer_metrics={"round_s": flower_s},
        ratio=flower_s / ours_s,
        note=f"{ROWS} rows a region, 2 epochs of a small perceptron; ours also vets, gates and syncs to disk",
    )


def ours(root: Path, rounds: int) -> tuple[float, float, float]:
    """Give seconds a round, and the hold-out loss before and after."""
    folder = write_federation(
        root, {"epochs": 2}, versions_max=rounds + 1, loop={"deadline_min_s": 60.0, "retry_s": 0.0}
    )
    grid = grid_of(write_regions(root, ROWS))
    shell = open_shell(folder, grid)
    while shell.loop.current.number < 1:  # the first imports and compiles
        shell.turn()
    began = perf_ns()
    shell.run()
    seconds = (perf_ns() - began) / 1e9 / rounds
    grid.close()
    losses = [shell.store.version(number).loss for number in shell.store.numbers()]
    assert losses[0] is not None and losses[-1] is not None
    return seconds, losses[0], losses[-1]


def flowers(root: Path, rounds: int) -> float:
    """Give seconds a round of Flower's own loop."""
    with settled():
        from flwr.serverapp.strategy import FedAvg
    grid = grid_of(write_regions(root / "flower", ROWS))
    tensors = first_layers()
    initial: ArrayRecord = arrays_record(tuple(tensors), list(tensors.values()))
    config = flower_fields(epochs=2)
    strategy = FedAvg(fraction_evaluate=0.0, min_available_nodes=3, min_train_nodes=3)
    began = perf_ns()
    strategy.start(grid=grid, initial_arrays=initial, num_rounds=rounds, train_config=config)
    seconds = (perf_ns() - began) / 1e9 / rounds
    grid.close()
    return seconds
