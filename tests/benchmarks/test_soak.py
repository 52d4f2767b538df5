"""Faults over one run, from a seed; the whole number of them is `python benchmarks/soak.py`."""

from __future__ import annotations

import os

import pytest
from whole_runs.faults import IN_CELLS, OF_DASK, PROCESSES, Soak

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL, and a limit of file sizes for a full disk")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_is_there_in_the_end_is_what_an_undisturbed_run_leaves(tmp_path, capsys):
    soak = Soak(tmp_path / "soak", seed=11, faults=38, cells=400, tensorflow=False)
    soak.disturbed()
    soak.undisturbed()
    assert soak.check()
    assert set(soak.happened) == {*IN_CELLS, *PROCESSES, *OF_DASK}
    assert sum(soak.happened.values()) == 38
    with capsys.disabled():
        print(f"\n{sum(soak.happened.values())} faults survived over {soak.commands} commands")


def test_the_faults_follow_from_the_seed(tmp_path):
    one, two, other = (
        Soak(tmp_path / name, seed=seed, faults=40, cells=100, tensorflow=False).waiting
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert one == two != other and sorted(one) == sorted(other) and len(one) == 40
