"""CURVE key pairs as files.

`<state>/keys/` (mode 0700) holds for every name `NAME.key` (the secret, mode 0600) and `NAME.pub` (the public
key), each one line of 40 Z85 characters. Names are `coordinator`, `operator` and each node's own name.

A coordinator lets in exactly the peers whose `NAME.pub` lies in its own folder, and calls them NAME.
To run a node on another machine copy three files there: `NAME.key`, `NAME.pub` and `coordinator.pub`; an
operator's desk likewise needs `operator.key`, `operator.pub` and `coordinator.pub`. No other secret ever has
to leave a machine.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from domain.errors import ExitCode, SwarmError

_Z85 = re.compile(rb"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
COORDINATOR = "coordinator"
OPERATOR = "operator"


@dataclass(frozen=True)
class KeyPair:
    """Hold one peer's keys in Z85."""

    name: str
    public: bytes
    secret: bytes = field(repr=False)


def keys_folder(state: Path) -> Path:
    """Give the folder of keys in a state folder."""
    return state / "keys"


def ensure_keys(state: Path, name: str) -> KeyPair:
    """Load a key pair, making it on the first start."""
    assert _NAME.fullmatch(name), name
    folder = keys_folder(state)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (folder / f"{name}.key").exists():
        public, secret = zmq.curve_keypair()
        if _write_new(folder / f"{name}.key", secret, 0o600):
            _replace(folder / f"{name}.pub", public, 0o644)
    return load_keys(state, name)


def load_keys(state: Path, name: str) -> KeyPair:
    """Load a key pair that must be there, unreadable to others, and match its public file."""
    folder = keys_folder(state)
    path = folder / f"{name}.key"
    _refuse_readable_by_others(folder, 0o022, "chmod 700")
    secret = _read(path)
    _refuse_readable_by_others(path, 0o077, "chmod 600")
    public = bytes(zmq.curve_public(secret))
    if not (folder / f"{name}.pub").exists():
        # Killed between the two files, or copied without its public half, which follows from the secret.
        _replace(folder / f"{name}.pub", public, 0o644)
    if _read(folder / f"{name}.pub") != public:
        raise _wrong(
            f"{name}.pub does not belong to {name}.key",
            folder,
            "copy both files from one place, or remove both",
        )
    return KeyPair(name, public, secret)


def load_public(state: Path, name: str) -> bytes:
    """Load another peer's public key."""
    return _read(keys_folder(state) / f"{name}.pub")


def known_keys(state: Path) -> dict[bytes, str]:
    """Read every public key in the folder, as key → name; files that hold no key are passed over."""
    known: dict[bytes, str] = {}
    for path in sorted(keys_folder(state).glob("*.pub")):
        with suppress(SwarmError):
            known[_read(path)] = path.stem
    return known


def _read(path: Path) -> bytes:
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError as error:
        mend = "copy it from the machine that made it, or start that peer once on this state folder"
        raise _wrong("key file is missing", path, mend) from error
    except OSError as error:
        raise _wrong(f"key file cannot be read: {error.strerror}", path, "give it to this user") from error
    if not _Z85.fullmatch(text):
        raise _wrong("key file does not hold one Z85 key", path, "copy it again, or remove it and start anew")
    return text


def _refuse_readable_by_others(path: Path, forbidden: int, mend: str) -> None:
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode & 0o777
        if mode & forbidden:
            raise _wrong(f"mode {mode:04o} lets others at a secret key", path, f"{mend} {path}")


def _write_new(path: Path, text: bytes, mode: int) -> bool:
    """Write a file that nobody made before us; a link keeps two first starts from mixing their keys."""
    draft = _draft(path, text, mode)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _replace(path: Path, text: bytes, mode: int) -> None:
    os.replace(_draft(path, text, mode), path)


def _draft(path: Path, text: bytes, mode: int) -> Path:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(text + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def _wrong(what: str, where: Path, mend: str) -> SwarmError:
    return SwarmError(what, where=str(where), mend=mend, code=ExitCode.WRONG_KEY)
