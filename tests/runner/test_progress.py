"""What progress says."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from ntkbench.runner.progress import LiveProgress, PlainProgress, Progress, progress_on
from ntkbench.types import Status

CELL = SimpleNamespace(label="fc:depth=3", architecture="fc", width=64, seed=1, measurement="gd")


@pytest.mark.parametrize("kind", [PlainProgress, LiveProgress])
def test_what_runs_and_what_failed_is_said(kind):
    stream = io.StringIO()
    if kind is LiveProgress:
        stream.isatty = lambda: True
    progress = kind(stream)
    progress.start(4, 1)
    progress.now(CELL, "epoch 3.2 of 20")
    progress.done(SimpleNamespace(status=Status.OK))
    progress.done(SimpleNamespace(status=Status.OOM))
    progress.stop()
    assert (progress.finished, progress.failed) == (3, 1)
    if kind is PlainProgress:
        said = stream.getvalue()
        assert "1/4 cells" in said
        assert "now: fc:depth=3, width 64, seed 1, gd: epoch 3.2 of 20" in said
        assert "3/4 cells, 1 failed" in said
        assert "left" in said


def test_the_stream_decides():
    assert type(progress_on(io.StringIO())) is PlainProgress
    assert type(progress_on(io.StringIO(), quiet=True)) is Progress
