"""TensorFlow operations whose second derivatives are wrong or missing, written out.

`tf.image.resize` (bilinear) drops the second derivative of everything before it, without a word: the operation that is
its gradient is marked as not differentiable. Bicubic resizing and `tf.nn.softsign` have no second derivative at all.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_resize = tf.image.resize


def resize(images: Any, size: Any, method: Any = tf.image.ResizeMethod.BILINEAR, *args: Any, **kwargs: Any) -> Any:
    """Return what `tf.image.resize` does: [N, h, w, c] -> [N, h', w', c], linear in the images and so written."""
    linear = method in (tf.image.ResizeMethod.BILINEAR, tf.image.ResizeMethod.BICUBIC)
    kept = not (args and args[0]) and not kwargs.get("preserve_aspect_ratio")
    if not (linear and kept and tf.is_tensor(images) and len(images.shape) == 4 and images.dtype.is_floating):
        return _resize(images, size, method, *args, **kwargs)
    height, width = images.shape[1:3]
    if height is None or width is None:
        return _resize(images, size, method, *args, **kwargs)

    def matrix(n: int, to: Any) -> tf.Tensor:
        columns = _resize(tf.eye(n)[None, :, :, None], [to, n], method, *args, **kwargs)
        return tf.cast(columns[0, :, :, 0], images.dtype)

    return tf.einsum("ph,nhwc,qw->npqc", matrix(height, size[0]), images, matrix(width, size[1]))


def softsign(features: Any, name: Any = None) -> Any:
    """Return x / (1 + |x|)."""
    del name
    features = tf.convert_to_tensor(features)
    return features / (1 + tf.abs(features))
