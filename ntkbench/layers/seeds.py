"""The seed of a layer that was given none."""

from __future__ import annotations

import random


def settle(seed: int | None) -> int:
    """Return `seed`; for None one from Python's generator, which `keras.utils.set_random_seed` fixes."""
    return random.randint(1, 10**9) if seed is None else int(seed)
