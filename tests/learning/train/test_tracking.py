from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import ExitCode, SwarmError
from learning.models.model import Exported
from learning.train.config import TrainConfig
from learning.train.tracking import EXPERIMENT, tracked
from learning.train.trainer import Trained, train
from tests.learning.builders import rows_with_signal


def test_a_training_is_kept_in_the_folder_that_is_configured(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    uri = (tmp_path / "runs").as_uri()
    config = TrainConfig(kind="logistic", model={"ridge": 0.5}, tracking_uri=uri)
    trained = train(rows_with_signal(300), None, config, seed=0)
    page = tmp_path / "report.html"
    page.write_text("<p>", encoding="utf-8")
    one, two = (tracked(config, trained, version, page) for version in ("abc", "def"))
    assert one != two
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None and len(client.search_runs([experiment.experiment_id])) == 2
    run = client.get_run(one)
    assert run.info.run_name == "abc" and run.info.status == "FINISHED"
    assert run.data.params["ridge"] == "0.5" and run.data.params["cost_bps"] == "2.0"
    assert run.data.metrics["log_loss"] == trained.metrics["log_loss"]
    assert [each.path for each in client.list_artifacts(one)] == ["report.html"]


@pytest.mark.parametrize("uri", ["http://me:secret@127.0.0.1:9", "nowhere://me:secret@store"])
def test_a_log_that_cannot_be_written_is_one_line_without_its_password(uri: str) -> None:
    config = TrainConfig(kind="logistic", tracking_uri=uri)
    with pytest.raises(SwarmError, match="version abc is kept, but MLflow did not log it") as caught:
        tracked(config, Trained(Exported("logistic", {}, {}), {}), "abc")
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.where == uri.partition("@")[2] and caught.value.code == ExitCode.CONFIG


def test_nothing_is_logged_nor_imported_where_nothing_is_configured() -> None:
    code = (
        "import sys\n"
        "from learning.models.model import Exported\n"
        "from learning.train.config import TrainConfig\n"
        "from learning.train.tracking import tracked\n"
        "from learning.train.trainer import Trained\n"
        "assert tracked(TrainConfig(), Trained(Exported('mlp', {}, {}), {}), 'abc') == ''\n"
        "assert 'mlflow' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
