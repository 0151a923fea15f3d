"""Tell a SuperLink who its nodes are and what to run, by the interface of Flower's own command line."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from domain.errors import ExitCode, SwarmError
from federation.run.deployment.app_folder import LINK
from federation.run.flower import settled

with settled():
    import httpx
    from cryptography.hazmat.primitives import serialization
    from flwr.cli.build import build_fab_from_disk
    from flwr.cli.typing import SuperLinkConnection
    from flwr.cli.utils import init_http_client_from_connection
    from flwr.common.serde import fab_to_proto
    from flwr.proto.control_pb2 import ListRunsRequest, RegisterNodeRequest, StartRunRequest, StopRunRequest
    from flwr.supercore.error.base import ApiErrorCode, FlowerError
    from flwr.supercore.fab import Fab

ACTIVE = frozenset({"pending", "starting", "running"})


class Control:
    """Hold a connection to a SuperLink's control interface."""

    def __init__(self, home: Path, superlink: str, authority: Path) -> None:
        os.environ["FLWR_HOME"] = str(home)
        connection = SuperLinkConnection(LINK, superlink, str(authority))
        self._client: Any = init_http_client_from_connection(connection)

    def __enter__(self) -> Control:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def register(self, region: str, public_key: Path) -> None:
        """Let a region's key in, under the region's name; one that is in already stays."""
        key: Any = serialization.load_ssh_public_key(public_key.read_bytes())
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        try:
            self._client.RegisterNode(RegisterNodeRequest(public_key=pem, name=region))
        except httpx.HTTPStatusError as error:
            told = FlowerError.from_json(error.response.text)
            if told is None or told.code != ApiErrorCode.PUBLIC_KEY_ALREADY_IN_USE:
                raise _refused(f"{region} was not let in", error) from None

    def start_run(self, app: Path) -> int:
        """Run the app and give the run's number."""
        with settled():
            fab = build_fab_from_disk(app)
        request = StartRunRequest(fab=fab_to_proto(Fab(hashlib.sha256(fab).hexdigest(), fab, {})))
        try:
            return int(self._client.StartRun(request).run_id)
        except httpx.HTTPError as error:
            raise _refused("the run was not started", error) from None

    def active_runs(self) -> list[int]:
        """List the runs that are not over."""
        runs = self._client.ListRuns(ListRunsRequest()).run_dict.values()
        return [int(run.run_id) for run in runs if run.status.status in ACTIVE]

    def stop_run(self, run: int) -> None:
        """End a run that nobody serves any more; one that ended meanwhile is as good."""
        with contextlib.suppress(httpx.HTTPStatusError):
            self._client.StopRun(StopRunRequest(run_id=run))


def _refused(what: str, error: httpx.HTTPError) -> SwarmError:
    said = error.response.text[:200] if isinstance(error, httpx.HTTPStatusError) else str(error)
    return SwarmError(
        f"{what}: {said}",
        where="SuperLink",
        mend="see superlink.log in the state folder's logs",
        code=ExitCode.NOT_STARTED,
        retryable=True,
    )
