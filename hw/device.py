"""What this machine has, and which of its cores we run on."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from domain.errors import ConfigError

_PROC = Path("/proc")
# How long a thread may keep the lock from one that waits for it: a commit must not hold up a tick.
LOCK_S_MAX = 0.0005


@dataclass(frozen=True)
class Device:
    """Describe the machine; `gpu` is the driver's word, `None` where there is no driver."""

    cpu_model: str
    cores: tuple[int, ...]
    memory_bytes: int
    gpu: str | None
    nvidia_smi: bool
    torch_installed: bool


def probe(proc: Path = _PROC) -> Device:
    """Look at the machine without importing anything heavy."""
    return Device(
        cpu_model=_field(proc / "cpuinfo", "model name") or "unknown",
        cores=tuple(sorted(os.sched_getaffinity(0))),
        memory_bytes=int((_field(proc / "meminfo", "MemTotal") or "0 kB").split()[0]) * 1024,
        gpu=_field(proc / "driver/nvidia/version", "NVRM version"),
        nvidia_smi=shutil.which("nvidia-smi") is not None,
        torch_installed=importlib.util.find_spec("torch") is not None,
    )


def cuda_usable() -> bool:
    """Tell whether torch can compute on a GPU here; imports torch only where a driver is."""
    if not (_PROC / "driver/nvidia/version").exists() or importlib.util.find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())


def pin(cores: tuple[int, ...]) -> None:
    """Run this process on these cores alone."""
    allowed = os.sched_getaffinity(0)
    missing = sorted(set(cores) - allowed)
    if not cores or missing:
        raise ConfigError(
            f"cores {list(missing or cores)} cannot be pinned to",
            where="cores",
            mend=f"choose from {sorted(allowed)}, or leave the setting out",
        )
    os.sched_setaffinity(0, cores)


def put_first(priority: int) -> None:
    """Run this thread before all usual ones (SCHED_FIFO); threads and processes it makes stay usual."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(priority))
    except OSError as trouble:
        raise ConfigError(
            f"the priority {priority} is not to be had: {trouble.strerror}",
            where="hot.priority",
            mend="grant CAP_SYS_NICE or RLIMIT_RTPRIO, or leave the setting out",
        ) from None


def share_lock() -> None:
    """Let no thread keep the interpreter's lock for long while another one waits for it."""
    sys.setswitchinterval(LOCK_S_MAX)


def _field(path: Path, name: str) -> str | None:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return None
