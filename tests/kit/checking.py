"""A model's kernel, Hessian-vector products and Hessian norms against differences, in float64.

The oracle (nets.py) calls the model and a tape for its gradient. That gradient is compared with differences of the
outputs, and second derivatives are differences of it: nothing of ntkbench is among the references.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from nets import Oracle, scrambled

import ntkbench as nb
from ntkbench.engine.model.casting import dtype_policy, in_precision
from ntkbench.engine.model.network import network
from ntkbench.engine.rules.rule import rule_for
from ntkbench.engine.structure.factors import factors
from ntkbench.engine.structure.structure import structure_of

TOLERANCE = 1e-9  # relative, of everything in float64
STEP = 1e-3  # of the differences of outputs along a unit vector: of order STEP⁴ + 1e-16/STEP


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def tokens(*shape, below=5, seed=0):
    return np.random.default_rng(seed).integers(0, below, shape).astype("int32")


def functional(shape, call, *, dtype="float64", seed=3):
    """Return the float64 model of a function of one symbolic input, all weights drawn."""
    keras.utils.set_random_seed(seed)
    with dtype_policy("float64"):
        x = keras.Input(shape, dtype=dtype)
        model = keras.Model(x, call(x))
    return scrambled(model)


def alone(make, shape, *, dtype="float64", outputs=2):
    """Return input → layer → flatten → tanh of fixed weighted sums, for the layer that `make` makes."""

    def call(x):
        h = keras.layers.Flatten()(make()(x))
        return keras.layers.Dense(outputs, "tanh", use_bias=False, trainable=False)(h)

    model = functional(shape, call, dtype=dtype)
    *_, kernel = head = model.layers[-1].get_weights()
    model.layers[-1].set_weights([normal(*kernel.shape, seed=9) / len(kernel) ** 0.5 for _ in head])
    return model


def same(found, expected, tolerance=TOLERANCE, scale=None):
    scale = np.linalg.norm(expected) if scale is None else scale
    assert np.shape(found) == np.shape(expected)
    assert np.linalg.norm(np.asarray(found, np.float64) - expected) <= tolerance * scale


def is_complete(model, x):
    net = network(model)
    return structure_of(net, net.inputs(x)).complete


def check(model, x, *, complete=True, kernels=("full",), samples=2, float32=False):
    """Compare everything at the inputs x: [3, ...]; the kernel is between the first two of them and the others.

    complete: whether rules account for all weights.   kernels: among "full", "trace" and 1, one output unit.
    samples: how many Hessian norms to compare.   float32: compare a copy of the model in float32 as well.
    """
    oracle = Oracle(model)
    units = range(int(np.prod(model(x[:1]).shape[1:])))
    jacobian = oracle.jacobian(x, units)
    check_gradient(oracle, x, jacobian[:, 0])
    assert is_complete(model, x) is complete
    route = "structured" if complete else "auto"
    check_kernel(model, x, jacobian, kernels, route)
    check_hvp(model, x[:1], oracle)
    hessians = [oracle.hessian(x[n : n + 1]) for n in range(samples)]
    method = "factored" if complete else "hvp"
    check_norm(model, x[:samples], hessians, method)
    if float32:
        other = in_precision(model, "float32")
        small = x if x.dtype.kind == "i" else x.astype("float32")
        assert is_complete(other, small) is complete
        check_kernel(other, small, jacobian, ("trace",), route, 1e-4)
        check_norm(other, small[:samples], hessians, method, 1e-3)


def check_factors(model, x):
    """Compare gradients sample by sample, from rows and cotangents of all layers, with the model's own: x [3, ...].

    Nothing is compiled, so this is the check for the many forms of a layer.
    """
    oracle, net = Oracle(model, compiled=False), network(model)
    jacobian = oracle.jacobian(x)[:, 0]
    check_gradient(oracle, x, jacobian)
    structure = structure_of(net, net.inputs(x))
    assert structure.complete
    found = {id(v): np.zeros([len(x), *v.shape]) for v in net.variables}
    for factor in factors(net, structure.rules, net.inputs(x)):
        for variable, tensor in factor.product.write(tf.matmul(factor.a, factor.g, transpose_a=True)):
            found[id(variable.value)] += tensor.numpy()
    same(np.concatenate([found[id(v)].reshape(len(x), -1) for v in net.variables], 1), jacobian)


def check_gradient(oracle, x, rows):
    v = normal(rows.shape[1], seed=7)
    v /= np.linalg.norm(v)

    def f(t):
        oracle.assign(oracle.theta + t * STEP * v)
        return oracle.f(x)

    slope = (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * STEP)
    oracle.assign(oracle.theta)
    same(rows @ v, slope, 1e-8, np.linalg.norm(rows))


def check_kernel(model, x, jacobian, kernels, method, tolerance=TOLERANCE):
    full = np.einsum("nop,mqp->nmoq", jacobian, jacobian)
    expected = {"full": full[:2, 1:], "trace": np.einsum("nmoo->nm", full), 1: full[:2, 1:, -1, -1]}
    for outputs in kernels:
        others = () if outputs == "trace" else (x[1:],)
        first = x if outputs == "trace" else x[:2]
        unit = full.shape[2] - 1 if outputs == 1 else outputs
        same(nb.empirical_ntk(model, first, *others, outputs=unit, method=method), expected[outputs], tolerance)


def check_hvp(model, x, oracle, mode="auto", tolerance=TOLERANCE):
    for seed in range(2):
        v = normal(len(oracle.theta), seed=seed)
        v /= np.linalg.norm(v)
        found = nb.hvp(model, x, oracle.split(v), output=oracle.output, mode=mode)
        expected = oracle.hvp(x, v)
        # differences of a gradient of order one are good to 1e-11
        scale = max(np.linalg.norm(expected), 1e-2)
        same(np.concatenate([part.ravel() for part in found]), expected, tolerance, scale)


def check_norm(model, x, hessians, method, tolerance=TOLERANCE):
    expected = np.array([np.abs(np.linalg.eigvalsh(h)).max() for h in hessians])
    found = nb.hessian_norm(model, x, method=method, tol=tolerance / 4)
    assert found.method == method
    assert found.converged.all()
    assert (np.abs(found.value - expected) <= tolerance * expected).all()


def check_rule(make, x):
    """Compare one layer's rule with the layer: its outputs, and gradients sample by sample from rows and cotangents.

    The layer's own gradients are compared with differences of its outputs.
    """
    keras.utils.set_random_seed(3)
    with dtype_policy("float64"):
        layer = make()
        expected = layer(tf.constant(x))
    layer.set_weights([w + 0.3 * normal(*w.shape, seed=5) for w in layer.get_weights()])
    rule, uses = rule_for(layer), []
    assert rule is not None
    expected = layer(tf.constant(x))
    c = tf.constant(normal(*expected.shape, seed=6))
    with tf.GradientTape() as tape:

        def apply(product, a):
            flat = len(a.shape) == 3
            a = product.scale * (a[:, :, None] if flat else a)
            z = product.apply(a)
            tap = tf.zeros_like(z)
            tape.watch(tap)
            uses.append((product, a, tap))
            return (z + tap)[:, :, 0] if flat else z + tap

        found = rule.call(apply, tf.constant(x))
        target = tf.reduce_sum(c * found)
    same(found, expected.numpy(), 1e-12)
    cotangents = tape.gradient(target, [tap for _, _, tap in uses])
    gradients = {}
    for (product, a, _), g in zip(uses, cotangents, strict=True):
        rows = tf.transpose(product.rows(a), [0, 2, 1, 3])
        matrices = tf.matmul(rows, tf.transpose(g, [0, 2, 1, 3]), transpose_a=True)
        for variable, tensor in product.write(matrices):
            gradients[variable.path] = gradients.get(variable.path, 0) + tensor
    assert set(gradients) == {v.path for v in layer.trainable_variables}
    for n in range(len(x)):
        with tf.GradientTape() as tape:
            target = tf.reduce_sum(c[n] * layer(tf.constant(x[n : n + 1]))[0])
        plain = tape.gradient(target, [v.value for v in layer.trainable_variables])
        for variable, gradient in zip(layer.trainable_variables, map(tf.convert_to_tensor, plain), strict=True):
            same(gradients[variable.path][n], gradient.numpy(), scale=1 + np.linalg.norm(gradient))
            slope = _slope(layer, variable, tf.constant(x[n : n + 1]), c[n])
            direction = normal(*variable.shape, seed=8)
            assert abs(np.sum(gradient * direction) - slope) <= 1e-8 * (1 + abs(slope))


def _slope(layer, variable, x, c):
    """The derivative of ⟨c, layer(x)⟩ along a direction of one variable."""
    before, direction = variable.numpy(), normal(*variable.shape, seed=8)

    def f(t):
        variable.assign(before + t * STEP * direction)
        return float(tf.reduce_sum(c * layer(x)[0]))

    slope = (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * STEP)
    variable.assign(before)
    return slope
