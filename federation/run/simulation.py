"""Flower's simulation with Ray: the same two apps, with a virtual node for each region."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from federation.run.environment import NARROW, environment
from federation.run.flower import ClientApp, Context, Grid, Message, RecordDict, ServerApp, settled
from federation.run.server import open_shell

CORES_EACH = 1


def simulate(folder: Path, regions: Mapping[str, Mapping[str, Any]]) -> None:
    """Run a federation with a virtual node for each region, each in an actor of Ray's."""
    os.environ.update({**environment(folder.absolute()), **NARROW})
    with settled():
        from flwr.simulation import run_simulation
    clients, server = client_of(regions), ServerApp()

    @server.main()
    def main(grid: Grid, context: Context) -> None:
        shell = open_shell(folder, grid)
        try:
            shell.run()
        finally:
            shell.store.close()

    resources: dict[str, dict[str, Any]] = {"client_resources": {"num_cpus": CORES_EACH, "num_gpus": 0.0}}
    run_simulation(server, clients, num_supernodes=len(regions), backend_config=resources)


def client_of(regions: Mapping[str, Mapping[str, Any]]) -> ClientApp:
    """Give our own client a region's node config by the number that the simulation gives a node."""
    from federation.run.client import app as inner

    named = dict(enumerate(regions.items()))
    outer = ClientApp()

    def settled_for(context: Context) -> Context:
        name, config = named[int(str(context.node_config["partition-id"]))]
        config = {**config, "region": name}
        return Context(context.run_id, context.node_id, config, RecordDict(), context.run_config)

    @outer.train()
    def train(message: Message, context: Context) -> Message:
        return inner(message, settled_for(context))

    @outer.train("sum")
    def take_part(message: Message, context: Context) -> Message:
        return inner(message, settled_for(context))

    @outer.query("who")
    def who(message: Message, context: Context) -> Message:
        return inner(message, settled_for(context))

    return outer
