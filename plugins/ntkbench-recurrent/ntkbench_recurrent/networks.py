"""Finite recurrent networks in the NTK parameterisation, on sequences of equal and of different length.

Steps are unrolled, because second derivatives of loops fail in compiled graphs. Of ragged sequences, masked steps leave
the state as it is.
"""

import contextlib
import sys

import keras

from ntkbench import layers

from .kernels import rntk

DEEP = 100_000  # recursion limit while a model is made; Keras recurses through every layer of every step


def recurrent(
    width,
    *,
    input_shape,
    outputs=1,
    seed,
    depth=1,
    activation="erf",
    init="gaussian",
    weight_std=2**0.5,
    input_std=1.0,
    bias_std=0.0,
    output_std=1.0,
    pooling="none",
    direction="forward",
):
    """Build the recurrent network whose limit is the kernel `rntk` of the same parameters.

    Args:
        width: Units of each state.
        input_shape: Shape of one input, (T, m), or {"values": (T, m), "mask": (T,)}.
        outputs: Number of outputs.
        seed: Seed of the weights.
        depth: Number of recurrent layers.
        activation: Activation of the states.
        init: "gaussian" or "orthogonal", for all matrices but those that read the inputs and the readout.
        weight_std: Standard deviation of the recurrent weights.
        input_std: Standard deviation of the input weights.
        bias_std: Standard deviation of the biases.
        output_std: Standard deviation of the readout weights.
        pooling: "none", "untied" or "tied"; see `rntk`.
        direction: "forward", "backward" or "bidirectional".

    Returns:
        A Keras model [N, T, m], or of its ragged inputs, → [N, outputs].

    Source: Alemohammad et al. 2021 (arXiv 2006.10246) and 2020 (arXiv 2012.04859).
    """
    make = _Maker(seed, bias_std)

    def simple(x, number):
        inputs = _steps(make.dense(width, input_std, init if number else "gaussian", bias=True)(x))
        recurrent = make.dense(width, weight_std, init)

        def step(t, state):
            g = inputs[t] if state is None else keras.layers.Add()([recurrent(state[0]), inputs[t]])
            return (layers.Activation(activation)(g),)

        return step

    return _model(make, simple, input_shape, outputs, depth, output_std, pooling, direction)


def gru(width, *, input_shape, outputs=1, seed, depth=1):
    """Build a network of gated recurrent units, h ← (1 − z) h + z tanh(U x + W (r h)), z and r = sigmoid(U x + W h).

    Its tangent kernel has no closed form. The arguments are those of `recurrent`. Source: Cho et al. 2014
    (arXiv 1406.1078).
    """
    make = _Maker(seed)

    def cell(x, number):
        inputs = [_steps(make.dense(width)(x)) for _ in range(3)]
        states = [make.dense(width) for _ in range(3)]

        def step(t, state):
            h = None if state is None else state[0]
            z, r = (_gate("sigmoid", inputs[k][t], states[k], h) for k in (0, 1))
            new = _gate("tanh", inputs[2][t], states[2], None if h is None else _product(r, h))
            if h is None:
                return (_product(z, new),)
            return (keras.layers.Add()([h, _product(z, keras.layers.Subtract()([new, h]))]),)

        return step

    return _model(make, cell, input_shape, outputs, depth)


def lstm(width, *, input_shape, outputs=1, seed, depth=1):
    """Build a network of long short-term memory: c ← f c + i tanh(U x + W h), h = o tanh(c).

    The gates are i, f, o = sigmoid(U x + W h). Its tangent kernel has no closed form. The arguments are those of
    `recurrent`. Source: Hochreiter, Schmidhuber 1997; Gers, Schmidhuber, Cummins 2000 for the gate f.
    """
    make = _Maker(seed)

    def cell(x, number):
        inputs = [_steps(make.dense(width)(x)) for _ in range(4)]
        states = [make.dense(width) for _ in range(4)]

        def step(t, state):
            h, c = (None, None) if state is None else state
            i, f, o = (_gate("sigmoid", inputs[k][t], states[k], h) for k in range(3))
            new = _product(i, _gate("tanh", inputs[3][t], states[3], h))
            c = new if c is None else keras.layers.Add()([_product(f, c), new])
            return _product(o, layers.Activation("tanh")(c)), c

        return step

    return _model(make, cell, input_shape, outputs, depth)


class _Maker:
    """Makes layers with seeds of their own."""

    def __init__(self, seed, bias_std=0.0):
        self.seed, self.bias_std = seed, bias_std

    def dense(self, units, weight_std=1.0, init="gaussian", bias=False):
        self.seed += 1
        options = {"use_bias": True, "bias_std": self.bias_std} if bias and self.bias_std else {}
        return layers.Dense(units, weight_std=weight_std, init=init, seed=self.seed, **options)


def _model(make, cell, input_shape, outputs, depth, output_std=1.0, pooling="none", direction="forward"):
    """Return the model of a stack of cells for each direction, with a readout of its own."""
    ragged = isinstance(input_shape, dict)
    dtype = keras.config.dtype_policy().compute_dtype
    x = keras.Input(input_shape["values"] if ragged else input_shape, dtype=dtype, name="values")
    mask = keras.Input(input_shape["mask"], dtype="bool", name="mask") if ragged else None
    readouts = []
    for way in ("forward", "backward") if direction == "bidirectional" else (direction,):
        h = x if way == "forward" else _reversed(x, mask)
        for number in range(depth):
            states = _states(cell(h, number), h.shape[1], mask)
            h = keras.ops.stack(states, axis=1) if number + 1 < depth or pooling != "none" else states[-1]
        if pooling != "none":
            h = _pooled(h, mask, pooling)
        readouts.append(make.dense(outputs, output_std)(h))
    f = readouts[0] if len(readouts) == 1 else keras.layers.Add()(readouts)
    with _deep_recursion():
        return keras.Model({"values": x, "mask": mask} if ragged else x, f)


@contextlib.contextmanager
def _deep_recursion():
    """Let Keras sort the layers of many steps, which it does by recursion."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEP))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _states(step, steps, mask):
    """Return the state after each step; a masked step leaves it as it is. The first step is never masked."""
    exists = None if mask is None else _steps(keras.ops.expand_dims(mask, -1))
    state, found = None, []
    for t in range(steps):
        new = step(t, state)
        if exists is not None and t:
            new = tuple(keras.ops.where(exists[t], after, before) for after, before in zip(new, state, strict=True))
        state = new
        found.append(state[0])
    return found


def _pooled(h, mask, pooling):
    """Return the mean over the steps [N, n], or the scaled states of all steps [N, T n] for a readout of each."""
    if mask is not None:
        exists = keras.ops.expand_dims(keras.ops.cast(mask, h.dtype), -1)
        share = exists * h.shape[1] / keras.ops.sum(exists, axis=1, keepdims=True)  # on average 1 over all T steps
        h = h * (share if pooling == "tied" else keras.ops.sqrt(share))
    return keras.ops.mean(h, axis=1) if pooling == "tied" else keras.layers.Flatten()(h)


def _reversed(x, mask):
    """Return the existing steps in reverse order, and the others behind them."""
    if mask is None:
        return keras.ops.flip(x, axis=1)
    steps = keras.ops.arange(x.shape[1])
    length = keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1, keepdims=True)
    order = keras.ops.where(keras.ops.less(steps, length), keras.ops.subtract(length - 1, steps), steps)
    return keras.ops.take_along_axis(x, keras.ops.expand_dims(order, -1), axis=1)


def _steps(x):
    """Return the steps of [N, T, n]: T tensors [N, n]."""
    return keras.ops.unstack(x, axis=1)


def _gate(activation, from_input, dense, h):
    """Return activation(U x + W h), where there is no state h before the first step."""
    return layers.Activation(activation)(from_input if h is None else keras.layers.Add()([dense(h), from_input]))


def _product(a, b):
    return keras.layers.Multiply()([a, b])


def limit(
    *,
    depth,
    activation,
    weight_std,
    input_std,
    bias_std,
    output_std,
    pooling,
    direction,
):
    """Return the limit of the tangent kernel of `recurrent`; Gaussian and orthogonal weights have the same."""
    return rntk(
        depth=depth,
        activation=activation,
        weight_std=weight_std,
        input_std=input_std,
        bias_std=bias_std,
        output_std=output_std,
        pooling=pooling,
        direction=direction,
    )
