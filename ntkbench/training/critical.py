"""The largest stable step size of gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse.linalg
import tensorflow as tf

from ..engine.autodiff import dense_gradient, jvp
from ..engine.checks import enter, not_finite, require_right_derivatives
from ..engine.model import Network, explained

BLOCK = 256  # samples whose gradient is computed at a time
TOLERANCE = 1e-4  # relative, of the eigenvalue


@explained("TensorFlow cannot differentiate this model")
def critical_step(model: Any, x: Any, *, output_name: str | int | None = None) -> float:
    """Return 2/λ, the step size from which on gradient descent on the square loss does not converge near these weights.

    λ is the largest eigenvalue of the Hessian of the mean square loss of `Trainer` in the linear model, JᵀJ/N, or of
    the tangent kernel of all outputs, [N·O, N·O], divided by N. It is computed with products of J, to 1e-4.

    With momentum μ the bound is (1 + μ) times as large. For cross-entropy, whose second derivatives in the outputs are
    at most 1/2, twice this step size is still below the bound.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        x: Training inputs [N, ...].
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.

    Returns:
        The step size; infinity if no output depends on the weights.

    Source: LeCun et al. 1998, "Efficient BackProp", section 5; for the tangent kernel, Lee et al. 2019 (arXiv
    1902.06720), theorem 2.1.
    """
    net, x, _ = enter(model, x, output_name=output_name)
    require_right_derivatives(net, x, order=1, unit="every")
    parts = [x[start : start + BLOCK] for start in range(0, len(x), BLOCK)]

    def product(v: np.ndarray) -> np.ndarray:
        """Return JᵀJ·v: [P]."""
        v = v.reshape(-1)
        return np.asarray(sum(_transposed(net, part, jvp(net, part, v)) for part in parts), np.float64)

    v = np.random.default_rng(0).standard_normal(net.size)
    first = product(v)
    if not np.isfinite(first).all():
        raise not_finite(net, {"x": x}, "step size")
    if not first.any():
        return float("inf")
    if net.size == 1:
        return float(2 * len(x) * v[0] / first[0])
    operator = scipy.sparse.linalg.LinearOperator((net.size, net.size), product, dtype=np.float64)
    (largest,) = scipy.sparse.linalg.eigsh(operator, 1, v0=v, tol=TOLERANCE, return_eigenvectors=False)
    return float(2 * len(x) / largest)


def _transposed(net: Network, x: tf.Tensor, u: np.ndarray) -> np.ndarray:
    """Return Jᵀu: [P], for u: [N, O]."""

    def build() -> Any:
        def transposed(x: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                outputs = net.outputs(x)
            return net.flatten(dense_gradient(tape, outputs, net.variables, u))

        return transposed

    return net.function("transposed jacobian", build)(x, tf.constant(u)).numpy()
