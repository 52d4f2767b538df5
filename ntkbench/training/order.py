"""The order in which minibatches take the samples."""

from __future__ import annotations

import functools

import numpy as np

from ..seeds import seed_for


@functools.lru_cache(maxsize=4)
def permutation(n: int, order_seed: int, epoch: int) -> np.ndarray:
    """Return the order of n samples in an epoch, [N]; a hash of the seed and the epoch seeds the generator."""
    return np.random.default_rng(seed_for("data order", order_seed, epoch)).permutation(n).astype(np.int32)


def batches(n: int, size: int, steps: int, position: int, order_seed: int) -> np.ndarray:
    """Return the samples of some minibatches: [steps, size].

    The permutations of all epochs follow one another without a gap and are cut into batches of equal size. Every epoch
    therefore contains each sample once, and a batch may contain the end of one epoch and the start of the next.

    Args:
        n: Number of samples.
        size: Number of samples in a batch.
        steps: Number of batches.
        position: Number of samples that were taken before.
        order_seed: Seed of the order.
    """
    end = position + steps * size
    epochs = [permutation(n, order_seed, epoch) for epoch in range(position // n, -(-end // n))]
    skipped = position - position // n * n
    return np.concatenate(epochs)[skipped : skipped + steps * size].reshape(steps, size)
