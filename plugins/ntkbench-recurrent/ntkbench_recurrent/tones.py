"""Tones and noise of different length: a synthetic dataset of ragged sequences."""

import numpy as np


def load(*, form, n, seed, steps=12):
    """Return sequences of random length that are tones or noise.

    A tone is √2 sin(ωt + φ) with random ω and φ, noise is Gaussian; both have the mean square 1. Lengths are uniform
    from a third of `steps` to `steps`, or all `steps` in the form "sequence".

    Args:
        form: "ragged" or "sequence".
        n: Number of sequences.
        seed: Seed that draws them.
        steps: Largest number of steps T.

    Returns:
        x, {"values": [n, T, 1], "mask": [n, T]} or [n, T, 1], and y float64 [n]: 1 for a tone, −1 for noise.
    """
    rng = np.random.default_rng(np.random.SeedSequence([seed % 2**64, steps]))
    lengths = rng.integers(-(-steps // 3), steps + 1, size=n) if form == "ragged" else np.full(n, steps)
    speed, phase = rng.uniform(0.3, 1.5, (n, 1)), rng.uniform(0, 2 * np.pi, (n, 1))
    t = np.arange(steps)
    y = np.where(rng.permutation(n) % 2, 1.0, -1.0)
    noise = rng.standard_normal((n, steps))
    values = np.where(y[:, None] > 0, np.sqrt(2) * np.sin(speed * t + phase), noise)[..., None]
    if form == "sequence":
        return values, y
    mask = t < lengths[:, None]
    return {"values": np.where(mask[..., None], values, 0.0), "mask": mask}, y
