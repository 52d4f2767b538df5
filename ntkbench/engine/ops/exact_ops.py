"""Replace TensorFlow and Keras operations whose derivatives are wrong or missing.

Each replacement has the values of the original, except that `sinc` is more precise in float64, where Keras rounds π to
float32.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from .moments import moments
from .scopes import shared

# Its package has a function of the same name.
rnn = importlib.import_module("keras.src.backend.tensorflow.rnn")
_resize = tf.image.resize
_reduce_prod = tf.reduce_prod
_cumprod = tf.math.cumprod
_segment_prod = tf.math.unsorted_segment_prod
_max_pool = tf.nn.max_pool
_bessel_i0, _bessel_i1 = tf.math.bessel_i0, tf.math.bessel_i1


def resize(images: Any, size: Any, method: Any = tf.image.ResizeMethod.BILINEAR, *args: Any, **kwargs: Any) -> Any:
    """Resize images as `tf.image.resize` does, [N, h, w, c] -> [N, h', w', c], but as an explicit linear map."""
    methods = tf.image.ResizeMethod
    linear = method in (methods.BILINEAR, methods.BICUBIC, methods.LANCZOS3, methods.LANCZOS5)
    kept = not (args and args[0]) and not kwargs.get("preserve_aspect_ratio")
    if not (linear and kept and tf.is_tensor(images) and len(images.shape) == 4 and images.dtype.is_floating):
        return _resize(images, size, method, *args, **kwargs)
    known, now = images.shape, tf.shape(images)
    height, width = (now[i] if known[i] is None else known[i] for i in (1, 2))

    def matrix(n: Any, to: Any) -> tf.Tensor:
        columns = _resize(tf.eye(n)[None, :, :, None], [to, n], method, *args, **kwargs)
        return tf.cast(columns[0, :, :, 0], images.dtype)

    return tf.einsum("ph,nhwc,qw->npqc", matrix(height, size[0]), images, matrix(width, size[1]))


def softsign(features: Any, name: Any = None) -> Any:
    """Return x / (1 + |x|)."""
    del name
    features = tf.convert_to_tensor(features)
    return features / (1 + tf.abs(features))


def softmax_cross_entropy(labels: Any, logits: Any, axis: int = -1, name: Any = None) -> Any:
    """Return −Σ labels·log softmax(logits). TensorFlow's gradient omits the mixed derivative of labels and logits."""
    del name
    logits = tf.convert_to_tensor(logits)
    return -tf.reduce_sum(tf.cast(labels, logits.dtype) * tf.nn.log_softmax(logits, axis), axis)


def reduce_prod(input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None) -> Any:
    """Return the product over axes, computed pairwise: TensorFlow's second derivative divides by the factors."""
    x = tf.convert_to_tensor(input_tensor)
    rank = x.shape.rank
    if rank is None or not x.dtype.is_floating or tf.is_tensor(axis):
        return _reduce_prod(input_tensor, axis, keepdims, name)
    axes = range(rank) if axis is None else [int(each) % rank for each in np.ravel(axis)]
    if None in [x.shape[each] for each in axes]:
        return _reduce_prod(input_tensor, axis, keepdims, name)
    for each in axes:
        x = _product(x, each)
    return x if keepdims else tf.squeeze(x, list(axes))


def _product(x: tf.Tensor, axis: int) -> tf.Tensor:
    """Return the product over one axis, which is kept with length 1."""
    while (n := x.shape[axis]) > 1:
        first, second, rest = tf.split(x, [n // 2, n // 2, n % 2], axis)
        x = tf.concat([first * second, rest], axis)
    return x if n else _reduce_prod(x, axis, keepdims=True)


def cumprod(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False, name: Any = None) -> Any:
    """Return cumulative products, computed by doubling, because TensorFlow's gradient is 0 wherever a factor is 0."""
    x = tf.convert_to_tensor(x)
    if tf.is_tensor(axis) or x.shape.rank is None or x.shape[axis] is None or not x.dtype.is_floating:
        return _cumprod(x, axis, exclusive, reverse, name)
    axis = int(axis) % x.shape.rank
    n, y = x.shape[axis], tf.reverse(x, [axis]) if reverse else x

    def shifted(y: tf.Tensor, by: int) -> tf.Tensor:
        kept, _ = tf.split(y, [n - by, by], axis)
        _, ones = tf.split(tf.ones_like(y), [n - by, by], axis)
        return tf.concat([ones, kept], axis)

    if exclusive and n:
        y = shifted(y, 1)
    by = 1
    while by < n:
        y, by = y * shifted(y, by), 2 * by
    return tf.reverse(y, [axis]) if reverse else y


def segment_prod(data: Any, segment_ids: Any, num_segments: Any, name: Any = None) -> Any:
    """Return the product of the rows of each segment; like `reduce_prod`, it is correct where a factor is 0."""
    data, ids = tf.convert_to_tensor(data), tf.convert_to_tensor(segment_ids)
    if not data.dtype.is_floating or data.shape.rank is None or ids.shape.rank != 1 or data.shape[0] is None:
        return _segment_prod(data, segment_ids, num_segments, name)
    member = ids[None] == tf.range(num_segments, dtype=ids.dtype)[:, None]
    member = tf.reshape(member, [-1, data.shape[0], *[1] * (data.shape.rank - 1)])
    return reduce_prod(tf.where(member, data[None], tf.ones_like(data)[None]), 1)


def max_pool(input: Any, ksize: Any, strides: Any, padding: Any, data_format: Any = None, name: Any = None) -> Any:
    """Return the maximum of every window; of equal entries the first gets the derivative, as in TensorFlow.

    Windows with stride 1 and padding "SAME" are computed explicitly, because TensorFlow's second derivative, backward
    over backward, is wrong for them.
    """
    x = tf.convert_to_tensor(input)
    rank = 0 if x.shape.rank is None else x.shape.rank
    space = rank - 2
    sizes, steps = ([*np.ravel(each)] for each in (ksize, strides))
    sizes, steps = (each[1:-1] if len(each) == rank else each for each in (sizes, steps))
    sizes, steps = (each * space if len(each) == 1 else each for each in (sizes, steps))
    last = data_format is None or not str(data_format).startswith("NC")
    known = None not in x.shape[1:-1]
    if not (padding == "SAME" and last and known and x.dtype.is_floating and len(sizes) == space and set(steps) == {1}):
        return _max_pool(input, ksize, strides, padding, data_format, name)
    before = [(int(size) - 1) // 2 for size in sizes]
    edges = [[0, 0], *([b, int(size) - 1 - b] for b, size in zip(before, sizes, strict=True)), [0, 0]]
    inside = np.pad(np.ones(x.shape[1:-1], bool), edges[1:-1])[None, ..., None]
    # Not constant_values: when vectorised, tf.pad replaces them by 0.
    padded = tf.where(inside, tf.pad(x, edges), tf.constant(x.dtype.min, x.dtype))
    shape = tf.shape(x)
    windows = tf.stack([tf.slice(padded, [0, *at, 0], shape) for at in np.ndindex(*map(int, sizes))], -1)
    largest = tf.one_hot(tf.argmax(windows, -1), int(np.prod(sizes)), on_value=True, off_value=False)
    return tf.reduce_sum(tf.where(largest, windows, tf.zeros_like(windows)), -1)


def celu(x: Any, alpha: float = 1.0) -> Any:
    """Return x, or α·(exp(x/α) − 1) below 0. Keras's sum of two parts doubles the derivative at 0."""
    x = keras.ops.convert_to_tensor(x)
    positive = x > 0
    return tf.where(positive, x, alpha * tf.math.expm1(tf.where(positive, tf.zeros_like(x), x) / alpha))


_keras_hypot = keras.src.backend.numpy.hypot


def hypot(x1: Any, x2: Any) -> Any:
    """Return √(x1² + x2²) without overflow. Keras's form has a kink where x1 = 0, x2 = 0 or |x1| = |x2|.

    The result does not depend on the scaling factor, so the factor is treated as a constant.
    """
    x1, x2 = keras.ops.convert_to_tensor(x1), keras.ops.convert_to_tensor(x2)
    dtype = tf.dtypes.as_dtype(keras.src.backend.result_type(x1.dtype, x2.dtype))
    if not dtype.is_floating:
        return _keras_hypot(x1, x2)
    x1, x2 = tf.cast(x1, dtype), tf.cast(x2, dtype)
    scale = tf.stop_gradient(tf.maximum(tf.abs(x1), tf.abs(x2)))
    zero = tf.equal(scale, 0)
    scale = tf.where(zero, tf.ones_like(scale), scale)
    squares = tf.square(x1 / scale) + tf.square(x2 / scale)
    return tf.where(zero, tf.zeros_like(squares), scale * tf.sqrt(tf.where(zero, tf.ones_like(squares), squares)))


def sinc(x: Any) -> Any:
    """Return sin(πx)/(πx). Keras's derivatives at 0 are NaN, and it uses a float32 π."""
    x = keras.ops.cast(x, keras.src.backend.result_type(keras.ops.convert_to_tensor(x).dtype, float))
    pi_x = tf.constant(np.pi, x.dtype) * x
    zero = tf.equal(pi_x, 0)
    safe = tf.where(zero, tf.ones_like(x), pi_x)
    return tf.where(zero, 1 - tf.square(pi_x) / 6, tf.sin(safe) / safe)


def ldexp(x1: Any, x2: Any) -> Any:
    """Return x1·2^x2. Keras's gradient is wrong where x1 = 0."""
    x1 = keras.ops.convert_to_tensor(x1)
    x1 = keras.ops.cast(x1, keras.src.backend.result_type(x1.dtype, float))
    return x1 * tf.pow(tf.constant(2, x1.dtype), tf.cast(x2, x1.dtype))


_keras_fmod = keras.src.backend.numpy.fmod


def fmod(x1: Any, x2: Any) -> Any:
    """Return x1 − x2·trunc(x1/x2). Keras's product of sign and remainder has gradient 0 instead of 1 at x1 = 0."""
    remainder = _keras_fmod(x1, x2)
    if not remainder.dtype.is_floating:
        return remainder
    x1, x2 = (tf.cast(keras.ops.convert_to_tensor(each), remainder.dtype) for each in (x1, x2))
    remainder = tf.stop_gradient(remainder)
    found = x1 - tf.stop_gradient(tf.round((x1 - remainder) / x2)) * x2
    return found + tf.stop_gradient(remainder - found)  # equals Keras's value to the last digit


def bessel_i0(x: Any, name: Any = None) -> Any:
    """Return the modified Bessel function I0, whose derivative uses `bessel_i1`."""
    x = tf.convert_to_tensor(x)
    zero = tf.equal(x, 0)
    return tf.where(zero, 1 + tf.square(x) / 4, _bessel_i0(tf.where(zero, tf.ones_like(x), x), name))


def bessel_i1(x: Any, name: Any = None) -> Any:
    """Return the modified Bessel function I1. TensorFlow's derivative at 0 is 1 instead of ½."""
    x = tf.convert_to_tensor(x)
    zero = tf.equal(x, 0)
    return tf.where(zero, x / 2, _bessel_i1(tf.where(zero, tf.ones_like(x), x), name))


def hsv_to_rgb(images: Any, name: Any = None) -> Any:
    """Convert hue, saturation and value to red, green and blue: [..., 3]. TensorFlow's gradient is 0 everywhere.

    Two colours always have a kink at the same hue, so all derivatives there are those towards larger hues.
    """
    del name
    hue, saturation, value = tf.split(tf.convert_to_tensor(images), 3, -1)
    sixth = 6 * hue
    sloping = [tf.floor(sixth) == n for n in range(6)]

    def colour(colour: tf.Tensor, *sixths: int) -> tf.Tensor:
        slopes = tf.logical_or(*(sloping[n] for n in sixths))
        return tf.where(slopes, colour, tf.stop_gradient(tf.clip_by_value(colour, 0, 1)))

    def distance(n: int) -> tf.Tensor:
        return tf.where(sixth >= n, sixth - n, n - sixth)

    wheel = [colour(distance(3) - 1, 1, 4), colour(2 - distance(2), 0, 3), colour(2 - distance(4), 2, 5)]
    return (1 - saturation + saturation * tf.concat(wheel, -1)) * value


def prelu(layer: Any, inputs: Any) -> Any:
    """Return x, or α·x below 0. Keras's difference of two ReLUs has derivative 0 at 0, not one between α and 1."""
    inputs = tf.convert_to_tensor(inputs)
    return tf.where(inputs > 0, inputs, tf.convert_to_tensor(layer.alpha) * inputs)


def no_cudnn(*args: Any, **kwargs: Any) -> bool:
    """Return False, so that LSTM and GRU run as loops on GPUs too.

    cuDNN has no second derivative, and its backward pass overwrites values saved by the forward pass, so that a second
    gradient from the same tape is wrong.
    """
    return False


def plain_loop(self: Any, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
    """Run an LSTM or GRU layer step by step even if it has use_cudnn=True, which Keras itself refuses."""
    mask = mask[0] if keras.tree.is_nested(mask) else mask
    return keras.layers.RNN.inner_loop(self, sequences, initial_state, mask=mask, training=training)


def replacements() -> list[tuple[Any, str, Any]]:
    """Return (module, name, function) of every operation that this module replaces."""
    of_keras = keras.src.backend
    return [
        (tf.nn, "moments", moments),
        (tf.nn, "softsign", softsign),
        (tf.nn, "softmax_cross_entropy_with_logits", softmax_cross_entropy),
        (tf.nn, "max_pool", max_pool),
        (tf.image, "resize", resize),
        (tf, "reduce_prod", reduce_prod),
        (tf.math, "reduce_prod", reduce_prod),
        (tf.math, "cumprod", cumprod),
        (tf.math, "unsorted_segment_prod", segment_prod),
        (tf.math, "bessel_i0", bessel_i0),
        (tf.math, "bessel_i1", bessel_i1),
        (tf.image, "hsv_to_rgb", hsv_to_rgb),
        (keras.layers.PReLU, "call", prelu),
        (of_keras.nn, "celu", celu),
        (of_keras.numpy, "fmod", fmod),
        (of_keras.numpy, "hypot", hypot),
        (of_keras.numpy, "sinc", sinc),
        (of_keras.numpy, "ldexp", ldexp),
        (rnn, "cudnn_ok", no_cudnn),
        (keras.layers.LSTM, "inner_loop", plain_loop),
        (keras.layers.GRU, "inner_loop", plain_loop),
    ]


@shared
def exact_operations() -> Iterator[None]:
    """Make models that are called in this block use the replacements above."""
    exact = replacements()
    original = [getattr(module, name) for module, name, _ in exact]
    try:
        for module, name, function in exact:
            setattr(module, name, function)
        yield
    finally:
        for (module, name, _), function in zip(exact, original, strict=True):
            setattr(module, name, function)
