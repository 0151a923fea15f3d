"""Flower's names, imported in one place: told to be quiet first, and without its own deprecations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from federation.run.environment import QUIET


@contextmanager
def settled() -> Iterator[None]:
    """Import from Flower in here: typer, which it imports, uses a name that click has deprecated."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


with settled():
    from flwr.app import (
        Array,
        ArrayRecord,
        ConfigRecord,
        ConfigRecordValues,
        Context,
        Error,
        Message,
        MessageType,
        MetricRecord,
        RecordDict,
    )
    from flwr.clientapp import ClientApp
    from flwr.proto.node_pb2 import NodeInfo
    from flwr.serverapp import Grid, ServerApp
    from flwr.supercore.run import Run
    from flwr.supercore.task_identity import TaskIdentity

__all__ = [
    "Array",
    "ArrayRecord",
    "ClientApp",
    "ConfigRecord",
    "ConfigRecordValues",
    "Context",
    "Error",
    "Grid",
    "Message",
    "MessageType",
    "MetricRecord",
    "NodeInfo",
    "RecordDict",
    "Run",
    "ServerApp",
    "TaskIdentity",
    "settled",
]
