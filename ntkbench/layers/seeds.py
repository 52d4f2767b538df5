"""Default seeds of layers."""

from __future__ import annotations

import random


def seed_or_default(seed: int | None) -> int:
    """Return `seed`, or for None a draw from Python's generator, which `keras.utils.set_random_seed` seeds."""
    return random.randint(1, 10**9) if seed is None else int(seed)
