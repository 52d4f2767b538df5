"""Seeds depend on the names given, and on nothing else."""

from __future__ import annotations

from ntkbench.seeds import seed_for


def test_seeds_are_stable_and_distinct():
    # The number itself is pinned: a change would move every published number.
    assert seed_for("weights", "fc", {"depth": 2}, 64, 0) == 2267356026376484242
    assert seed_for("a", 1) != seed_for("a", "1") != seed_for("a1")
    assert all(0 <= seed_for(n) < 2**63 for n in range(100))
