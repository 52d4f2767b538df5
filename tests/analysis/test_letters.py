"""Letters of ties: true for every pair, and short for every number of rows."""

from __future__ import annotations

import random
from itertools import combinations, pairwise

import pytest

from ntkbench.analysis.letters import LONGEST, letters, share


def scattered(n, seed):
    """Pairs told apart among estimates with errors of very different sizes: hardly ever transitive."""
    draw = random.Random(seed)
    at, wide = [draw.gauss(0, 1) for _ in range(n)], [draw.lognormvariate(0, 1) for _ in range(n)]
    pairs = combinations(range(n), 2)
    return {(i, j) for i, j in pairs if abs(at[i] - at[j]) > 0.8 * (wide[i] * wide[j]) ** 0.5}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [1, 2, 9, 30])
def test_two_share_a_letter_exactly_when_they_are_not_told_apart(n, seed):
    different = scattered(n, seed)
    found = letters(n, different)
    for i, j in combinations(range(n), 2):
        assert share(found[i], found[j]) == ((i, j) not in different)


@pytest.mark.parametrize("n", [90, 200, 400])
def test_many_rows_have_short_cells_that_say_nothing_false(n):
    different = scattered(n, 1)
    found = letters(n, different)
    assert all(found) and max(map(len, found)) <= 3 * LONGEST
    assert not any(share(found[i], found[j]) for i, j in different)
    alike = n * (n - 1) // 2 - len(different)
    marked = sum(share(found[i], found[j]) for i, j in combinations(range(n), 2))
    assert marked >= 0.9 * alike


def test_all_alike_all_apart_and_a_chain():
    pairs = list(combinations(range(60), 2))
    assert letters(60, ()) == ["a"] * 60
    apart = letters(60, pairs)
    assert len(set(apart)) == 60 and apart[25:27] == ["z", "a1"] and not share("a1", "a") and share("ba1", "a1")
    chain = letters(60, [(i, j) for i, j in pairs if j - i > 1])
    assert all(share(one, other) for one, other in pairwise(chain))
    assert not share(chain[0], chain[2]) and chain[:3] == ["a", "ab", "bc"]
    assert letters(2, [(0, 1)], skip=1) == ["b", "c"] and letters(0, ()) == []
