"""What the measurements of a cell share, none of them can change for the others."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.mark.parametrize("width", [4, np.inf])
def test_shared_arrays_are_read_only(context, width):
    ctx = context("fc", width)
    for shared in (ctx.y, ctx.kernel):
        before = shared.copy()
        with pytest.raises(ValueError, match="read-only"):
            shared[...] = 0
        assert np.array_equal(shared, before)
