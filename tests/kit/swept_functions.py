"""What the sweep puts between trained weights: functions of `keras.ops`, `keras.activations` and `keras.losses`.

Each takes h: [N, *shape] and returns real numbers [N, ...]. The first word of a name is that of the function; what
follows is a variant of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

ops, activations, losses = keras.ops, keras.activations, keras.losses
Function = Callable[[Any], Any]


def _words(text: str) -> list[str]:
    return text.split()


def _other(h: Any) -> Any:
    """Return a second argument, which depends on h."""
    return 0.5 * ops.flip(h, axis=-1) + 0.25


def _positive(h: Any) -> Any:
    return h * h + 0.5


def _part(h: Any) -> Any:
    """Return numbers between 0.1 and 0.9."""
    return ops.sigmoid(h) * 0.8 + 0.1


def _distribution(h: Any) -> Any:
    return ops.softmax(h, axis=-1)


def _weights(h: Any, *shape: int) -> Any:
    """Return a constant of this shape."""
    return ops.cast(np.random.default_rng(5).standard_normal(shape), h.dtype)


def _diagonal(h: Any) -> Any:
    return ops.diag(ops.cast(np.linspace(1.0, 3.5, h.shape[-1]), h.dtype))


def _spd(h: Any) -> Any:
    """Return symmetric positive definite matrices, whose eigenvalues differ at h = 0 too."""
    return ops.matmul(h, ops.swapaxes(h, -1, -2)) + _diagonal(h)


def _regular(h: Any) -> Any:
    """Return invertible matrices."""
    return 0.2 * h + _diagonal(h)


def _complex(h: Any) -> Any:
    return tf.complex(h, _other(h))  # ops.view_as_complex is for float32 only


def _joined(parts: Any) -> Any:
    """Return Σ k·part_k."""
    return sum((k + 1.0) * part for k, part in enumerate(parts))


def _side_by_side(parts: Any) -> Any:
    return ops.concatenate(list(parts), -1)


def _each(function: Function) -> Function:
    """Return the function of one sample, applied to each."""
    return lambda h: ops.stack([function(row) for row in ops.unstack(h, axis=0)])


def _pair(name: str) -> Function:
    return lambda h: getattr(ops, name)(h, _other(h))


def _along(name: str) -> Function:
    return lambda h: getattr(ops, name)(h, axis=-1)


def _with(function: Any, *args: Any, **kwargs: Any) -> Function:
    return lambda h: function(h, *args, **kwargs)


def _loss(function: Any, target: Function, prediction: Function = lambda h: h) -> Function:
    return lambda h: function(target(_other(h)), prediction(h))


def _segments(function: Any) -> Function:
    return lambda h: ops.transpose(function(ops.transpose(h) ** 2 + ops.transpose(h), np.arange(h.shape[-1]) // 2, 3))


def _angle_axis(h: Any) -> Any:
    return ops.angle(tf.complex(_positive(h), h))


ELEMENTWISE: dict[str, Function] = {
    name: getattr(ops, name)
    for name in _words(
        "abs absolute arcsinh arctan cbrt ceil celu conj conjugate copy cos cosh deg2rad elu erf erfc exp "
        "expm1 fabs floor gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh i0 leaky_relu "
        "log_sigmoid log_softmax nan_to_num negative rad2deg real relu relu6 round selu sigmoid sign silu sin "
        "sinc sinh soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax square "
        "squareplus swish tan tanh tanh_shrink trunc angle stop_gradient sort"
    )
} | {
    "arccos": lambda h: ops.arccos(0.4 * ops.tanh(h)),
    "arccosh": lambda h: ops.arccosh(h * h + 1.5),
    "arcsin": lambda h: ops.arcsin(0.4 * ops.tanh(h)),
    "arctanh": lambda h: ops.arctanh(0.4 * ops.tanh(h)),
    "celu alpha": _with(ops.celu, 0.5),
    "elu alpha": _with(ops.elu, 0.5),
    "gelu exact": _with(ops.gelu, approximate=False),
    "leaky_relu slope": _with(ops.leaky_relu, 0.1),
    "hard_shrink at one": _with(ops.hard_shrink, 1.0),
    "soft_shrink at one": _with(ops.soft_shrink, 1.0),
    "threshold": _with(ops.threshold, 0.1, 0.0),
    "threshold at one": _with(ops.threshold, 1.0, 0.0),
    "squareplus zero": _with(ops.squareplus, 0),
    "softmax two axes": _each(lambda h: ops.softmax(ops.reshape(h * h, (2, h.shape[0] // 2)), axis=(0, 1))),
    "erfinv": lambda h: ops.erfinv(0.4 * ops.tanh(h)),
    "log": lambda h: ops.log(_positive(h)),
    "log10": lambda h: ops.log10(_positive(h)),
    "log1p": lambda h: ops.log1p(h * h),
    "log2": lambda h: ops.log2(_positive(h)),
    "reciprocal": lambda h: ops.reciprocal(_positive(h)),
    "rsqrt": lambda h: ops.rsqrt(_positive(h)),
    "sqrt": lambda h: ops.sqrt(_positive(h)),
    "sqrt of a square": lambda h: ops.sqrt(h * h),
    "clip": _with(ops.clip, -0.5, 0.8),
    "clip at one": _with(ops.clip, -1.0, 1.0),
    "clip at zero": _with(ops.clip, 0.0, 2.0),
    "power of 2": _with(ops.power, 2),
    "power of 3.0": _with(ops.power, 3.0),
    "power of 1": _with(ops.power, 1.0),
    "power of 0": _with(ops.power, 0.0),
    "power": lambda h: ops.power(_positive(h), _other(h)),
    "imag": lambda h: ops.imag(ops.exp(_complex(h))),
    "real of complex": lambda h: ops.real(ops.exp(_complex(h))),
    "abs of complex": lambda h: ops.abs(tf.complex(h, _other(h) + 1)),
    "angle of complex": _angle_axis,
    "conj of complex": lambda h: ops.view_as_real(ops.conj(tf.complex(h, h * h))),
    "polar": lambda h: ops.view_as_real(ops.polar(_positive(h), h)),
    "view_as_real": lambda h: ops.view_as_real(ops.exp(_complex(h))),
    "ravel": lambda h: ops.reshape(ops.ravel(h * h), (-1, h.shape[-1])),
    "custom_gradient": lambda h: ops.custom_gradient(lambda t: (t * t, lambda upstream: upstream * 2 * t))(h),
    "relu difference": lambda h: ops.relu(h) - ops.relu(-h),
    "relu difference squared": lambda h: ops.relu(h) ** 2 - ops.relu(-h) ** 2,
    "relu leaky by hand": lambda h: ops.relu(h) - 0.3 * ops.relu(-h),
    "maximum plus minimum": lambda h: ops.maximum(h, 0.0) + ops.minimum(h, 0.0),
    "abs times sign": lambda h: ops.abs(h) * ops.sign(h),
    "abs squared": lambda h: ops.abs(h) * ops.abs(h),
}

PAIRS: dict[str, Function] = {
    name: _pair(name)
    for name in _words("add subtract multiply maximum minimum fmax fmin hypot logaddexp logaddexp2 arctan2")
} | {
    "arctan2 with one": lambda h: ops.arctan2(h, ops.ones_like(h)),
    "divide": lambda h: ops.divide(h, _positive(h)),
    "true_divide": lambda h: ops.true_divide(h, _positive(h)),
    "divide_no_nan": lambda h: ops.divide_no_nan(ops.sin(h), _positive(h)),
    "divide_no_nan by zero": lambda h: ops.divide_no_nan(h, h),
    "floor_divide": lambda h: ops.floor_divide(h, 0.3) + h,
    "fmod": _with(ops.fmod, 0.3),
    "fmod by h": lambda h: ops.fmod(h, 0.7 + h * h),
    "mod": _with(ops.mod, 0.3),
    "mod by h": lambda h: ops.mod(1.0 + h * h, 0.7 + h * h),
    "heaviside": lambda h: ops.heaviside(h, 0.5) * h,
    "hypot with one": lambda h: ops.hypot(h, ops.ones_like(h)),
    "hypot of equals": lambda h: ops.hypot(h, h + 0.0),
    "hypot with number": _with(ops.hypot, 1.0),
    "ldexp": lambda h: ops.ldexp(h, np.arange(h.shape[-1], dtype="int32") % 3),
    "logaddexp of equals": lambda h: ops.logaddexp(h, h * 1.0),
    "maximum with zero": _with(ops.maximum, 0.0),
    "maximum of equals": lambda h: ops.maximum(h, ops.tanh(h)),
    "maximum of the same": lambda h: ops.maximum(h, h * 1.0),
    "nextafter": lambda h: ops.nextafter(h, h + 1.0),
    "cross": lambda h: ops.cross(h[:, :3], ops.sin(h[:, 1:4])),
    "dot": lambda h: ops.dot(h, _weights(h, h.shape[-1], 2)),
    "outer": _each(lambda h: ops.outer(h, ops.sin(h))),
    "tensordot": lambda h: ops.tensordot(h * h, _weights(h, h.shape[-1], 3), 1),
    "vdot": _each(lambda h: ops.vdot(h, ops.sin(h))),
    "matmul": lambda h: ops.matmul(h[:, None], ops.sin(h)[:, :, None]),
    "einsum": lambda h: ops.einsum("ni,nj->nij", h, ops.sin(h)),
    "where": lambda h: ops.where(h > 0, h * h, ops.sin(h)),
    "where safe root": lambda h: ops.where(h > 0, ops.sqrt(ops.where(h > 0, h, 1.0)), 0.0 * h),
    "select": lambda h: ops.select([h > 0.5, h > -0.5], [h * h, ops.sin(h)], 0.0),
    "cond": _each(lambda h: ops.cond(ops.sum(h) > 100.0, lambda: h, lambda: ops.sin(h) * h)),
    "switch": lambda h: ops.switch(1, [lambda t: t, lambda t: ops.sin(t) * t], h),
    "cast": lambda h: ops.cast(ops.cast(h, "float64"), h.dtype) ** 2,
    "saturate_cast": lambda h: ops.saturate_cast(h, "float64") ** 2,
    "convert_to_tensor": lambda h: ops.convert_to_tensor(h) ** 2,
}

REDUCTIONS: dict[str, Function] = {
    name: _along(name)
    for name in _words(
        "amax amin argmax logsumexp max mean median min nanmax nanmean nanmin nanprod nanstd nansum "
        "nanvar norm prod ptp std sum var cumsum cumprod nancumsum nancumprod"
    )
} | {
    "argmax chosen": lambda h: ops.take_along_axis(h, ops.argmax(h, axis=-1, keepdims=True), axis=-1),
    "argsort": lambda h: ops.take_along_axis(h * h, ops.argsort(h, axis=-1), axis=-1),
    "argpartition": _each(lambda h: ops.take(h * h, ops.argpartition(h, 2))),
    "average": lambda h: ops.average(h * h, axis=-1, weights=np.linspace(-1.0, 2.0, h.shape[-1])),
    "diff": lambda h: ops.diff(h * h, axis=-1),
    "max of squares": lambda h: ops.max(h * h, axis=-1),
    "moments": lambda h: ops.concatenate(ops.moments(h, axes=[-1], keepdims=True), -1),
    "norm 1": _with(ops.norm, ord=1, axis=-1),
    "norm inf": _with(ops.norm, ord=np.inf, axis=-1),
    "norm 3": _with(ops.norm, ord=3, axis=-1),
    "norm beside zero": lambda h: ops.norm(h + 0.5, axis=-1),
    "normalize": _with(ops.normalize, axis=-1),
    "normalize 1": _with(ops.normalize, axis=-1, order=1),
    "normalize beside zero": lambda h: ops.normalize(h + 0.5, axis=-1),
    "percentile": _with(ops.percentile, 40.0, axis=-1),
    "quantile": _with(ops.quantile, 0.4, axis=-1),
    "trapezoid": lambda h: ops.trapezoid(h * h, axis=-1),
    "top_k": lambda h: ops.top_k(h, 2)[0],
    "sort of squares": lambda h: ops.sort(h * h, axis=-1),
    "layer_normalization": _with(ops.layer_normalization, axis=-1),
    "rms_normalization": _with(ops.rms_normalization, axis=-1),
    "batch_normalization": lambda h: ops.batch_normalization(
        h, *(_positive(_weights(h, h.shape[-1])) for _ in range(2)), -1, *(_weights(h, h.shape[-1]) for _ in range(2))
    ),
    "prod of sums": lambda h: ops.prod(h + h * h, axis=-1),
    "categorical_crossentropy": lambda h: ops.categorical_crossentropy(_distribution(_other(h)), _distribution(h)),
    "categorical_crossentropy logits": lambda h: ops.categorical_crossentropy(
        _distribution(_other(h)), h, from_logits=True
    ),
    "categorical_crossentropy axis": lambda h: ops.categorical_crossentropy(
        _distribution(_other(h))[:, :, None] * 1.0, h[:, :, None], from_logits=True, axis=1
    ),
    "binary_crossentropy": lambda h: ops.binary_crossentropy(_part(_other(h)), _part(h)),
    "binary_crossentropy logits": lambda h: ops.binary_crossentropy(_part(_other(h)), h, from_logits=True),
    "sparse_categorical_crossentropy": lambda h: ops.sparse_categorical_crossentropy(
        ops.zeros_like(h[:, 0], "int32") + 1, _distribution(h)
    ),
    "sparse_categorical_crossentropy logits": lambda h: ops.sparse_categorical_crossentropy(
        ops.zeros_like(h[:, 0], "int32") + 1, h, from_logits=True
    ),
    "segment_sum": _segments(ops.segment_sum),
    "segment_max": lambda h: ops.transpose(ops.segment_max(ops.transpose(h), np.arange(h.shape[-1]) % 2, 2)),
    "segment_min": lambda h: ops.transpose(ops.segment_min(ops.transpose(h), np.arange(h.shape[-1]) % 2, 2)),
    "segment_prod": lambda h: ops.transpose(ops.segment_prod(ops.transpose(h), np.arange(h.shape[-1]) // 2, 3)),
    "bincount": lambda h: ops.bincount(ops.zeros_like(h, "int32"), weights=h * h, minlength=2),
    "linspace": lambda h: ops.linspace(h, ops.sin(_other(h)), 3, axis=-1),
    "logspace": lambda h: ops.logspace(0.2 * h, _other(h), 3, axis=-1),
    "geomspace": lambda h: ops.geomspace(_positive(h), h * h + 2.0, 3, axis=0)[1],
    "vander": _each(lambda h: ops.vander(h, 3)),
    "correlate": _each(lambda h: ops.correlate(h, ops.sin(h[:2]), mode="full")),
    "psnr": _each(lambda h: ops.psnr(h, ops.sin(h) + 0.3, 1.0)),
}

SHAPES: dict[str, Function] = {
    "array": lambda h: ops.array(h) ** 2,
    "array_split": lambda h: _joined(ops.array_split(h**2, 2, axis=1)),
    "append": lambda h: ops.append(h, h * h, axis=-1),
    "broadcast_to": _each(lambda h: ops.broadcast_to(h * h, (3, h.shape[-1]))),
    "concatenate": lambda h: ops.concatenate([h, h * h], -1),
    "diag": _each(lambda h: ops.diag(h) ** 2),
    "diagflat": _each(lambda h: ops.diagflat(h) ** 2),
    "dstack": lambda h: ops.dstack([h, h * h]),
    "expand_dims": lambda h: ops.expand_dims(h**2, 1),
    "flip": lambda h: ops.flip(h, 1) * h,
    "fliplr": lambda h: ops.fliplr(h) * h,
    "flipud": _each(lambda h: ops.flipud(h) * h),
    "get_item": lambda h: ops.get_item(h, (slice(None), slice(1, 3))) ** 2,
    "hsplit": lambda h: _joined(ops.hsplit(h**2, 2)),
    "hstack": lambda h: ops.hstack([h, h * h]),
    "map": lambda h: ops.map(lambda row: ops.sin(row) * row, h),
    "meshgrid": _each(lambda h: ops.meshgrid(h, ops.sin(h))[1] * ops.sum(h)),
    "moveaxis": lambda h: ops.moveaxis(h[:, :, None] ** 2, 1, 2),
    "pad": lambda h: ops.pad(h**2, [[0, 0], [1, 2]]),
    "pad reflect": lambda h: ops.pad(h**2, [[0, 0], [1, 2]], mode="reflect"),
    "pad symmetric": lambda h: ops.pad(h**2, [[0, 0], [1, 2]], mode="symmetric"),
    "rearrange": lambda h: ops.rearrange(h**2, "n (a b) -> n a b", a=2),
    "repeat": lambda h: ops.repeat(h**2, 2, axis=1),
    "reshape": lambda h: ops.reshape(h**2, (-1, 2, h.shape[-1] // 2)),
    "roll": lambda h: ops.roll(h, 1, axis=1) * h,
    "rot90": lambda h: ops.rot90(h[:, :, None] ** 2, axes=(1, 2)),
    "scatter": _each(lambda h: ops.scatter([[0], [0]], h[:2] ** 2, [3])),
    "scatter_update": _each(lambda h: ops.scatter_update(h, [[1]], h[:1] ** 2)),
    "slice": _each(lambda h: ops.slice(h, [1], [2]) ** 2),
    "slice_update": _each(lambda h: ops.slice_update(h, [1], h[:2] ** 2)),
    "split": lambda h: _joined(ops.split(h**2, 2, axis=1)),
    "squeeze": lambda h: ops.squeeze(h[:, :, None] ** 2, 2),
    "stack": lambda h: ops.stack([h, h * h], 1),
    "swapaxes": lambda h: ops.swapaxes(h[:, :, None] ** 2, 1, 2),
    "take": lambda h: ops.take(h**2, [0, 0, 2], axis=1),
    "take_along_axis": lambda h: ops.take_along_axis(h**2, ops.zeros_like(h[:, :2], "int32"), axis=1),
    "tile": lambda h: ops.tile(h**2, [1, 2]),
    "transpose": lambda h: ops.transpose(h[:, :, None] ** 2, [0, 2, 1]),
    "tril": lambda h: ops.tril(h[:, :, None] * h[:, None]),
    "triu": lambda h: ops.triu(h[:, :, None] * h[:, None]),
    "unstack": lambda h: ops.stack([(k + 1.0) * part**2 for k, part in enumerate(ops.unstack(h, axis=1))], 1),
    "vectorized_map": lambda h: ops.vectorized_map(lambda row: ops.sin(row) * row, h),
    "view": lambda h: ops.view(h, h.dtype) ** 2,
    "vstack": _each(lambda h: ops.vstack([h, h * h])),
    "vsplit": _each(lambda h: _joined(ops.vsplit(h[:, None] ** 2, 2))),
    "extract_sequences": lambda h: ops.extract_sequences(h**2, 2, 1),
    "while_loop": lambda h: ops.while_loop(lambda i, t: i < 3, lambda i, t: (i + 1, ops.tanh(t) + t), (0, h))[1],
    "fori_loop": lambda h: ops.fori_loop(0, 3, lambda i, t: ops.tanh(t) + t, h),
    "scan": lambda h: ops.transpose(
        ops.scan(lambda c, t: (c + ops.sin(t), c * t), ops.zeros_like(h[:, 0]), ops.transpose(h))[1]
    ),
    "fft": lambda h: _side_by_side(ops.fft((h, ops.sin(h)))) ** 2,
    "rfft": lambda h: _side_by_side(ops.rfft(h)) ** 2,
    "irfft": lambda h: ops.irfft((h[:, :3], ops.sin(h[:, :3]))) ** 2,
    "jvp": lambda h: ops.jvp(ops.sin, (h,), (h * h,))[1],
}

MATRICES: dict[str, Function] = {
    "cholesky": lambda h: ops.cholesky(_spd(h)),
    "cholesky_inverse": lambda h: ops.cholesky_inverse(ops.cholesky(_spd(h))),
    "det": lambda h: ops.det(_regular(h)),
    "det singular": ops.det,
    "eigh": lambda h: ops.eigh(_spd(0.3 * h))[0],
    "eigh vectors": lambda h: ops.square(ops.eigh(_spd(0.3 * h))[1]),
    "eigh of equals": lambda h: ops.sum(ops.square(ops.eigh(ops.matmul(h, ops.swapaxes(h, 1, 2)))[0]), -1),
    "eig": lambda h: ops.real(ops.eig(_spd(0.3 * h))[0]),
    "inv": lambda h: ops.inv(_regular(h)),
    "pinv": lambda h: ops.pinv(_regular(h)),
    "logdet": lambda h: ops.logdet(_spd(h)),
    "slogdet": lambda h: ops.slogdet(_regular(h))[1],
    "lstsq": _each(lambda h: ops.lstsq(_regular(h), h[:, :1])),
    "qr": lambda h: ops.qr(_regular(h))[1],
    "solve": lambda h: ops.solve(_regular(h), h),
    "solve_triangular": lambda h: ops.solve_triangular(ops.tril(_regular(h)), h, lower=True),
    "svd": lambda h: ops.svd(_regular(h), compute_uv=False),
    "svd vectors": lambda h: ops.square(ops.svd(_regular(h))[0]),
    "norm nuclear": lambda h: ops.norm(_regular(h), ord="nuc", axis=(1, 2)),
    "norm 2 of matrices": lambda h: ops.norm(_regular(h), ord=2, axis=(1, 2)),
    "norm of matrices": lambda h: ops.norm(h, axis=(1, 2)),
    "trace": lambda h: ops.trace(h**2, axis1=1, axis2=2),
    "diagonal": lambda h: ops.diagonal(h**2, axis1=1, axis2=2),
    "cdist": lambda h: ops.cdist(h, ops.flip(h, 1) + 1.0),
    "cdist of itself": lambda h: ops.cdist(h, h),
    "glu of matrices": lambda h: ops.glu(ops.concatenate([h, h * h], -1)),
    "dot_product_attention": lambda h: ops.dot_product_attention(h[:, :, None], h[:, :, None], h[:, :, None]),
    "dsplit": lambda h: _joined(ops.dsplit(ops.concatenate([h, h * h], -1), 2)),
    "fft2": lambda h: _side_by_side(ops.fft2((h, ops.sin(h)))) ** 2,
    "ifft2": lambda h: _side_by_side(ops.ifft2((h, ops.sin(h)))) ** 2,
}

SIGNALS: dict[str, Function] = {
    "conv": lambda h: ops.conv(h, _weights(h, 2, h.shape[-1], 2), padding="same") ** 2,
    "conv dilated": lambda h: ops.conv(h, _weights(h, 2, h.shape[-1], 2), dilation_rate=2) ** 2,
    "conv_transpose": lambda h: ops.conv_transpose(h, _weights(h, 2, 2, h.shape[-1]), 2) ** 2,
    "depthwise_conv": lambda h: ops.depthwise_conv(h, _weights(h, 2, h.shape[-1], 1)) ** 2,
    "separable_conv": lambda h: (
        ops.separable_conv(h, _weights(h, 2, h.shape[-1], 1), _weights(h, 1, h.shape[-1], 2)) ** 2
    ),
    "average_pool": lambda h: ops.average_pool(h**2, 2, 1, padding="same"),
    "max_pool": _with(ops.max_pool, 2),
    "max_pool overlapping": lambda h: ops.max_pool(h**2, 2, 1, padding="same"),
    "max_pool three": _with(ops.max_pool, 3, 1, padding="same"),
    "adaptive_average_pool": lambda h: ops.adaptive_average_pool(h**2, 3),
    "adaptive_max_pool": _with(ops.adaptive_max_pool, 3),
    "ctc_loss": lambda h: ops.ctc_loss(
        ops.ones_like(h[:, :2, 0], "int32"),
        h,
        ops.ones_like(h[:, 0, 0], "int32") * 2,
        ops.ones_like(h[:, 0, 0], "int32") * 4,
    ),
    "losses.ctc": lambda h: losses.ctc(ops.ones_like(h[:, :2, 0], "int32"), h),
    "stft": lambda h: _side_by_side(ops.stft(ops.reshape(h, (-1, 12)), 4, 2, 4)) ** 2,
    "istft": lambda h: ops.istft(ops.stft(ops.reshape(h, (-1, 12)), 4, 2, 4), 4, 2, 4) ** 2,
}


def _colours(h: Any) -> Any:
    return ops.sigmoid(ops.concatenate([h, h[..., :1] ** 2 + 0.3], -1))


IMAGES: dict[str, Function] = {
    "conv of images": lambda h: ops.conv(h, _weights(h, 2, 2, 2, 3), padding="same") ** 2,
    "conv_transpose of images": lambda h: ops.conv_transpose(h, _weights(h, 2, 2, 3, 2), 2, padding="same") ** 2,
    "depthwise_conv of images": lambda h: ops.depthwise_conv(h, _weights(h, 2, 2, 2, 2)) ** 2,
    "max_pool of images": lambda h: ops.max_pool(h, 2, 2) ** 2,
    "max_pool of images overlapping": _with(ops.max_pool, 2, 1, padding="same"),
    "max_pool of images valid": lambda h: ops.max_pool(h, 3, 1, padding="valid") ** 2,
    "max_pool of images strided": lambda h: ops.max_pool(h, 3, 2, padding="same") ** 2,
    "average_pool of images": lambda h: ops.average_pool(h**2, 2, 1, padding="same"),
    "adaptive_max_pool of images": _with(ops.adaptive_max_pool, 3),
    "adaptive_average_pool of images": lambda h: ops.adaptive_average_pool(h**2, 3),
    "depth_to_space": lambda h: ops.depth_to_space(ops.concatenate([h, h * h], -1), 2),
    "space_to_depth": lambda h: ops.space_to_depth(h[:, :4, :4] ** 2, 2),
    "unfold": lambda h: ops.unfold(ops.transpose(h, [0, 3, 1, 2]), 2) ** 2,
    "fold": lambda h: ops.fold(ops.unfold(ops.transpose(h[:, :4, :4], [0, 3, 1, 2]), 2) ** 2, (4, 4), 2),
    "image.resize bilinear": lambda h: ops.image.resize(h**2, (5, 3)),
    "image.resize nearest": lambda h: ops.image.resize(h**2, (5, 3), interpolation="nearest"),
    "image.resize bicubic": lambda h: ops.image.resize(h**2, (5, 3), interpolation="bicubic"),
    "image.resize lanczos3": lambda h: ops.image.resize(h**2, (5, 3), interpolation="lanczos3"),
    "image.resize lanczos5": lambda h: ops.image.resize(h**2, (5, 3), interpolation="lanczos5"),
    "image.resize antialias": lambda h: ops.image.resize(h**2, (2, 3), antialias=True),
    "image.resize aspect": lambda h: ops.image.resize(h**2, (5, 5), crop_to_aspect_ratio=True),
    "image.resize padded": lambda h: ops.image.resize(h**2, (5, 6), pad_to_aspect_ratio=True),
    "image.crop_images": lambda h: ops.image.crop_images(h**2, 1, 1, target_height=2, target_width=2),
    "image.pad_images": lambda h: ops.image.pad_images(h**2, 1, 1, 1, 1),
    "image.extract_patches": lambda h: ops.image.extract_patches(h**2, (2, 2)),
    "image.gaussian_blur": lambda h: ops.image.gaussian_blur(h**2, (3, 3), (1.0, 1.0)),
    "image.rgb_to_grayscale": lambda h: ops.image.rgb_to_grayscale(_colours(h)),
    "image.rgb_to_hsv": lambda h: ops.image.rgb_to_hsv(_colours(h)),
    "image.hsv_to_rgb": lambda h: ops.image.hsv_to_rgb(_colours(h)),
    "image.map_coordinates": _each(
        lambda h: ops.image.map_coordinates(h[:, :, 0] ** 2, ops.cast([[0.3, 1.6], [1.2, 2.5]], h.dtype), 1)
    ),
    "image.map_coordinates trained": _each(
        lambda h: ops.image.map_coordinates(h[:, :, 0], 1.5 + ops.tanh(h[:2, :2, 1]), 1)
    ),
    "image.affine_transform": lambda h: ops.image.affine_transform(
        h**2, ops.cast([0.9, 0.1, 0.2, -0.1, 1.1, 0.1, 0.0, 0.0], h.dtype) + 0 * ops.sum(h, (1, 2, 3))[:, None]
    ),
    "image.perspective_transform": _each(
        lambda h: ops.image.perspective_transform(
            h[None] ** 2,
            ops.cast([[[0, 0], [0, 3], [3, 0], [3, 3]]], h.dtype),
            ops.cast([[[0.2, 0], [0, 3], [3, 0.3], [3, 3]]], h.dtype),
        )[0]
    ),
    "image.elastic_transform": lambda h: ops.image.elastic_transform(h**2, 2.0, 2.0, seed=1),
    "image.scale_and_translate": _each(
        lambda h: ops.image.scale_and_translate(
            h**2, h.shape, ops.cast([0.9, 1.1], h.dtype), ops.cast([0.1, 0.2], h.dtype), (0, 1), "linear"
        )
    ),
    "image.sobel_edges": lambda h: ops.image.sobel_edges(h**2),
    "image.ssim": lambda h: ops.image.ssim(_part(h), _part(h**2), 1.0, filter_size=3),
}

VOLUMES: dict[str, Function] = {
    "conv of volumes": lambda h: ops.conv(h, _weights(h, 2, 2, 2, 1, 2), padding="same") ** 2,
    "image.extract_patches_3d": lambda h: ops.image.extract_patches_3d(h**2, (2, 2, 2)),
}

ACTIVATIONS: dict[str, Function] = {
    f"activations.{name}": getattr(activations, name)
    for name in _words(
        "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu "
        "linear log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus "
        "softsign sparse_plus sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink"
    )
} | {
    "activations.threshold": _with(activations.threshold, 0.1, 0.0),
    "activations.relu capped": _with(activations.relu, negative_slope=0.1, max_value=1.0, threshold=0.2),
    "activations.relu above one": _with(activations.relu, threshold=1.0),
}

LOSSES: dict[str, Function] = {
    f"losses.{name}": _loss(getattr(losses, name), target, prediction)
    for name, target, prediction in (
        ("binary_crossentropy", _part, _part),
        ("binary_focal_crossentropy", _part, _part),
        ("categorical_crossentropy", _distribution, _distribution),
        ("categorical_focal_crossentropy", _distribution, _distribution),
        ("categorical_hinge", _distribution, lambda h: h),
        ("circle", lambda h: ops.zeros_like(h[:, 0], "int32"), lambda h: h),
        ("cosine_similarity", lambda h: h, lambda h: h),
        ("hinge", lambda h: h, lambda h: h),
        ("huber", lambda h: h, lambda h: h),
        ("kl_divergence", _distribution, _distribution),
        ("log_cosh", lambda h: h, lambda h: h),
        ("mean_absolute_error", lambda h: h, lambda h: h),
        ("mean_absolute_percentage_error", _positive, lambda h: h),
        ("mean_squared_error", lambda h: h, lambda h: h),
        ("mean_squared_logarithmic_error", _positive, _positive),
        ("poisson", _positive, _positive),
        ("sparse_categorical_crossentropy", lambda h: ops.zeros_like(h[:, 0], "int32") + 1, _distribution),
        ("squared_hinge", lambda h: h, lambda h: h),
    )
}

LOSSES |= {
    "losses.dice": _each(_loss(losses.dice, _part, _part)),
    "losses.tversky": _each(_loss(losses.tversky, _part, _part)),
    "losses.categorical_generalized_cross_entropy": lambda h: losses.categorical_generalized_cross_entropy(
        ops.zeros_like(h[:, 0], "int32") + 1, _distribution(h), 0.7
    ),
}

SHAPES_OF = {"vector": ((4,), (6,)), "matrix": ((3, 3), (4, 4)), "signal": ((4, 3), (8, 3)), "image": ((4, 4, 2),) * 2}
SHAPES_OF |= {"image": ((4, 4, 2), (5, 4, 2)), "volume": ((2, 3, 2, 1), (3, 3, 2, 1))}

# name: (its two shapes, the function)
FUNCTIONS: dict[str, tuple[tuple[tuple[int, ...], ...], Function]] = {
    name: (SHAPES_OF[kind], function)
    for kind, group in (
        ("vector", ELEMENTWISE | PAIRS | REDUCTIONS | SHAPES | ACTIVATIONS | LOSSES),
        ("matrix", MATRICES),
        ("signal", SIGNALS),
        ("image", IMAGES),
        ("volume", VOLUMES),
    )
    for name, function in group.items()
}

# Functions that have no derivative with respect to their inputs, by why.
WITHOUT: dict[str, str] = {
    "makes a constant from shapes or plain numbers": (
        "arange bartlett blackman empty empty_like eye full full_like hamming hanning identity kaiser ones ones_like "
        "tri zeros zeros_like"
    ),
    "returns whole numbers, truth values or classes": (
        "all allclose any argmin bitwise_and bitwise_invert bitwise_left_shift bitwise_not bitwise_or "
        "bitwise_right_shift bitwise_xor count_nonzero ctc_decode digitize equal gcd greater greater_equal histogram "
        "in_top_k isclose isfinite isin isinf isnan isneginf isposinf isreal lcm left_shift less less_equal "
        "logical_and logical_not logical_or logical_xor matrix_rank multi_hot nanargmax nanargmin nonzero not_equal "
        "one_hot right_shift searchsorted signbit unravel_index"
    ),
    "tells of a tensor, or leaves TensorFlow": "convert_to_numpy dtype is_tensor ndim shape size",
    "returns as many numbers as there are different ones": "unique",
    "cannot be traced by Keras's TensorFlow backend on a batch of unknown size": (
        "associative_scan corrcoef inner kron lu_factor nanmedian nanpercentile nanquantile vectorize"
    ),
}
# What Keras itself cannot compute in float64, so that there is no oracle for it. (Nor can it pool volumes.)
ONLY_FLOAT32 = {"exp2", "view_as_complex"}
WITHOUT_IN_ACTIVATIONS = "deserialize get serialize"
# Classes of keras.losses call the functions and reduce over the batch, which couples the inputs.
WITHOUT_IN_LOSSES = "deserialize get serialize"
