"""The coordinator's side: our own loop in Flower's ServerApp, from the federation's folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from domain.errors import ConfigError
from federation.loop.merge import Loss
from federation.loop.version import Version, first_version
from federation.run.config import FIRST_FILE, FederationConfig, read_federation
from federation.run.flower import Context, Grid, ServerApp
from federation.run.roster import Roster
from federation.run.shell import RoundShell
from federation.run.store import VersionStore
from federation.run.tensors import Tensors, odd_tensors, read_tensors
from federation.run.trainer import named
from federation.update import Names
from hw.clock import SystemClock

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run the loop of the folder that the run config names, until it is told to stop."""
    folder = Path(str(context.run_config["federation"]))
    shell = open_shell(folder, grid)
    try:
        shell.run()
    finally:
        shell.store.close()


def open_shell(folder: Path, grid: Grid) -> RoundShell:
    """Take up a federation where its folder says that it stopped."""
    config = read_federation(folder)
    store = VersionStore(folder, kept=config.versions_kept)
    if not store.numbers():
        store.store(first_of(folder, config))
    newest = store.version(store.numbers()[-1])
    loss = holdout_of(config, folder, newest.names)
    clock = SystemClock(newest.made_ns)
    return RoundShell(config, store, grid, clock, Roster(grid, clock), loss=loss)


def first_of(folder: Path, config: FederationConfig) -> Version:
    """Make version 0 of the folder's tensors, in the order of their names: what is personal stays out."""
    tensors = read_tensors(folder / FIRST_FILE)
    shared = {name: tensors[name] for name in sorted(tensors) if not name.startswith(config.personal)}
    if not shared:
        raise ConfigError(
            "there is nothing to begin with", where=str(folder), mend=f"put tensors into {FIRST_FILE}"
        )
    if (odd := odd_tensors(shared)) is not None:
        raise ConfigError(odd, where=str(folder / FIRST_FILE), mend="begin with other tensors")
    names, arrays = tuple(shared), list(shared.values())
    loss = holdout_of(config, folder, names)
    return first_version(names, arrays, loss=None if loss is None else loss(arrays))


def holdout_of(config: FederationConfig, folder: Path, names: Names) -> Loss | None:
    """Make the loss on the coordinator's own hold-out: `module:function` gives it for a path there."""
    if not config.holdout:
        return None
    measured: Callable[[Tensors], float] = named(config.holdout, "holdout")(folder / config.holdout_path)
    return lambda arrays: measured(dict(zip(names, arrays, strict=True)))
