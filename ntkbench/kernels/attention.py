"""Attention without a softmax, whose limit is known."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from attrs import evolve, frozen

from ..errors import NtkbenchError
from .features import Features
from .layer import Layer, require_plain


@frozen(eq=False)
class LinearAttention(Layer):
    """Infinitely many heads of softmax-free attention over the T steps of a sequence, projected back.

    z_t = √(1/heads) Σ_heads Σ_s (q_t · k_s / √d) v_s W_o with q, k, v affine in h without biases, all in the NTK
    parameterisation and all trained, and the head's size d growing too. Scores are Gaussian and independent from
    head to head, so that cov'(t, t') = σ⁸ cov(t, t') Σ_{s,s'} cov(s, s')² — times 1/T² with `mean`, which divides
    the sum over steps by T — and the tangent kernel follows by the product rule.

    weight_std: of each of the four projections.   Source: Hron et al. 2020 (arXiv 2006.10540), section 3.
    """

    weight_std: Any = 1.0
    mean: bool = False
    wants_full = True
    affine = True

    def __call__(self, *features: Features) -> Features:
        """Return the features of the block."""
        (h,) = features
        require_plain(h, "Attention")
        if h.positions != 1:
            raise NtkbenchError(f"Attention reads sequences; these features have {h.positions} spatial axes.")
        scale = h.coefficient(self.weight_std) ** 8
        if self.mean:
            scale = scale / h.cov.shape[0] ** 2

        def value(t: tf.Tensor) -> tf.Tensor:
            return scale * t * tf.reduce_sum(t * t, [0, 1])

        cov = value(h.cov)
        ntk = 4 * cov  # one share for each of the four projections
        if h.ntk is not None:
            ntk = ntk + scale * (
                h.ntk * tf.reduce_sum(h.cov * h.cov, [0, 1]) + 2 * h.cov * tf.reduce_sum(h.cov * h.ntk, [0, 1])
            )
        return evolve(
            h,
            cov=cov,
            ntk=ntk,
            var1=value(h.var1),
            var2=value(h.var2),
            mean1=None,
            mean2=None,
            gaussian=True,
            sources=frozenset([object()]),
        )

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The standard deviation of the projections."""
        return (self.weight_std,)
