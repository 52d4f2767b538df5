"""How long the commands take that somebody types to find out more."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

LIMIT_SECONDS = 0.6


@pytest.mark.parametrize("words", [["--help"], ["list"], ["list", "--json"], ["run", "--help"]])
def test_starting_takes_little_time(words, tmp_path):
    """The least of three, in processor time: other work on the machine is not ours to answer for."""
    assert min(_seconds(words, tmp_path) for _ in range(3)) <= LIMIT_SECONDS


def _seconds(words: list[str], folder: os.PathLike[str]) -> float:
    before = os.times()
    subprocess.run(
        [sys.executable, "-m", "ntkbench", *words],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))},
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
