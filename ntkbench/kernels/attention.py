"""Define attention layers with a known limit: without a softmax, or with deterministic scores."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf
from attrs import evolve, field, frozen

from .coefficients import deviation
from .features import Features, NoLimit, sizes_of
from .layer import Layer, require_plain, require_unmasked


@frozen(eq=False)
class _Attention(Layer):
    """Base of both attention layers. All weights are trained and in the NTK parameterisation.

    Attributes:
        query_key_std: Product of the standard deviations of query and key weights.
        value_output_std: Product of the standard deviations of value and output weights.
        bias_std: Standard deviation of the output's bias.
    """

    query_key_std: Any = field(default=1.0, validator=deviation)
    value_output_std: Any = field(default=1.0, validator=deviation)
    bias_std: Any = field(default=0.0, validator=deviation)
    reads = "full"
    affine = True

    @staticmethod
    def _read(features: tuple[Features, ...]) -> Features:
        (h,) = features
        require_plain(h, "Attention")
        require_unmasked(h, "Attention")
        if not h.positions:
            raise NoLimit("Attention needs features with positions, such as sequences or images.")
        return h

    @staticmethod
    def _made(h: Features, **moments: Any) -> Features:
        return evolve(h, **moments, mean1=None, mean2=None, gaussian=True, gains=0, sources=frozenset([object()]))

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The standard deviations."""
        return self.query_key_std, self.value_output_std, self.bias_std


@frozen(eq=False)
class LinearAttention(_Attention):
    """Attention with infinitely many heads and no softmax: z_t = heads^(−1/2) Σ_heads Σ_s (q_t · k_s / √d) v_s W.

    Scores are Gaussian and independent from head to head, so cov'(t, t') = σ² cov(t, t') Σ_{s,s'} cov(s, s')² with
    σ = query_key_std · value_output_std; the tangent kernel follows by the product rule. All weights are in the NTK
    parameterisation and trained.

    Attributes:
        query_key_std: Product of the standard deviations of query and key weights.
        value_output_std: Product of the standard deviations of value and output weights.
        bias_std: Standard deviation of the output's bias.

    Source: Hron et al. 2020 (arXiv 2006.10540), section 3.
    """

    def __call__(self, *features: Features) -> Features:
        """Return the features of the block."""
        h = self._read(features)
        scale = (h.coefficient(self.query_key_std) * h.coefficient(self.value_output_std)) ** 2
        bias = h.coefficient(self.bias_std) ** 2
        axes = list(range(2 * h.positions))

        def inner(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            return tf.reduce_sum(a * b, axes)

        def value(t: tf.Tensor) -> tf.Tensor:
            return scale * t * inner(t, t)

        cov = value(h.cov)
        ntk = 4 * cov + bias  # one term each for query, key, value and output
        if h.ntk is not None:
            ntk = ntk + scale * (h.ntk * inner(h.cov, h.cov) + 2 * h.cov * inner(h.cov, h.ntk))
        return self._made(h, cov=cov + bias, ntk=ntk, var1=value(h.var1) + bias, var2=value(h.var2) + bias)


@frozen(eq=False)
class SharedAttention(_Attention):
    """Attention with infinitely many heads that share queries and keys: z_t = Σ_s ζ(q_t · q_s / d)_s v_s W per head.

    Heads are summed with the factor heads^(−1/2). Because scores are divided by d, they are means over infinitely many
    units and therefore deterministic: A = ζ(query_key_std · cov(x)), where ζ is the softmax over s or the identity, and
    cov' = σ² A cov A'ᵀ with σ = value_output_std. The query weights do not contribute to the tangent kernel. It also
    has the attributes of `LinearAttention`.

    Attributes:
        softmax: Whether ζ is the softmax over s; otherwise it is the identity.

    Source: Hron et al. 2020 (arXiv 2006.10540), section 3; Yang 2019 (arXiv 1910.12478).
    """

    softmax: bool = True

    def __call__(self, *features: Features) -> Features:
        """Return the features of the block."""
        h = self._read(features)
        scale, bias = h.coefficient(self.value_output_std) ** 2, h.coefficient(self.bias_std) ** 2
        steps = math.prod(h.cov.shape[: h.positions])
        scores1, scores2 = (self._scores(h, _square(var, steps, h.positions)) for var in (h.var1, h.var2))

        def mixed(t: tf.Tensor, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
            square = _square(t, steps, h.positions)
            half = tf.reduce_sum(left[:, :, None] * square[None], 1)
            return tf.reshape(tf.reduce_sum(half[:, None] * right[None], 2), sizes_of(t))

        cov = scale * mixed(h.cov, scores1, scores2)
        ntk = 2 * cov + bias  # one term each for value and output
        if h.ntk is not None:
            ntk = ntk + scale * mixed(h.ntk, scores1, scores2)
        var1, var2 = scale * mixed(h.var1, scores1, scores1), scale * mixed(h.var2, scores2, scores2)
        return self._made(h, cov=cov + bias, ntk=ntk, var1=var1 + bias, var2=var2 + bias)

    def _scores(self, h: Features, square: tf.Tensor) -> tf.Tensor:
        scores = h.coefficient(self.query_key_std) * square
        return tf.nn.softmax(scores, axis=1) if self.softmax else scores


def _square(t: tf.Tensor, steps: int, positions: int) -> tf.Tensor:
    """Merge the axes of positions of covariances: [*P, *P, ...] -> [T, T, ...]."""
    return tf.reshape(t, [steps, steps, *sizes_of(t)[2 * positions :]])
