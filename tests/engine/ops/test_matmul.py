"""The products that differentiate into each other, against TensorFlow's own and closed forms."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings, strategies as st

from ntkbench.engine.ops import matmul

sizes = st.integers(1, 6)


def derivatives(product, x, w):
    """Return a value that mixes all entries, and derivatives of the orders 1 to 3 along a chain, in x and w."""
    with tf.GradientTape(persistent=True) as third:
        third.watch([x, w])
        with tf.GradientTape(persistent=True) as second:
            second.watch([x, w])
            with tf.GradientTape() as first:
                first.watch([x, w])
                value = tf.reduce_sum(tf.sin(product(x, w)))
            g = first.gradient(value, [x, w])
            along = sum(tf.reduce_sum(tf.sin(part)) for part in g)
        h = second.gradient(along, [x, w])
        further = sum(tf.reduce_sum(tf.sin(part)) for part in h)
    return [value, *g, *h, *third.gradient(further, [x, w])]


@settings(max_examples=25, deadline=None)
@given(k=sizes, a=sizes, b=sizes, seed=st.integers(0, 99), least=st.sampled_from([0, 12, 10**9]), few=sizes)
def test_derivatives_up_to_the_third_are_those_of_tensorflow(k, a, b, seed, least, few):
    rng = np.random.default_rng(seed)
    x, w = tf.constant(rng.standard_normal((k, a))), tf.constant(rng.standard_normal((a, b)))
    with mock.patch.object(matmul, "LARGE", least), mock.patch.object(matmul, "FEW", few):
        ours = derivatives(matmul.times, x, w)
    for mine, theirs in zip(ours, derivatives(tf.matmul, x, w), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4), (2, 1, 3, 4), (2, 0, 4)])
def test_on_the_last_axis(shape):
    x, w = np.random.default_rng(0).standard_normal(shape), np.random.default_rng(1).standard_normal((4, 5))
    np.testing.assert_allclose(matmul.on_last_axis(tf.constant(x), tf.constant(w)), x @ w, rtol=1e-12)


def test_forward_mode_too(monkeypatch):
    """The derivative of tr(x·W·x·W) along (dx, dw), against its closed form."""
    monkeypatch.setattr(matmul, "LARGE", 0)
    rng = np.random.default_rng(0)
    x, w, dx, dw = (tf.constant(rng.standard_normal((3, 3))) for _ in range(4))

    @tf.function
    def along():
        with tf.autodiff.ForwardAccumulator([x, w], [dx, dw]) as accumulator:
            y = matmul.times(x, w)
            value = tf.linalg.trace(matmul.times(y, y))
        return accumulator.jvp(value)

    y, dy = x @ w, dx @ w + x @ dw
    np.testing.assert_allclose(along(), 2 * np.trace(y @ dy), rtol=1e-12)


def test_rows_of_unknown_number(monkeypatch):
    monkeypatch.setattr(matmul, "LARGE", 0)
    w = tf.constant(np.arange(6.0).reshape(2, 3))

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 2], tf.float64)])
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = matmul.on_last_axis(x, w)
        return tape.gradient(y, x)

    np.testing.assert_allclose(gradient(np.ones((5, 4, 2))), np.broadcast_to(np.sum(w, 1), (5, 4, 2)))


def test_many_cotangents_of_few_rows_are_many_rows(monkeypatch):
    monkeypatch.setattr(matmul, "LARGE", 0)
    x, w = tf.ones([30, 3]), tf.ones([3, 4])

    def operations():
        graph = tf.function(lambda: matmul.times(x, w), autograph=False).get_concrete_function().graph
        return {operation.type for operation in graph.get_operations()}

    assert "IdentityN" in operations(), "a gradient of its own"
    with matmul.cotangents_side_by_side(10):
        assert "IdentityN" not in operations()
    assert "IdentityN" in operations()


def test_what_xla_compiles_has_plain_products():
    x, w = tf.ones((3, 4)), tf.ones((4, 5))
    with mock.patch.object(matmul, "LARGE", 0), mock.patch.object(matmul, "_times") as transposed:
        matmul.times(x, w)
        assert transposed.call_count == 1
        with matmul.traced_for_xla():
            matmul.times(x, w)
        assert transposed.call_count == 1
