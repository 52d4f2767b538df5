"""Ten thousand cells: going on with a finished run, and its table, take two seconds at most, and grow in proportion."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
from factories import manifest, sweep

from ntkbench.store.run_store import RunStore

pytestmark = pytest.mark.slow
SECONDS = 2.0


def seconds(function):
    """Return the least time of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Finished runs by their number of cells."""
    made = {}
    for number in (2_500, 10_000):
        results = [
            each for i in range(number // 200) for each in sweep(f"fc{i}", widths=(8, 16, 32, 64, 128), seeds=10)
        ]
        made[number] = RunStore(tmp_path_factory.mktemp("run") / "run")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "fsync", lambda _: None)
            made[number].create_or_open(manifest(results))
            for each in results:
                made[number].write(each)
    return made


def test_going_on(runs):
    # A store that has written knows what it has read; one of another process reads all of it.
    times = {number: seconds(lambda of=store: RunStore(of.path).take_stock()) for number, store in runs.items()}
    assert times[10_000] <= SECONDS, times
    assert times[10_000] <= 6 * times[2_500], times


def test_table(runs):
    def table():
        words = [sys.executable, "-m", "ntkbench", "table", str(runs[10_000].path)]
        subprocess.run(words, capture_output=True, check=True)

    assert (took := seconds(table)) <= SECONDS, took
