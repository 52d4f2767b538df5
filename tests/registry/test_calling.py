"""A plugin's function gets the names it takes and no others."""

from __future__ import annotations

import sys

import pytest

from ntkbench.errors import NtkbenchError
from ntkbench.registry.calling import call_with_known_names


def test_only_known_names_are_passed():
    assert call_with_known_names(lambda width: width, 3, seed=1) == 3
    assert call_with_known_names(lambda width, *, seed: (width, seed), 3, seed=1, outputs=1) == (3, 1)
    assert call_with_known_names(lambda width, **names: names, 3, seed=1) == {"seed": 1}


def test_a_function_that_exits_is_a_sentence():
    def build(width):
        raise SystemExit(width)

    with pytest.raises(NtkbenchError, match=r"build tried to end the process \(SystemExit: 3\)"):
        call_with_known_names(build, 3)


@pytest.mark.parametrize("by", [-400, 400])
def test_a_function_cannot_lower_the_recursion_limit(by):
    before = sys.getrecursionlimit()
    try:
        call_with_known_names(sys.setrecursionlimit, before + by)
        assert sys.getrecursionlimit() == max(before, before + by)
    finally:
        sys.setrecursionlimit(before)
