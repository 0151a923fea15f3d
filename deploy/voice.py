"""Words to a terminal, a file or a pipe whose other end may be gone: that is never our own trouble."""

from __future__ import annotations

import os
import sys
from typing import TextIO


def say(stream: TextIO, text: str) -> bool:
    """Write to whoever listens, and tell whether somebody did."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        send_nowhere(stream)
        return False
    return True


def send_nowhere(stream: TextIO) -> None:
    """Let everything more, and what is still buffered, vanish without a word."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def open_missing() -> None:
    """Stand in for closed standard streams, or the first socket would take the place of one."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            while (opened := os.open(os.devnull, os.O_RDWR)) < number:
                pass
            setattr(sys, name, os.fdopen(opened, "r" if number == 0 else "w", encoding="utf-8"))
