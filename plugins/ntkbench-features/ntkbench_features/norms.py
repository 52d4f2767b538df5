"""Norms of vectors of any size, whose squares neither overflow nor are rounded to 0."""

import tensorflow as tf


def norm(x):
    """Return the norms over the last axis of a tensor: [..., d] → [..., 1]."""
    largest = tf.reduce_max(tf.abs(x), -1, keepdims=True)
    return largest * tf.norm(tf.math.divide_no_nan(x, largest), axis=-1, keepdims=True)


def direction(x):
    """Return x / |x| over the last axis of a tensor, 0 for a vector of zeros: [..., d] → [..., d]."""
    x = tf.math.divide_no_nan(x, tf.reduce_max(tf.abs(x), -1, keepdims=True))
    return tf.math.divide_no_nan(x, tf.norm(x, axis=-1, keepdims=True))
