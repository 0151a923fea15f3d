import os
import subprocess
import sys
from pathlib import Path

from deploy.voice import say

ROOT = Path(__file__).parents[2]


def test_a_listener_that_went_away_is_no_trouble() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        assert say(stream, "one\n")
        assert os.read(reading, 10) == b"one\n"
        os.close(reading)
        assert not say(stream, "two\n")
        assert say(stream, "three\n"), "what follows goes nowhere, quietly"


def test_closed_standard_streams_are_no_trouble() -> None:
    command = f"exec {sys.executable} -m deploy.cli status --state /nonexistent <&- >&- 2>&-"
    told = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert told.returncode == 19
