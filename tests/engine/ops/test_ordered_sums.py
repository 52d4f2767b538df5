"""Tests of sums that have the same bits in every call."""

import numpy as np
import pytest
import tensorflow as tf

from ntkbench import empirical_ntk
from ntkbench.engine.model import Network
from ntkbench.engine.ops import Compiled, Hoisted
from ntkbench.engine.ops.ordered_sums import ordered_sums
from ntkbench.registry.current import registry
from ntkbench.runner.build import build_with


def sums(graph):
    """Return the number of terms of every sum in a graph."""
    return [len(op.inputs) for op in graph.get_operations() if op.type == "AddN"]


def test_a_sum_begins_with_its_first_term():
    """Terms of different sizes, of which TensorFlow may begin with any whose memory is free."""
    terms = np.float32([1, 2**-24, 2**-24, -1])
    expected = np.float32(0)
    for term in terms:
        expected += term

    @tf.function(autograph=False)
    def ordered(*terms):
        return tf.add_n(terms)

    with ordered_sums():
        found = ordered(*map(tf.constant, terms))
    assert float(found) == float(expected) == 0
    assert float(tf.add_n([tf.constant(term) for term in reversed(terms)])) != 0  # the order matters


@pytest.mark.parametrize("count", [1, 2, 3, 9, 20])
def test_gradients_of_a_tensor_used_often_are_sums_of_two(count):
    def function(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.add_n([tf.sin(i * x) for i in range(1, count + 1)])
        return y, tape.gradient(y, x)

    compiled, x = Compiled(function), np.linspace(-1, 1, 5)
    y, gradient = compiled(tf.constant(x))
    i = np.arange(1, count + 1)[:, None]
    np.testing.assert_allclose(y, np.sin(i * x).sum(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, (i * np.cos(i * x)).sum(0), rtol=1e-12, atol=1e-12)
    (run,) = compiled.runs
    assert set(sums(run.graph)) <= {2}
    assert len(sums(run.graph)) == 2 * (count - 1)


def test_both_parts_of_a_cut_function():
    spec = tf.TensorSpec([3], tf.float64)
    hoisted = Hoisted(lambda c, v: (tf.add_n([v, c, v * c, v]), tf.add_n([c, c, c])), spec, spec)
    carried, other = hoisted.once(tf.constant([1.0, 2, 3], tf.float64))
    np.testing.assert_array_equal(other, [3, 6, 9])
    np.testing.assert_array_equal(hoisted.each(carried, tf.ones(3, tf.float64)), [4, 6, 8])
    assert set(sums(hoisted.cut._traced.graph)) == {2}


def test_outside_the_scope_and_eagerly_nothing_changes():
    inside = tf.function(lambda x: tf.add_n([x, x, x]), autograph=False).get_concrete_function(tf.constant(1.0))
    assert sums(inside.graph) == [3]
    with ordered_sums():
        assert float(tf.add_n([tf.constant(1.0)] * 3)) == 3


@pytest.mark.parametrize("name", ["fc", "cnn", "mlp-mixer", "attention", "rnn"])
def test_kernels_contain_sums_of_two_only(name):
    entry = registry().architectures[name]
    shape = (4, 4, 1) if "image" in entry.inputs else (4, 3) if "sequence" in entry.inputs else (16,)
    model = build_with(entry, 8, shape, "float32", seed=0, params=entry.resolve({}))
    net = Network(model)
    x = np.random.default_rng(0).standard_normal((5, *shape)).astype(np.float32)
    first = empirical_ntk(net, x)
    runs = [run for each in net._cache.values() if isinstance(each, Compiled) for run in each.runs]
    assert runs and all(set(sums(run.graph)) <= {2} for run in runs)
    np.testing.assert_array_equal(first, empirical_ntk(Network(model), x))
