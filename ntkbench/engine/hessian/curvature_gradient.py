"""The gradient in the weights of the curvature vᵀ·∇²f(w; x)·v along a fixed direction v, from factors.

The curvature is the second derivative of f(w + εv) in ε at 0, so its gradient is that of ∇f(w + εv). With ∂f/∂W = Σ_t
A[t] ⊗ G[t] it is Σ_t A''[t] ⊗ G[t] + 2 A'[t] ⊗ G'[t] + A[t] ⊗ G''[t], where primes are derivatives in ε.

Let e be taps on the products z, and C cotangents of the rows A, as in `factored.py`. Along w + εV, e = ε·A(ε)·V and C =
ε·G(ε)·Vᵀ have the derivatives e' = A·V, e'' = 2 A'·V, and C' = G·Vᵀ, C'' = 2 G'·Vᵀ. G and A are the gradient of a
function S(e, C). Hence (G', A') = ∇²S·(e', C'), and (G'', A'') is the gradient of ⟨∇S, (e'', C'')⟩ + ⟨(e', C'),
∇²S·(e', C')⟩ with all primes fixed. Nothing but the result has the size of the weights.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from ..model import Network
from ..structure import Structure
from .factored import Constants, FactoredProduct, along, by_layer, factors_of, tapped_factors


def curvature_gradient(net: Network, structure: Structure, product: FactoredProduct) -> Callable[..., tf.Tensor]:
    """Return the function (x, constants, v) -> the gradient [P] of the curvature at x: [1, ...].

    Args:
        net: The network.
        structure: Its structure, complete.
        product: The product with the Hessian for one input, whose `hoisted.once` returns the constants at x, and in
            whose coordinates v is given: [1, D].
    """
    zero = tf.UnconnectedGradients.ZERO

    def gradient(x: tf.Tensor, constants: list[Constants], v: tf.Tensor) -> tf.Tensor:
        parts = tf.split(v, [block.size for block in product.blocks], axis=1)
        each = list(zip(product.blocks, constants, parts, strict=True))
        e1, c1 = (list(moved) for moved in zip(*(along(*one) for one in each), strict=True))
        with tf.GradientTape(watch_accessed_variables=False) as third:
            with tf.GradientTape(watch_accessed_variables=False) as second:
                layers, a, g, probes, taps = tapped_factors(net, structure, x, [second, third])
            a1, found = second.gradient([*g, *a], [probes, taps], [*e1, *c1], zero)
            g1 = by_layer(layers, found)
        vs = [block.unpack(part) if block.full else factors_of(block, known, part) for block, known, part in each]
        e2 = [2 * _applied(rows, v) for rows, v in zip(a1, vs, strict=True)]
        c2 = [2 * _applied(rows, v, transposed=True) for rows, v in zip(g1, vs, strict=True)]
        a2, found = third.gradient([*g, *a, *g1, *a1], [probes, taps], [*e2, *c2, *e1, *c1], zero)
        g2 = by_layer(layers, found)
        written = []
        for used, *rows in zip(product.products, a, a1, a2, g, g1, g2, strict=True):
            left, right = tf.concat([rows[2], 2 * rows[1], rows[0]], 2), tf.concat(rows[3:], 2)
            written += used.write(tf.matmul(left, right, transpose_a=True))
        return net.flatten(product.of_variables(written, 1))

    return gradient


def _applied(rows: tf.Tensor, v: tuple[tf.Tensor, ...], transposed: bool = False) -> tf.Tensor:
    """Return rows·V, or rows·Vᵀ, for (V,) or the factors (L, R) of V."""
    if len(v) == 1:
        return tf.matmul(rows, v[0], transpose_b=transposed)
    left, right = v[::-1] if transposed else v
    return tf.matmul(tf.matmul(rows, left, transpose_b=True), right)
