"""Default seed of a layer."""

from __future__ import annotations

import random


def settle(seed: int | None) -> int:
    """Return `seed`, or for None a seed from Python's generator, which `keras.utils.set_random_seed` seeds."""
    return random.randint(1, 10**9) if seed is None else int(seed)
