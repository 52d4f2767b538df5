"""Share of a gradient's change along a line that comes from kinks."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from .weighted_output import WeightedOutput

MAX_SEGMENTS = 64  # maximum number of segments of the line
SHARE_TOLERANCE = 0.02  # change of the share below which the number of segments is no longer doubled
ROUNDING = 100  # units of machine epsilon, relative to the gradient; smaller changes count as zero


def kink_share(output: WeightedOutput, origin: tf.Tensor, v: tf.Tensor, c: np.ndarray) -> float:
    """Return ‖g(w0 + v) − g(w0) − ∫₀¹ H(w0 + t·v)·v dt‖ / ‖g(w0 + v) − g(w0)‖, where g = ∇F_c and H = ∇²F_c.

    Automatic differentiation ignores jumps of the gradient, so the integral of the second derivatives misses every jump
    on the line. The integral is computed by Simpson's rule over K segments, from two trapezoid rules; K is doubled
    until the share converges.

    Args:
        output: The weighted output F_c.
        origin: w0 [P].
        v: Displacement [P].
        c: Weights of the probes [N].

    Returns:
        0 for a smooth network, up to the error of the rule; about 1 if all of the change comes from kinks.
    """
    first, at_origin = output.gradient_and_product(origin, c, v)
    last, at_end = output.gradient_and_product(origin + v, c, v)
    change = last - first
    size = float(tf.norm(change))
    rounding = ROUNDING * np.finfo(first.dtype.as_numpy_dtype).eps * float(tf.norm(first))
    if not rounding < size < np.inf:
        return 0.0
    trapezoid, segments, before = (at_origin + at_end) / 2, 1, np.inf
    while True:
        segments *= 2
        middles = [output.gradient_and_product(origin + v * (k / segments), c, v)[1] for k in range(1, segments, 2)]
        coarser, trapezoid = trapezoid, trapezoid / 2 + tf.add_n(middles) / segments
        unexplained = float(tf.norm(change - (4 * trapezoid - coarser) / 3))
        share = unexplained / size if unexplained > rounding else 0.0
        if share <= SHARE_TOLERANCE or abs(share - before) <= SHARE_TOLERANCE or segments >= MAX_SEGMENTS:
            return share
        before = share
