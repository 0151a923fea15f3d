"""What Flower's command line reads: an app of two lines that points here, and where the SuperLink is."""

from __future__ import annotations

import json
from pathlib import Path

APP, LINK = "app", "swarm"

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "swarm-federation"
version = "1.0.0"
description = "Train together"
license = "Apache-2.0"
dependencies = ["flwr"]

[tool.flwr.app]
publisher = "murmuration"

[tool.flwr.app.components]
serverapp = "swarm_federation.apps:server"
clientapp = "swarm_federation.apps:client"

[tool.flwr.app.config]
federation = {federation}
"""
_APPS = '''\
"""Both sides of the federation, as installed on this machine."""

from federation.run.client import app as client
from federation.run.server import app as server

__all__ = ["client", "server"]
'''


def write_app(state: Path, federation: Path) -> Path:
    """Write the app's folder; what is trained with is installed, not sent."""
    folder = state / APP
    package = folder / "swarm_federation"
    package.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(_PROJECT.format(federation=json.dumps(str(federation))))
    (package / "__init__.py").write_text('"""Train together."""\n')
    (package / "apps.py").write_text(_APPS)
    return folder


def write_link(home: Path, superlink: str, authority: Path) -> None:
    """Tell Flower's command line where the SuperLink is and whose certificate to believe."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "{LINK}"\n\n[superlink.{LINK}]\naddress = "{superlink}"\n'
        f"root-certificates = {json.dumps(str(authority))}\n"
    )
