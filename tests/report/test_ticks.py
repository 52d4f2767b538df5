"""Labels of widths do not touch."""

from __future__ import annotations

import pytest

from ntkbench.report.ticks import labelled


@pytest.mark.parametrize(
    ("widths", "shown"),
    [
        ([64, 128, 256, 512], [64, 128, 256, 512]),
        ([16, 20, 32, 40, 52, 64, 80, 104, 128, 208, 256, 512], [16, 32, 64, 128, 256, 512]),
        ([7], [7]),
        ([], []),
    ],
)
def test_neighbours_are_left_out(widths, shown):
    assert labelled(widths) == shown
