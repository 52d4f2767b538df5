"""Points of the sweep: random ones, and those where ties, zeros and kinks are met exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sweeping import Point

# The points of the larger of two sizes: between them, they hold random, equal and zero entries.
FEW = ("random", "repeated", "some zeros")


def function_points(model: Any, shape: Sequence[int], *, few: bool = False) -> list[Point]:
    """Return points of a model whose first layer's bias is what the function gets for an input of 0."""
    n = int(np.prod(shape))
    rng = np.random.default_rng(0)
    hidden = {
        "random": rng.standard_normal(n),
        "zeros": np.zeros(n),
        "ones": np.ones(n),
        "minus ones": -np.ones(n),
        "repeated": np.repeat(rng.standard_normal((n + 1) // 2), 2)[:n],
        "some zeros": np.where(np.arange(n) % 2, 0.0, rng.standard_normal(n)),
    }
    others = [0.5 * rng.standard_normal(w.shape) for w in model.get_weights()[2:]]
    kernel = rng.standard_normal((1, n))
    x = np.array([[0.7], [-0.4], [0.0]])
    names = FEW if few else tuple(hidden)
    return [Point(name, x, [kernel, hidden[name], *others]) for name in names]


def layer_points(model: Any, x: np.ndarray) -> list[Point]:
    """Return the points of a model with the weights that its initialisers draw, and with all of them moved."""
    drawn = model.get_weights()
    rng = np.random.default_rng(3)
    moved = [w + 0.3 * rng.standard_normal(w.shape) if w.dtype.kind == "f" else w for w in drawn]
    moved = [np.abs(w) if "variance" in v.path else w for w, v in zip(moved, model.weights, strict=True)]
    return [Point("drawn", x, drawn), Point("moved", x, moved)]
