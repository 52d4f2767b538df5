"""Tests of integer constants that a traced function makes only once."""

import numpy as np
import tensorflow as tf

from ntkbench.engine.ops import Compiled
from ntkbench.engine.ops.shared_constants import shared_constants


def constants(function, *args):
    """Return the values of all constants in the graph of a compiled function."""
    compiled = Compiled(function)
    result = compiled(*args)
    (program,) = compiled._programs.values()
    found = [tf.make_ndarray(op.get_attr("value")) for op in program.run.graph.get_operations() if op.type == "Const"]
    return result, found


def test_equal_integers_are_one_constant():
    def function(x):
        for _ in range(5):
            x = tf.reshape(tf.reshape(x, [3, 2]), [2, 3])
        return x, tf.constant([3, 2]), tf.constant(np.array([3, 2], np.int32))

    (x, listed, array), found = constants(function, tf.reshape(tf.range(6.0), [2, 3]))
    np.testing.assert_array_equal(x, np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(listed, [3, 2])
    np.testing.assert_array_equal(array, [3, 2])
    assert len(found) <= 4  # [3, 2] as an argument, a list and an array; [2, 3] as an argument


def test_values_that_only_compare_equal_are_told_apart():
    def function(x):
        one = [tf.constant(1), tf.constant(1, tf.int64), tf.constant(True), tf.constant([1]), tf.constant(1.0)]
        return [x, *one, tf.constant(np.int64(1)), tf.constant([True]), tf.constant([], tf.int32), tf.constant([])]

    found, _ = constants(function, tf.constant(0.0))
    dtypes = ["float32", "int32", "int64", "bool", "int32", "float32", "int64", "bool", "int32", "float32"]
    assert [each.dtype.name for each in found] == dtypes
    assert [each.shape.rank for each in found] == [0, 0, 0, 0, 1, 0, 0, 1, 1, 1]


def test_a_tape_watches_one_of_two_equal_numbers():
    def function(x):
        with tf.GradientTape() as tape:
            watched, other = tf.constant(2.0), tf.constant(2.0)
            tape.watch(watched)
            y = x * watched + tf.square(other)
        return tape.gradient(y, watched)

    gradient, _ = constants(function, tf.constant(2.1))
    assert float(gradient) == np.float32(2.1)  # 6.1 if both were the same tensor


def test_branches_and_loops_keep_their_own_constants():
    def function(x):
        def body(i, x):
            return i + 1, tf.cond(i > 1, lambda: tf.reshape(x, [3, 2]), lambda: tf.reshape(x + 1, [3, 2]))

        _, x = tf.while_loop(lambda i, x: i < 3, body, [tf.constant(0), tf.reshape(x, [3, 2])])
        return tf.reshape(x, [2, 3])

    found, _ = constants(function, tf.zeros([2, 3]))
    np.testing.assert_array_equal(found, np.full([2, 3], 2.0))


def test_older_control_flow():
    """A constant made in one branch of TensorFlow 1's `cond` has no value in the other."""
    with tf.Graph().as_default() as graph:
        tf.compat.v1.disable_control_flow_v2()
        try:
            with shared_constants():
                given = tf.compat.v1.placeholder(tf.bool, [])
                chosen = tf.compat.v1.cond(given, lambda: tf.constant(7), lambda: tf.constant(7) + 1)
                after = chosen + tf.constant(7)
        finally:
            tf.compat.v1.enable_control_flow_v2()
    with tf.compat.v1.Session(graph=graph) as session:
        assert [session.run(after, {given: value}) for value in (True, False)] == [14, 15]


def test_small_tensors_from_outside_become_constants():
    outside = [tf.constant([3, 2]), tf.constant(2.0)]
    found, _ = constants(lambda x: tf.reshape(x, outside[0]) * outside[1], tf.ones([2, 3]))
    np.testing.assert_array_equal(found, np.full([3, 2], 2.0))
