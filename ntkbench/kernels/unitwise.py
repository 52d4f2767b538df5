"""Define the infinite-width layers that act on each unit: activations, scale, padding, flattening and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from attrs import evolve, field, frozen

from ..errors import NtkbenchError
from .coefficients import deviation, real
from .duals import Dual, dual_of
from .features import Features
from .layer import Layer, gains_unknown, require_gaussian, require_plain, require_unmasked
from .windows import Window, padding_of, per_axis, pool_mean


@frozen
class Activation(Layer):
    """Activation φ: cov' = E[φ(u) φ(v)] and ntk' = ntk · E[φ'(u) φ'(v)] for Gaussian features u = h(x), v = h(x').

    A trained factor γ of a unit adds E[φ'(u) φ'(v) u v] instead, which is cov' where φ(u) = u φ'(u), and has no dual
    otherwise.

    Attributes:
        function: Name of an activation, or a smooth function of TensorFlow.
        who: Name of the layer in error messages.
    """

    function: Dual = field(converter=dual_of)
    who: str = "An activation"
    unitwise = True

    def __call__(self, *features: Features) -> Features:
        """Return the features after the activation."""
        require_gaussian(features[0], self.who)
        h = features[0].joined()
        own1, own2 = h.own1, h.own2
        cov, slope = self.function.moments(h.left(own1), h.right(own2), h.cov)
        after = evolve(
            h,
            cov=cov,
            ntk=self._tangent(h, cov, slope),
            unknown=h.unknown or gains_unknown(h, self.who, self.function.homogeneous),
            var1=self._own(h, h.var1, own1),
            var2=self._own(h, h.var2, own2),
            mean1=self.function.mean(own1),
            mean2=self.function.mean(own2),
            gaussian=False,
        )
        return after.separated(features[0].cov.shape[: features[0].positions])

    @staticmethod
    def _tangent(h: Features, cov: tf.Tensor, slope: tf.Tensor) -> tf.Tensor | None:
        if h.ntk is None or not h.gains:
            return None if h.ntk is None else h.ntk * slope
        return (h.ntk - h.gains * h.cov) * slope + h.gains * cov

    def _own(self, h: Features, var: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
        return self.function.moments(h.left(own), h.right(own), var)[0] if h.full else self.function.second(own)

    @property
    def exact(self) -> bool:
        """Whether the dual is exact up to rounding."""
        return self.function.exact

    def refined(self) -> Layer:
        """Return the layer with twice as many terms in its quadrature."""
        return evolve(self, function=self.function.refined())


@frozen(eq=False)
class Scale(Layer):
    """Multiplication by a constant.

    Attributes:
        alpha: The constant.
    """

    alpha: Any = field(default=1.0, validator=real)
    unitwise = True

    def __call__(self, *features: Features) -> Features:
        """Return alpha · h."""
        (h,) = features
        alpha = h.coefficient(self.alpha)
        means = [None if mean is None else alpha * mean for mean in (h.mean1, h.mean2)]
        return evolve(h.map(lambda t: alpha**2 * t), mean1=means[0], mean2=means[1])

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The constant."""
        return (self.alpha,)


@frozen
class Identity(Layer):
    """Identity, for layers that have no effect at inference, such as dropout."""

    unitwise = True

    def __call__(self, *features: Features) -> Features:
        """Return the features unchanged."""
        return features[0]


@frozen
class ZeroPadding(Layer):
    """Padding with zeros at the borders.

    Attributes:
        margins: (before, after) for each spatial axis.
    """

    margins: tuple[tuple[int, int], ...]
    unitwise = True

    def __call__(self, *features: Features) -> Features:
        """Return the padded features."""
        (h,) = features
        require_plain(h, "Zero padding")
        require_unmasked(h, "Zero padding")
        if len(self.margins) != h.positions or any(each < 0 for margin in self.margins for each in margin):
            raise NtkbenchError(
                f"Zero padding got margins={self.margins!r:.80} for features with {h.positions} spatial axes; pass "
                "(before, after), integers of at least 0, for each axis."
            )

        def pad(t: tf.Tensor, twice: bool) -> tf.Tensor:
            paddings = list(self.margins) * (1 + twice)
            return tf.pad(t, [*paddings, *[(0, 0)] * (t.shape.rank - len(paddings))])

        means = [None if mean is None else pad(mean, False) for mean in (h.mean1, h.mean2)]
        return h.map(lambda t: pad(t, h.full), mean1=means[0], mean2=means[1])


@frozen
class Flatten(Layer):
    """Flattening of all positions before a dense layer: the mean of the covariances over equal positions.

    Sequences of different length are a mean over 1/√length · 1/√length' of the steps that both have, counted from the
    first step: the limit of Σ_t V_t h_t / √length with a readout V_t of its own for every step.
    """

    unitwise = True
    reads = "first"

    def __call__(self, *features: Features) -> Features:
        """Return the features without positions."""
        h = features[0].narrowed()
        if not h.positions:
            return h
        axes = list(range(h.positions))
        flat = evolve(h, mean1=None, mean2=None, positions=0, flattened=True, gaussian=False, mask1=None, mask2=None)
        if h.mask1 is None or h.mask2 is None:
            return flat.map(lambda t: tf.reduce_mean(t, axes))
        weights = [root_share(mask, h.cov.dtype) for mask in (h.mask1, h.mask2)]
        return evolve(
            flat,
            cov=tf.reduce_sum(weights[0] * weights[1] * h.cov, axes),
            ntk=None if h.ntk is None else tf.reduce_sum(weights[0] * weights[1] * h.ntk, axes),
            var1=tf.reduce_sum(weights[0] ** 2 * h.var1, axes),
            var2=tf.reduce_sum(weights[1] ** 2 * h.var2, axes),
        )


@frozen(eq=False)
class AveragePooling(Layer):
    """Mean over windows of positions.

    Attributes:
        pool_size: A number, or one per spatial axis.
        strides: A number, or one per spatial axis; default: the pool size.
        padding: "valid", "same" or "circular".
        count_padding: Whether padded zeros count in the mean; in Keras they do not.
    """

    pool_size: int | Sequence[int] = 2
    strides: int | Sequence[int] | None = None
    padding: str = "valid"
    count_padding: bool = False
    unitwise = True
    windowed = True
    reads = "full"

    def __call__(self, *features: Features) -> Features:
        """Return the pooled features."""
        (h,) = features
        require_plain(h, "Average pooling")
        require_unmasked(h, "Average pooling")
        axes = h.positions
        padding = padding_of("Average pooling", self.padding)
        sizes = per_axis("Average pooling", "pool_size", self.pool_size, axes)
        steps = sizes if self.strides is None else per_axis("Average pooling", "strides", self.strides, axes)
        windows = [Window(size, step, padding) for size, step in zip(sizes, steps, strict=True)]
        count = self.count_padding or padding == "circular"

        def pool(t: tf.Tensor, twice: bool) -> tf.Tensor:
            for axis, window in enumerate(windows):
                t = pool_mean(t, [axis, axis + len(windows)] if twice else [axis], window, count)
            return t

        means = [None if mean is None else pool(mean, False) for mean in (h.mean1, h.mean2)]
        return h.map(lambda t: pool(t, True), mean1=means[0], mean2=means[1])


@frozen
class GlobalAveragePooling(Layer):
    """Mean over all positions."""

    unitwise = True
    reads = "full"

    def __call__(self, *features: Features) -> Features:
        """Return the features without positions."""
        (h,) = features
        require_plain(h, "Global average pooling")
        if not h.positions:
            return h
        single, twice = list(range(h.positions)), list(range(2 * h.positions))
        pooled = evolve(h, positions=0, full=False, mask1=None, mask2=None)
        if h.mask1 is None or h.mask2 is None:
            means = [None if mean is None else tf.reduce_mean(mean, single) for mean in (h.mean1, h.mean2)]
            return evolve(pooled.map(lambda t: tf.reduce_mean(t, twice)), mean1=means[0], mean2=means[1])
        share1, share2 = (root_share(mask, h.cov.dtype) ** 2 for mask in (h.mask1, h.mask2))
        left1, right1, left2, right2 = h.left(share1), h.right(share1), h.left(share2), h.right(share2)
        return evolve(
            pooled,
            cov=tf.reduce_sum(left1 * right2 * h.cov, twice),
            ntk=None if h.ntk is None else tf.reduce_sum(left1 * right2 * h.ntk, twice),
            var1=tf.reduce_sum(left1 * right1 * h.var1, twice),
            var2=tf.reduce_sum(left2 * right2 * h.var2, twice),
            mean1=None if h.mean1 is None else tf.reduce_sum(share1 * h.mean1, single),
            mean2=None if h.mean2 is None else tf.reduce_sum(share2 * h.mean2, single),
        )


def root_share(mask: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Return 1/√(number of existing steps) at the existing steps and 0 at the others: [T, pairs]."""
    exists = tf.cast(mask, dtype)
    return exists * tf.math.rsqrt(tf.maximum(tf.reduce_sum(exists, 0), 1))


@frozen
class LayerNormalization(Layer):
    """Layer normalisation (h − mean) / √(variance + epsilon) over the units of a position: a fixed factor in the limit.

    Attributes:
        epsilon: Constant added to the variance.
        scale: Whether the layer has a trained γ (starting at 1), which contributes to the tangent kernel.
        centre: Whether the layer has a trained β (starting at 0), which contributes to the tangent kernel.
    """

    epsilon: float = field(default=1e-5, validator=deviation)
    scale: bool = False
    centre: bool = False

    def __call__(self, *features: Features) -> Features:
        """Return the normalised features."""
        (h,) = features
        require_plain(h, "Layer normalisation")
        own1, own2 = h.own1, h.own2
        cov, var1, var2 = h.cov, h.var1, h.var2
        if h.mean1 is not None and h.mean2 is not None:
            cov = cov - h.left(h.mean1) * h.right(h.mean2)
            var1, var2 = (v - h.left(m) * h.right(m) for v, m in ((var1, h.mean1), (var2, h.mean2)))
            own1, own2 = own1 - h.mean1**2, own2 - h.mean2**2
        inverse1, inverse2 = (tf.math.rsqrt(tf.maximum(v, 0) + self.epsilon) for v in (own1, own2))
        both = h.left(inverse1) * h.right(inverse2)
        centred = h.mean1 is not None and h.mean2 is not None
        gains = None if h.gains is None or (h.gains and centred) else h.gains + self.scale
        cov = cov * both
        parts = [] if h.ntk is None else [h.ntk * both]
        parts += [cov] if self.scale else []
        parts += [tf.ones_like(cov)] if self.centre else []
        return evolve(
            h,
            cov=cov,
            ntk=sum(parts[1:], parts[0]) if parts else None,
            gains=gains,
            var1=var1 * h.left(inverse1) * h.right(inverse1),
            var2=var2 * h.left(inverse2) * h.right(inverse2),
            mean1=None,
            mean2=None,
        )
