"""The gradient of one output and the Hessian times that gradient, per input and per variable."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from attrs import frozen

from ..autodiff import flat_hvp, gradients
from ..checks import require_right_derivatives
from ..model import Network


@frozen
class Bend:
    """Squared norms of each variable's part of the gradient and of the Hessian times the gradient, per input.

    Attributes:
        gradient: For g = ∇f(w; x_n): [N, V] float64, in units of f².
        hessian_gradient: For H g with H = ∇²f(w; x_n): [N, V] float64, in units of f⁴.
    """

    gradient: np.ndarray
    hessian_gradient: np.ndarray


def bend(net: Network, x: tf.Tensor) -> Bend:
    """Return the squared norms for one output at inputs x: [N, ...], with one Hessian-vector product per input."""
    require_right_derivatives(net, x, order=2)
    product = flat_hvp(net)
    ends = np.cumsum(net.sizes)[:-1]

    def squared(vector: np.ndarray) -> list[float]:
        return [float(np.sum(np.square(part, dtype=np.float64))) for part in np.split(vector, ends)]

    gradient, hessian_gradient = [], []
    for n in range(len(x)):
        g = gradients(net, x[n : n + 1], [net.output])[0, 0]
        gradient.append(squared(g))
        hessian_gradient.append(squared(product(x[n : n + 1], tf.constant(g)).numpy()))
    return Bend(np.asarray(gradient), np.asarray(hessian_gradient))
