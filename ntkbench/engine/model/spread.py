"""Choose a few inputs that are spread over all of them."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

SPREAD = 8


def spread(x: tf.Tensor) -> tf.Tensor:
    """Return up to `SPREAD` inputs of x: [N, ...], the first and the last among them."""
    count = min(len(x), SPREAD)
    return tf.gather(x, np.linspace(0, len(x) - 1, count).round().astype(int)) if count < len(x) else x
