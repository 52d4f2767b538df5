"""Losses of gradient descent in the lazy regime."""

from __future__ import annotations

import functools
from typing import Any

from .initial import INITS

LAZY_WIDTHS, LAZY_STEPS, LAZY_INPUTS = (64, 128, 256, 512), 60, 8


def lazy_curves(seed: int) -> dict[int, float]:
    """Return {width: max_t |L_gaussian − L_orthogonal|/L_0} for tanh, 3 hidden layers and half the critical step."""
    import numpy as np

    found = {}
    for width in LAZY_WIDTHS:
        both = [lazy_losses(width, init, seed) for init in INITS]
        found[width] = float(np.max(np.abs(np.subtract(*both))))
    return found


@functools.cache
def lazy_losses(width: int, init: str, seed: int) -> Any:
    """Return L_t/L_0 of gradient descent: [LAZY_STEPS + 1].

    Descent starts at f = 0 (two copies with opposite signs), so that the losses depend on the kernel only.
    """
    import numpy as np

    from ...datasets.digits import load
    from ...engine.search import gradient_descent

    x, y = load(form="vector", n=LAZY_INPUTS, seed=seed)
    net = _lazy_network(width)
    net.load(_lazy(width, init, seed).get_weights())
    path = gradient_descent(net, net.inputs(x), y, net.theta(), target_ratio=0.0, max_steps=LAZY_STEPS)
    return np.asarray(path.losses) / path.losses[0]


@functools.cache
def _lazy_network(width: int) -> Any:
    from ...engine.model import Network

    return Network(_lazy(width, "gaussian", 0))


def _lazy(width: int, init: str, seed: int) -> Any:
    from ...architectures.fully_connected import build

    return build(width, input_shape=(61,), depth=3, init=init, seed=seed, two_copy=True)
