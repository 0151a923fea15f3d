"""MLflow's log of trainings, where one is configured; nothing is imported or sent where none is."""

from __future__ import annotations

import os
from pathlib import Path

from domain.errors import ExitCode, SwarmError
from learning.train.config import TrainConfig
from learning.train.trainer import Trained

EXPERIMENT = "swarm"
PARAMETER_LETTERS_MAX = 500
# A folder as the store is kept on by name only; it is what needs no server. One that is away is not waited
# for by the minute.
SWITCHES = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


def tracked(config: TrainConfig, trained: Trained, version: str, report: Path | None = None) -> str:
    """Log one training where the config says, and give its run id; "" where it says nowhere."""
    if config.tracking_uri == "":
        return ""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)
    try:
        return _logged(config, trained, version, report)
    except Exception as error:  # MLflow's own, or that of one of its many stores: the version is there
        # Neither the address nor what was met is shown whole: a password may be part of both.
        where = config.tracking_uri.rpartition("@")[2]
        raise SwarmError(
            f"version {version} is kept, but MLflow did not log it: {type(error).__name__}",
            where=where,
            mend="see that it runs there and that the address is right",
            code=ExitCode.CONFIG,
        ) from error


def _logged(config: TrainConfig, trained: Trained, version: str, report: Path | None) -> str:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=config.tracking_uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    number = client.create_experiment(EXPERIMENT) if experiment is None else experiment.experiment_id
    run = client.create_run(number, run_name=version, tags={"kind": config.kind, "version": version})
    name = run.info.run_id
    settings = config.model_dump(exclude={"model", "tracking_uri"}) | trained.exported.config
    for key, value in settings.items():
        client.log_param(name, key.replace("/", "."), str(value)[:PARAMETER_LETTERS_MAX])
    for key, figure in trained.metrics.items():
        client.log_metric(name, key, figure)
    if report is not None:
        client.log_artifact(name, str(report))
    client.set_terminated(name)
    return str(name)
