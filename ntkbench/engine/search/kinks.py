"""Share of a gradient's change along a line that comes from kinks."""

from __future__ import annotations

import numpy as np

from .vectors import Vector, length, vector
from .weighted_output import WeightedOutput

MAX_SEGMENTS = 64  # maximum number of segments of a line
SETTLED = 0.02  # change of the share below which the number of segments is no longer doubled
SHORTENED = (1, 1 / 8, 1 / 64, 1 / 512, 1 / 4096)  # fractions of the displacement, tried until the share settles
ROUNDING = 100  # units of machine epsilon, relative to the gradient; smaller changes count as zero


def kink_share(output: WeightedOutput, origin: Vector, v: Vector, c: np.ndarray) -> tuple[float, float]:
    """Return ‖g(w0 + v) − g(w0) − ∫₀¹ H(w0 + t·v)·v dt‖ / ‖g(w0 + v) − g(w0)‖ and its error; g = ∇F_c, H = ∇²F_c.

    Automatic differentiation ignores jumps of the gradient, so the integral of the second derivatives misses every jump
    on the line. The integral is computed by Simpson's rule over K segments, from two trapezoid rules; K is doubled
    until the share settles. Where the second derivatives vary too fast for that, as in a deep network that v moves far,
    the share says nothing: v is shortened, which leaves the share of a kinked network as it is, since its kinks are
    everywhere, and lets that of a smooth one vanish.

    Args:
        output: The weighted output F_c.
        origin: w0 [P].
        v: Displacement [P].
        c: Weights of the probes [N].

    Returns:
        0 for a smooth network, up to the error of the rule; about 1 if all of the change comes from kinks. The error is
        the change when K was last doubled.
    """
    origin, v = vector(origin), vector(v)
    share, error = 0.0, 0.0
    for fraction in SHORTENED:
        found = _on_line(output, origin, v * fraction, c)
        if found is None:
            continue  # a shorter line may not overflow
        share, error = found
        if share <= SETTLED or error <= SETTLED:
            break
    return share, error


def _on_line(output: WeightedOutput, origin: Vector, v: Vector, c: np.ndarray) -> tuple[float, float] | None:
    """Return the share on one line and its error, or None if the gradient does not change or overflows."""

    def at(w: Vector) -> tuple[Vector, Vector]:
        gradient, product = output.gradient_and_product(w, c, v)
        return vector(gradient), vector(product)

    (first, at_origin), (last, at_end) = at(origin), at(origin + v)
    change = last - first
    size = length(change)
    rounding = ROUNDING * np.finfo(np.asarray(first).dtype).eps * length(first)
    if not rounding < size < np.inf:
        return None
    trapezoid, segments, share, error = (at_origin + at_end) / 2, 1, np.inf, np.inf
    while share > SETTLED and error > SETTLED and segments < MAX_SEGMENTS:
        segments *= 2
        middle = sum(at(origin + v * (k / segments))[1] for k in range(1, segments, 2))
        coarser, trapezoid = trapezoid, trapezoid / 2 + middle / segments
        unexplained = length(change - (4 * trapezoid - coarser) / 3)
        before, share = share, unexplained / size if unexplained > rounding else 0.0
        error = abs(share - before)
    return share, min(share, error)
