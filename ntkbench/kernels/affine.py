"""Define the infinite-width layers with weights: dense and convolutional."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from attrs import evolve, field, frozen
from attrs.validators import optional

from ..errors import NtkbenchError
from .coefficients import deviation, real
from .features import Features
from .layer import Layer, require_plain, require_unmasked
from .windows import Window, conv_mean, padding_of, per_axis


@frozen(eq=False)
class Dense(Layer):
    """Dense layer z = (weight_std / √n) W h + bias_std b on the last axis, at each position; entries of W, b ~ N(0, 1).

    cov' = σ_w² cov + σ_b² and ntk' = c² cov' + σ_w² ntk, where the cov' in ntk' includes only trained parameters.

    Attributes:
        weight_std: Standard deviation σ_w: a number, or a tensor or variable of the kernel's batch shape.
        bias_std: Standard deviation σ_b, likewise.
        train_weights: Whether the weights are trained and therefore contribute to the tangent kernel.
        train_bias: Whether the bias is trained.
        bias_ntk: Value of (∂z/∂b)², if it differs from that of a trained N(0, 1) entry.
        multiplier: Multiplier c, as in `ntkbench.layers.Parametric`.

    Source: Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572), theorem 1.
    """

    weight_std: Any = field(default=1.0, validator=deviation)
    bias_std: Any = field(default=0.0, validator=deviation)
    train_weights: bool = True
    train_bias: bool = True
    bias_ntk: float | None = field(default=None, validator=optional(deviation))
    multiplier: float = field(default=1.0, validator=real)

    affine = True

    def __call__(self, *features: Features) -> Features:
        """Return the features of the layer."""
        (h,) = features
        return self._affine(h, h, h)

    def _affine(self, h: Features, forward: Features, gradient: Features) -> Features:
        """Return the moments of z, where `forward` enters the outputs and `gradient` the gradient of the weights."""
        weight, bias = h.coefficient(self.weight_std) ** 2, h.coefficient(self.bias_std) ** 2
        cov = weight * forward.cov + bias
        ntk = None if forward.ntk is None else weight * forward.ntk
        parts, own = [] if ntk is None else [ntk], self.multiplier**2
        if self.train_weights and self.train_bias and self.bias_ntk is None and forward is gradient:
            parts.append(own * cov)
        else:
            if self.train_weights:
                parts.append(own * weight * gradient.cov)
            if self.train_bias:
                parts.append(own * bias if self.bias_ntk is None else tf.constant(self.bias_ntk, cov.dtype))
        total = sum(parts[1:], parts[0]) + tf.zeros_like(cov) if parts else None
        return evolve(
            forward,
            cov=cov,
            ntk=total,
            var1=weight * forward.var1 + bias,
            var2=weight * forward.var2 + bias,
            mean1=None,
            mean2=None,
            gaussian=True,
            gains=0,
            flattened=False,
            sources=frozenset([object()]),
        )

    @property
    def parameters(self) -> tuple[Any, ...]:
        """The two standard deviations."""
        return self.weight_std, self.bias_std


@frozen(eq=False)
class Conv(Dense):
    """Convolution over one, two or three spatial axes: z_p = (weight_std / √(taps · n)) Σ_δ W_δ h_{p+δ} + bias_std b.

    It has the attributes of `Dense` as well.

    Attributes:
        kernel_size: A number, or one per spatial axis.
        strides: A number, or one per spatial axis.
        padding: "same" (zeros beyond the borders), "valid" or "circular".
        dilation: A number, or one per spatial axis.
        centre_only: Draw weights for the centre tap only, with the variance of all taps (delta-orthogonal), while all
            taps are trained.

    Source: Novak et al. 2019 (arXiv 1810.05148); Arora et al. 2019 (arXiv 1904.11955) for the tangent kernel.
    """

    kernel_size: int | Sequence[int] = 3
    strides: int | Sequence[int] = 1
    padding: str = "same"
    dilation: int | Sequence[int] = 1
    centre_only: bool = False

    windowed = True

    def __call__(self, *features: Features) -> Features:
        """Return the features of the layer."""
        (h,) = features
        require_plain(h, "A convolution")
        require_unmasked(h, "A convolution")
        windows = self._windows(h.positions)
        mean = conv_mean(h, windows)
        return self._affine(h, conv_mean(h, _centres(windows)) if self.centre_only else mean, mean)

    def _windows(self, axes: int) -> list[Window]:
        padding = padding_of("A convolution", self.padding)
        if not axes:
            raise NtkbenchError("A convolution needs features with positions, such as images.")
        sizes, strides, dilations = (
            per_axis("A convolution", name, value, axes)
            for name, value in (
                ("kernel_size", self.kernel_size), ("strides", self.strides), ("dilation", self.dilation),
            )
        )  # fmt: skip
        return [Window(s, t, padding, d) for s, t, d in zip(sizes, strides, dilations, strict=True)]


def _centres(windows: Sequence[Window]) -> list[Window]:
    return [_Centre(w.size, w.stride, w.padding, w.dilation) for w in windows]


@frozen
class _Centre(Window):
    """The centre tap of a window."""

    @property
    def taps(self) -> tuple[int, ...]:
        return ((self.size - 1) // 2,)
