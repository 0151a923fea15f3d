"""The processes of a deployed federation: what each is started with, and how it shows that it is ready."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domain.draws import stream_seed
from domain.errors import ConfigError
from federation.run.config import CONFIG_FILE, FIRST_FILE, Scalar
from federation.run.deployment.app_folder import write_app, write_link
from federation.run.deployment.config import DeploymentConfig
from federation.run.deployment.credentials import ensure_authority, ensure_node_key, ensure_trusted
from federation.run.environment import environment
from federation.run.store import write_durably
from federation.run.tensors import odd_tensors, tensors_in

SUPERLINK, JOINED_CA = "superlink", "superlink-ca.crt"
SIZES = (16, 32, 32, 3)


@dataclass(frozen=True)
class Planned:
    """One process: its command line, environment and log; ready when a URL answers or its log has a word."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready_url: str = ""
    ready_word: str = ""


@dataclass(frozen=True)
class Deployment:
    """Name the folders and processes of a federation on this machine."""

    state: Path
    config: DeploymentConfig

    @property
    def root(self) -> Path:
        """Give the folder that all of this lies in."""
        return self.state / "federation"

    @property
    def keys(self) -> Path:
        """Give the folder of certificates and node keys."""
        return self.root / "keys"

    @property
    def home(self) -> Path:
        """Give Flower's own folder."""
        return self.root / "flower"

    @property
    def app(self) -> Path:
        """Give the app's folder."""
        return self.root / "app"

    @property
    def superlink(self) -> str:
        """Give the SuperLink that the nodes join."""
        return self.config.superlink or f"{self.config.local}:{self.config.port}"

    @property
    def trusted(self) -> Path:
        """Give the certificate by which nodes know their SuperLink."""
        return self.keys / (JOINED_CA if self.config.superlink else "ca.crt")

    def prepare(self, now_ns: int) -> str | None:
        """Write keys, certificates, config and the app; what is there already stays.

        What was wrong with certificates that had to be made anew is given.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        hosts = [self.config.local, "localhost", *self.config.names]
        shared = not self.config.superlink and len(self.config.here) < len(self.config.regions)
        renewed = ensure_authority(self.keys, hosts, now_ns, shared=shared)
        for region in self.config.here:
            ensure_node_key(self.keys, region)
        if self.config.superlink:
            ensure_trusted(self.trusted, now_ns)
            return renewed
        write_durably(self.root / CONFIG_FILE, self.config.federation.model_dump_json().encode())
        first = self.root / FIRST_FILE
        if not first.exists():
            given = self.config.first
            write_durably(first, _beginning() if given is None else _first_of(self.state / given))
        write_app(self.root, self.root)
        write_link(self.home, self.superlink, self.keys / "ca.crt")
        return renewed

    def processes(self) -> list[Planned]:
        """List the processes in the order in which they start."""
        links = [] if self.config.superlink else [self._superlink()]
        return [*links, *(self._node(name, port) for port, name in enumerate(self.config.here, self._first))]

    @property
    def _first(self) -> int:
        """Give the first node's own port."""
        return self.config.port + (0 if self.config.superlink else 1)

    def ports(self) -> list[tuple[str, int]]:
        """List every port that must be free."""
        links = [] if self.config.superlink else [(SUPERLINK, self.config.port)]
        return [*links, *((f"node {name}", port) for port, name in enumerate(self.config.here, self._first))]

    def _superlink(self) -> Planned:
        return Planned(
            SUPERLINK,
            (
                _script("flower-superlink"),
                *self._tls(),
                "--enable-supernode-auth",
                "--disable-runtime-dependency-installation",
                *("--database", str(self.root / "superlink.db")),
                *("--host", self.config.host, "--port", str(self.config.port)),
            ),
            self._environment(),
            self.state / "logs" / "federation-superlink.log",
            ready_url=f"https://{self.superlink}/health",
        )

    def settings_of(self, name: str) -> dict[str, Scalar]:
        """Give what a region's node is told: its paths, its trainer and its bounds."""
        region = self.config.regions[name]
        return {
            "store": str(self.state / region.store),
            "state": str(self.root / "regions" / name),
            "trainer": region.trainer,
            "personal": ",".join(self.config.federation.personal),
            "secure": self.config.federation.secure,
            **region.settings,
            "region": name,
        }

    def _node(self, name: str, port: int) -> Planned:
        given = self.settings_of(name)
        return Planned(
            name,
            (
                _script("flower-supernode"),
                *("--superlink", self.superlink),
                *("--root-certificates", str(self.trusted)),
                *("--auth-supernode-private-key", str(self.keys / name)),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--node-config", " ".join(f"{key}={_toml(value)}" for key, value in given.items())),
                *self._tls(),
            ),
            self._environment(),
            self.state / "logs" / f"federation-{name}.log",
            ready_word="SuperNode ID",
        )

    def _tls(self) -> tuple[str, ...]:
        named = {"--ssl-ca-certfile": "ca.crt", "--ssl-certfile": "server.crt", "--ssl-keyfile": "server.key"}
        return tuple(part for option, file in named.items() for part in (option, str(self.keys / file)))

    def _environment(self) -> dict[str, str]:
        """Let Flower's own sub-processes find the scripts beside this interpreter, and these packages."""
        paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        return {
            **os.environ,
            **environment(self.root),
            "PATH": paths,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "FLWR_SUPEREXEC_TASK_POLL_INTERVAL": str(self.config.poll_s),
        }


def read_named(path: Path, what: str) -> bytes:
    """Read a file that somebody named."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{what} cannot be read: {error.strerror}", where=str(path), mend="name a file that is there"
        ) from None


def _first_of(path: Path) -> bytes:
    """Read what a line is to begin with, which every region must be able to learn from."""
    data = read_named(path, "first")
    mend = "name a safetensors file of finite floats"
    if (odd := odd_tensors(tensors_in(data, path, mend))) is not None:
        raise ConfigError(odd, where=str(path), mend=mend)
    return data


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _beginning() -> bytes:
    """Draw the layers of a perceptron that nobody has trained yet; the norm is each region's own."""
    from safetensors.numpy import save

    from learning.models.layers import shapes_of

    draws, tensors = np.random.default_rng(stream_seed(1, "federation", "first")), {}
    for name, shape in shapes_of(SIZES).items():
        if name.endswith("weight"):
            bound = 1 / np.sqrt(shape[1])
            tensors[name] = draws.uniform(-bound, bound, shape).astype(np.float32)
        elif name.endswith("bias"):
            tensors[name] = np.zeros(shape, np.float32)
    return save(tensors)
