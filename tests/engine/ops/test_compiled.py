"""Compiled functions called directly give what `tf.function` gives."""

import numpy as np
import pytest
import tensorflow as tf

from ntkbench.engine.ops import Compiled


def test_tensors_arrays_nests_none_and_constants():
    def function(x, pair, missing, power):
        assert missing is None
        return {"sum": x + pair[0][0], "none": None, "list": [pair[1] ** power, tf.reduce_sum(x)]}

    compiled = Compiled(function)
    x, a, b = np.arange(3.0), tf.constant([1.0, 2.0, 3.0], tf.float64), tf.constant(2.0)
    for _ in range(2):  # the first call traces
        found = compiled(x, ([a], b), None, 3)
        assert found["none"] is None
        assert found["sum"].numpy().tolist() == [1.0, 3.0, 5.0]
        assert [float(each) for each in found["list"]] == [8.0, 3.0]
    assert float(compiled(x, ([a], b), None, 2)["list"][0]) == 4.0


def test_numbers_of_numpy_are_tensors_and_those_of_python_constants():
    traces = []

    def function(x, n):
        traces.append(1)
        return x * tf.cast(n, x.dtype)

    compiled, x = Compiled(function), tf.constant(2.0)
    assert [float(compiled(x, np.int32(n))) for n in range(3)] == [0.0, 2.0, 4.0]
    assert len(traces) == 1
    assert [float(compiled(x, n)) for n in range(3)] == [0.0, 2.0, 4.0]
    assert len(traces) == 4


def test_one_tensor_a_list_and_a_tuple_keep_their_types():
    x = tf.constant([1.0, -2.0])
    assert Compiled(tf.abs)(x).numpy().tolist() == [1.0, 2.0]
    assert isinstance(Compiled(lambda x: [x, x])(x), list)
    assert isinstance(Compiled(lambda x: (x, x))(x), tuple)


@pytest.mark.parametrize(
    "structure", [[1, 2], (1, 2), (1, [2, 3], []), [(), 1], (1, None), [[1], 2], ({"a": 1}, 2), ((1, 2), (3, 4))]
)
def test_the_value_has_the_structure_that_the_function_returns(structure):
    found = Compiled(lambda x: tf.nest.map_structure(lambda n: None if n is None else n * x, structure))(tf.constant(1))
    assert tf.nest.map_structure(lambda part: None if part is None else int(part), found) == structure


def test_a_function_may_return_nothing():
    x = tf.constant(1.0)
    assert Compiled(lambda x: None)(x) is None
    assert Compiled(lambda x: [])(x) == []
    assert Compiled(lambda x: {"a": None})(x) == {"a": None}


def test_each_shape_type_and_structure_is_traced_once():
    traces = []

    def function(x):
        traces.append(1)
        return tf.nest.map_structure(tf.square, x)

    compiled = Compiled(function)
    a, b = tf.ones([2]), tf.ones([3])
    for given in (a, b, tf.ones([2], tf.float64), [a, b], [[a], b], a, b, [a, b], [[a], b], tf.zeros([3])):
        compiled(given)
    assert len(traces) == 5


def test_a_captured_variable_is_read_at_every_call():
    weight = tf.Variable(1.0)
    compiled = Compiled(lambda x: x * weight)
    assert float(compiled(tf.constant(3.0))) == 3.0
    weight.assign(2.0)
    assert float(compiled(tf.constant(3.0))) == 6.0


def test_a_variable_can_be_assigned_inside():
    weight = tf.Variable(1.0)

    def function(x):
        weight.assign(x)
        return weight * 2

    assert float(Compiled(function)(tf.constant(3.0))) == 6.0
    assert float(weight) == 3.0


def test_inside_another_function_and_under_a_tape():
    compiled = Compiled(tf.sin)
    outer = tf.function(lambda x: compiled(x) + 1)
    assert float(outer(tf.constant(0.0))) == 1.0
    x = tf.constant(0.5, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = compiled(x)
    assert float(tape.gradient(y, x)) == pytest.approx(np.cos(0.5), rel=1e-12)


def test_an_error_inside_keeps_its_type():
    compiled = Compiled(lambda x: tf.debugging.check_numerics(x, "found"))
    compiled(tf.constant(1.0))
    with pytest.raises(tf.errors.InvalidArgumentError, match="found"):
        compiled(tf.constant(float("nan")))


@pytest.mark.parametrize("xla", [False, True])
def test_results_are_those_of_tf_function(xla):
    w = tf.Variable(np.random.default_rng(0).standard_normal([64, 64]).astype("float32"))

    def function(x):
        return tf.nn.softmax(tf.tanh(x @ w) @ w)

    x = tf.constant(np.random.default_rng(1).standard_normal([16, 64]).astype("float32"))
    options = {"jit_compile": True} if xla else {}
    np.testing.assert_array_equal(Compiled(function, **options)(x), tf.function(function, **options)(x))


def test_tensor_float_32_that_a_call_switches_on_does_not_reach_the_next_call():
    enabled, enable = (getattr(tf.config.experimental, f"{name}tensor_float_32_execution{end}")
                       for name, end in (("", "_enabled"), ("enable_", "")))  # fmt: skip
    seen = []

    def function(x):
        seen.append(enabled())
        enable(True)
        return 2 * x

    before = enabled()
    try:
        enable(True)
        compiled = Compiled(function)
        assert [float(compiled(x)) for x in (tf.constant(1.0), tf.constant(2.0, tf.float64))] == [2, 4]
        assert seen == [False, False]
    finally:
        enable(before)
