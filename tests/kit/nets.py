"""Small models in float64, and oracles for them that use first derivatives in the weights alone.

An oracle calls the model and one tape, nothing of ntkbench: rows of the Jacobian are gradients of single outputs, and
products with the Hessian are central differences of the gradient.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from ntkbench.engine.model.casting import dtype_policy
from ntkbench.registry.current import registry

SHAPES = {"vector": (6,), "image": (5, 5, 1), "sequence": (4, 3)}
STEP = 1e-4  # of the differences along a unit vector: of order STEP⁴ + 1e-16/STEP, so about 1e-12


def build(name, width=8, *, seed=1, precision="float64", **given):
    """Return a registered architecture at a small input shape."""
    entry = registry().get("architectures", name)
    options = entry.resolve(given)
    shape = SHAPES[entry.inputs[0]]
    with dtype_policy(precision):
        return entry.load()(width, input_shape=shape, outputs=entry.outputs, seed=seed, **options)


def probes(name="fc", n=3, seed=0):
    """Return inputs [n, ...] of the form that the architecture wants, with entries N(0, 1)."""
    shape = SHAPES[registry().get("architectures", name).inputs[0]]
    return np.random.default_rng(seed).standard_normal((n, *shape))


def sequential(shape, *layers, dtype="float64", seed=3):
    """Return a float64 Keras model; `layers` are functions that make its layers. Biases and norms are drawn too."""
    keras.utils.set_random_seed(seed)
    with dtype_policy("float64"):
        model = keras.Sequential([keras.Input(shape, dtype=dtype), *(make() for make in layers)])
    return scrambled(model)


def scrambled(model, seed=3):
    """Return the model with noise added to all weights, so that no bias is zero and no gain is one."""
    rng = np.random.default_rng(seed)
    model.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


class Oracle:
    """First derivatives of a model by a single tape, and differences of them."""

    def __init__(self, model, output=0, *, compiled=True):
        self.model, self.output = model, output
        keras_or_tf = model.trainable_variables
        self.variables = [v.value if isinstance(v, keras.Variable) else v for v in keras_or_tf]
        self.sizes = [int(np.prod(v.shape)) for v in self.variables]
        self.theta = self.now()
        self._gradient = tf.function(self._tape, autograph=False) if compiled else self._tape

    def now(self):
        return np.concatenate([v.numpy().ravel() for v in self.variables])

    def split(self, vector):
        parts = np.split(np.asarray(vector), np.cumsum(self.sizes)[:-1])
        return [part.reshape(v.shape) for part, v in zip(parts, self.variables, strict=True)]

    def assign(self, vector):
        for v, part in zip(self.variables, self.split(vector), strict=True):
            v.assign(part)

    def _call(self, x):
        y = self.model(x, training=False) if isinstance(self.model, keras.Layer) else self.model(x)
        return tf.reshape(y, [tf.shape(y)[0], -1])

    def _tape(self, x, unit):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.gather(self._call(x), unit, axis=1))
        found = tape.gradient(value, self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.concat([tf.reshape(tf.convert_to_tensor(g), [-1]) for g in found], 0)

    def gradient(self, x, unit=None):
        """∇_w Σ_n f(w; x_n): [P]."""
        return self._gradient(tf.constant(x), tf.constant(self.output if unit is None else unit)).numpy()

    def jacobian(self, x, units=(0,)):
        """[N, O, P]."""
        return np.array([[self.gradient(x[n : n + 1], o) for o in units] for n in range(len(x))])

    def f(self, x):
        return self._call(tf.constant(x)).numpy()[:, self.output]

    def hvp(self, x, v):
        """H·v by the five-point difference of the gradient along v."""
        length = np.linalg.norm(v)
        v = v / length

        def at(t):
            self.assign(self.theta + t * STEP * v)
            return self.gradient(x)

        try:
            return length * (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)
        finally:
            self.assign(self.theta)

    def hessian(self, x):
        """[P, P] for the sum over x."""
        h = np.array([self.hvp(x, row) for row in np.eye(len(self.theta))])
        return (h + h.T) / 2
