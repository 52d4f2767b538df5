"""Rule of the embedding layer."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from ..ops import reshape
from .rule import Apply, Product, Rule, matrix

MAX_TOKENS = 512  # tokens; beyond, one-hot rows [N, T, V] cost more than the gradients of the table [N, V, b]


class Embedding(Rule):
    """z = one-hot rows · table; every token is a position. Tables of more than MAX_TOKENS tokens have no rule."""

    def __init__(self, layer: Any):
        super().__init__(layer)
        self.products = [Product(matrix(layer.embeddings))]

    @classmethod
    def accepts(cls, layer: Any) -> bool:
        return layer.input_dim <= MAX_TOKENS

    def call(self, apply: Apply, x: tf.Tensor, *args: Any, **kwargs: Any) -> tf.Tensor:
        table = self.layer.embeddings
        size, columns = table.shape
        tokens = x if x.dtype in (tf.int32, tf.int64) else tf.cast(x, tf.int32)
        # Negative indices count from the end, as in keras.ops.take.
        tokens = tf.where(tokens < 0, tokens + size, tokens)
        count = tokens.shape[1:].num_elements()
        rows = tf.one_hot(reshape(tokens, [-1, count]), size, dtype=table.dtype)
        return reshape(apply(self.products[0], rows), [-1, *x.shape[1:], columns])
