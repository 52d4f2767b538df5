"""Tests of functions that one process traces and another one calls."""

import gc

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from ntkbench.cache_folder import CacheFolder
from ntkbench.engine.ops import Compiled, Hoisted, Saved

X = tf.constant([[0.1, -0.7], [1.3, 2.9]])


def variables(seed):
    rng = np.random.default_rng(seed)
    return [tf.Variable(rng.standard_normal(shape), dtype=tf.float32) for shape in ([2, 2], [2])]


@pytest.fixture
def folder(tmp_path):
    return CacheFolder.opened(tmp_path / "functions")


def entries(folder):
    return {path.name for path in folder.path.iterdir()}


def never(*args):
    raise AssertionError("It was traced.")


def network(w, b):
    def function(x, c):
        with tf.GradientTape() as tape:
            y = tf.reduce_sum(tf.tanh(x @ w + b))
        gradient = tape.gradient(y, w)
        b.assign_add([1.0, 1.0])
        return y, [None, gradient if c is None else c * gradient], (tf.shape(x),)

    return function


@pytest.mark.parametrize("c", [None, 2])
def test_a_saved_function_reads_and_writes_the_variables_of_the_new_model(folder, c):
    first, second = variables(0), variables(1)
    Compiled(network(*first), Saved(folder, "f", first))(X, c)
    expected_b = second[1].numpy() + 1
    expected = Compiled(network(*map(tf.Variable, second)))(X, c)
    found = Compiled(never, Saved(folder, "f", second))(X, c)
    tf.nest.assert_same_structure(found, expected)
    assert found[1][0] is expected[1][0] is None
    pairs = zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True)
    for mine, other in ((mine, other) for mine, other in pairs if other is not None):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(second[1], expected_b)


def test_every_bit_is_the_same(folder):
    model = variables(2)

    def function(x):
        with tf.GradientTape() as tape:
            y = tf.nn.softmax(tf.math.erf(x @ model[0]) + model[1])
        return tape.gradient(y[:, 0], model[0])

    plain = Compiled(function)(X)
    written = Compiled(function, Saved(folder, "f", model))(X)
    for found in (written, Compiled(never, Saved(folder, "f", model))(X)):
        np.testing.assert_array_equal(plain, found)


def test_shapes_types_and_constants_have_their_own_entries(folder):
    def function(x, n):
        return x * n

    arguments = [(X, 2), (X, 3), (X[:1], 2), (tf.cast(X, tf.float64), 2), (X, 2.0), (X, X)]
    before = [Compiled(function, Saved(folder, "f"))(*each) for each in arguments]
    assert len(entries(folder)) == len(arguments)
    for expected, each in zip(before, arguments, strict=True):
        np.testing.assert_array_equal(Compiled(never, Saved(folder, "f"))(*each), expected)
    assert len({Saved(folder, "f").of(part).name for part in (1, 1.0, True, "1", None, (1,), [1])}) == 7
    with pytest.raises(AssertionError, match="traced"):
        Compiled(never, Saved(folder, "g"))(X, 2)


def test_functions_that_hold_other_things_are_not_saved(folder):
    other, data = tf.Variable(2.0), tf.random.normal([50])
    inner = tf.function(lambda x: x + 1)
    functions = [lambda x: x * other, lambda x: x * tf.reduce_sum(data), inner, lambda x: {"a": x}]
    for function in functions:
        Compiled(lambda x, function=function: function(x), Saved(folder, "f"))(X)
    assert entries(folder) == set()


def test_a_damaged_entry_is_traced_again(folder):
    def traced(x):
        traces.append(1)
        return x + 1

    traces = []
    for content in (None, b"", b"x" * 100):
        Compiled(traced, Saved(folder, "f"))(X)
        (path,) = folder.path.iterdir()
        if content is not None:
            path.write_bytes(content)
    Compiled(traced, Saved(folder, "f"))(X)
    assert len(traces) == 3


def test_a_function_may_be_restored_twice_and_is_forgotten_with_its_last_user(folder):
    Compiled(lambda x: x + 1, Saved(folder, "f"))(X)
    users = [Compiled(never, Saved(folder, "f")) for _ in range(2)]
    for user in users:
        user(X)
    name = users[0].runs[0]
    while users:
        assert context.context().has_function(name)
        np.testing.assert_array_equal(users.pop()(X), X + 1)
        gc.collect()
    del user
    gc.collect()
    assert not context.context().has_function(name)


def test_both_parts_of_a_hoisted_function_are_saved_together(folder):
    def function(w):
        return lambda c, v: (tf.tanh(c @ w) @ v, [(c + 1, tf.exp(c))])

    def hoisted(function, model):
        specs = tf.TensorSpec([2, 2]), tf.TensorSpec([2, None])
        return Hoisted(function, *specs, Saved(folder, "f", model))

    first, second = variables(3), variables(4)
    made = hoisted(function(first[0]), first)
    assert made.cut is not None
    made.about = {"size": 5}
    made.each(made.once(X)[0], X)
    assert len(entries(folder)) == 1

    again = hoisted(never, second)
    assert again.about == {"size": 5}
    carried, others = again.once(X)
    expected, constants = function(second[0])(X, X)
    np.testing.assert_allclose(again.each(carried, X), expected, rtol=1e-6)
    assert type(others) is list
    np.testing.assert_array_equal(others[0][0], constants[0][0])
    np.testing.assert_allclose(others[0][1], constants[0][1], rtol=1e-6)


def test_parts_run_as_functions_of_tensorflow_where_there_are_other_devices(monkeypatch):
    model = variables(3)
    specs = tf.TensorSpec([2, 2]), tf.TensorSpec([2, None])
    hoisted = Hoisted(lambda c, v: (tf.tanh(c @ model[0]) @ v, [c + 1]), *specs)
    carried, others = hoisted.once(X)
    direct = hoisted.each(carried, X)
    visible = tf.config.get_visible_devices
    monkeypatch.setattr(
        tf.config, "get_visible_devices", lambda kind=None: visible() if kind == "GPU" else visible(kind)
    )
    carried, found = hoisted.once(X)
    np.testing.assert_array_equal(hoisted.each(carried, X), direct)
    np.testing.assert_array_equal(found[0], others[0])
