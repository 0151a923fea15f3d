"""What a SuperLink is told: keys under their regions' names, once, and one run at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.errors import SwarmError
from federation.run.deployment import control
from federation.run.deployment.app_folder import write_app, write_link
from federation.run.deployment.credentials import ensure_authority, ensure_node_key
from federation.run.flower import settled

with settled():
    import httpx
    from flwr.proto.control_pb2 import ListRunsResponse, StartRunResponse
    from flwr.proto.run_pb2 import Run, RunStatus


class FakeLink:
    """Answer as a SuperLink does."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.trouble = ""

    def RegisterNode(self, request: Any) -> None:
        self.seen.append(request)
        self._maybe_fail()

    def StartRun(self, request: Any) -> Any:
        self.seen.append(request)
        self._maybe_fail()
        return StartRunResponse(run_id=42)

    def ListRuns(self, request: Any) -> Any:
        running = Run(run_id=7, status=RunStatus(status="running"))
        return ListRunsResponse(run_dict={7: running, 8: Run(run_id=8, status=RunStatus(status="finished"))})

    def StopRun(self, request: Any) -> None:
        self.seen.append(request)
        self._maybe_fail()

    def close(self) -> None:
        self.seen.append("closed")

    def _maybe_fail(self) -> None:
        if self.trouble:
            request = httpx.Request("POST", "https://127.0.0.1")
            response = httpx.Response(409, text=self.trouble, request=request)
            raise httpx.HTTPStatusError("no", request=request, response=response)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> FakeLink:
    fake = FakeLink()
    monkeypatch.setattr(control, "init_http_client_from_connection", lambda connection: fake)
    monkeypatch.setenv("FLWR_HOME", "somewhere")
    return fake


def test_nodes_runs_and_their_ends_are_told(tmp_path: Path, link: FakeLink) -> None:
    ensure_authority(tmp_path, ["127.0.0.1"], 1_800_000_000 * 10**9)
    ensure_node_key(tmp_path, "tokyo")
    write_link(tmp_path / "home", "127.0.0.1:7", tmp_path / "ca.crt")
    app = write_app(tmp_path, tmp_path / "federation")
    with control.Control(tmp_path / "home", "127.0.0.1:7", tmp_path / "ca.crt") as mine:
        mine.register("tokyo", tmp_path / "tokyo.pub")
        assert mine.start_run(app) == 42 and mine.active_runs() == [7]
        mine.stop_run(7)
    registered, started, stopped, closed = link.seen
    assert registered.name == "tokyo" and registered.public_key.startswith(b"-----BEGIN PUBLIC KEY")
    assert len(started.fab.content) > 200 and stopped.run_id == 7 and closed == "closed"


def test_trouble_is_told_except_where_it_changes_nothing(tmp_path: Path, link: FakeLink) -> None:
    ensure_node_key(tmp_path, "tokyo")
    mine = control.Control(tmp_path, "127.0.0.1:7", tmp_path / "ca.crt")
    link.trouble = "full"
    with pytest.raises(SwarmError, match="tokyo was not let in: full"):
        mine.register("tokyo", tmp_path / "tokyo.pub")
    with pytest.raises(SwarmError, match="the run was not started"):
        mine.start_run(write_app(tmp_path, tmp_path))
    mine.stop_run(7)
