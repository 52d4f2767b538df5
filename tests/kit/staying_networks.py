"""Networks that stay non-linear at every width, each with the argument as its docstring.

"Few scalars": where f is a function of a fixed number of scalars z that trained weights move by order 1 whatever the
width, ∇²f contains f_zz ∇z∇zᵀ, of order 1 beside a gradient of order 1 (Liu, Zhu, Belkin 2020, arXiv 2010.01092).
"""

from __future__ import annotations

import math

import keras
from keras import ops
from known_networks import dense, inputs, stack

from ntkbench import layers

FORMS = {"conv_neck": "image", "token_mix": "sequence", "one_head": "sequence", "four_heads": "sequence"}
"""Of inputs, where they are no vectors."""


class Trained(keras.layers.Layer):
    """h ↦ function(h, s) with trained numbers s of a given shape, which start at `start`."""

    def __init__(self, function, shape=(), start=1.0):
        super().__init__()
        self.function, self.size, self.start = function, shape, start

    def build(self, shape):
        self.s = self.add_weight(shape=self.size, initializer=keras.initializers.Constant(self.start))

    def call(self, h):
        return self.function(h, self.s)


class Backward(keras.layers.Layer):
    """h ↦ W·h with the matrix W of another dense layer, h ↦ Wᵀ·h: weights that are tied."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, h):
        return ops.matmul(h, ops.transpose(self.layer.kernel))


def _output(function, width, input_shape, seed):
    x = inputs(input_shape)
    return keras.Model(x, function(stack(x, (width, width), seed)))


# -- outputs ---------------------------------------------------------------------------------------------------------


def gelu_output(width, *, input_shape, seed):
    """A non-linear output keeps |φ''(f)| ‖∇f‖² of order 1: arXiv 2010.01092, section 3."""
    return _output(ops.gelu, width, input_shape, seed)


def softplus_output(width, *, input_shape, seed):
    """As gelu_output."""
    return _output(ops.softplus, width, input_shape, seed)


def sigmoid_output(width, *, input_shape, seed):
    """As gelu_output; at f ≈ 0 only, where φ'' vanishes, the Hessian at w0 is small."""
    return _output(ops.sigmoid, width, input_shape, seed)


def tanh_output(width, *, input_shape, seed):
    """As sigmoid_output."""
    return _output(ops.tanh, width, input_shape, seed)


def unit_output(width, *, input_shape, seed):
    """f₁/‖(f₁, f₂)‖ is a bent function of two numbers of order 1."""
    x = inputs(input_shape)
    first, second = (stack(x, (width,), seed + 20 * i) for i in range(2))
    return keras.Model(x, first / ops.sqrt(ops.square(first) + ops.square(second) + 0.1))


def trained_gain(width, *, input_shape, seed):
    """g·(v·h)/‖v‖: one trained number multiplies the output, ∂²f/∂g∂w is the direction of ∇f."""
    return _output(Trained(lambda f, s: s * f), width, input_shape, seed)


# -- products and routes ---------------------------------------------------------------------------------------------


def product_of_two(width, *, input_shape, seed):
    """f₁·f₂: its Hessian contains ∇f₁∇f₂ᵀ."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width, width), seed) * stack(x, (width, width), seed + 50))


def difference_of_squares(width, *, input_shape, seed):
    """f₁² − f₂², as a quadratic form in two wide outputs."""
    x = inputs(input_shape)
    first, second = (ops.square(stack(x, (width,), seed + 20 * i)) for i in range(2))
    return keras.Model(x, first - second)


def hyper(width, *, input_shape, seed, primary=8):
    """A wide network makes the weights of a narrow one: linear only where both are wide (arXiv 2003.12193)."""
    x = inputs(input_shape)
    made = dense(primary, seed + 1)(dense(width, seed, "tanh")(x))
    return keras.Model(x, ops.sum(ops.tanh(made) * dense(primary, seed + 2)(x), -1, keepdims=True) / math.sqrt(primary))


def film_of_four(width, *, input_shape, seed):
    """All m units are scaled by mixtures of four conditions: few scalars."""
    x = inputs(input_shape)
    condition = dense(4, seed)(dense(width, seed + 1, "tanh")(x))
    scale = dense(width, seed + 2)(ops.tanh(condition))
    return keras.Model(x, dense(1, seed + 4)(ops.tanh(dense(width, seed + 3)(x) * (1 + scale))))


def mixture(width, *, input_shape, seed, experts=4):
    """Σ p_e(z) f_e with a fixed number of experts and logits z: few scalars."""
    x = inputs(input_shape)
    p = ops.softmax(dense(experts, seed)(dense(width, seed + 1, "tanh")(x)))
    f = dense(experts, seed + 2)(dense(width, seed + 3, "tanh")(x))
    return keras.Model(x, ops.sum(p * f, -1, keepdims=True))


class Top(keras.layers.Layer):
    """p_max·f_max over the experts; the choice itself has no gradient."""

    def call(self, p, f):
        chosen = ops.stop_gradient(ops.one_hot(ops.argmax(p, -1), p.shape[-1], dtype=p.dtype))
        return ops.sum(chosen * p * f, -1, keepdims=True)


def mixture_top_one(width, *, input_shape, seed, experts=4):
    """The product of a gate and an expert, of order 1 each, and jumps where the choice changes."""
    x = inputs(input_shape)
    p = ops.softmax(dense(experts, seed)(dense(width, seed + 1, "tanh")(x)))
    f = dense(experts, seed + 2)(dense(width, seed + 3, "tanh")(x))
    return keras.Model(x, Top()(p, f))


# -- bottlenecks -----------------------------------------------------------------------------------------------------


def conv_neck(width, *, input_shape, seed, k=2):
    """A convolution of two channels between wide ones: a bottleneck (arXiv 2010.01092, section 3)."""
    x = inputs(input_shape)
    h = x
    for number, channels in enumerate((width, k, width)):
        h = layers.Conv2D(channels, 3, activation="tanh", seed=seed + number)(h)
    return keras.Model(x, dense(1, seed + 9)(keras.layers.Flatten()(h)))


def linear_neck(width, *, input_shape, seed, k=1):
    """A layer of one unit without activation: f = z·g, both trained, of order 1."""
    x = inputs(input_shape)
    return keras.Model(x, dense(1, seed + 2)(dense(width, seed + 1, "tanh")(dense(k, seed)(x))))


def deep_autoencoder(width, *, input_shape, seed, k=4):
    """One pixel behind a code of four numbers, the decoder's first matrix tied to the encoder's last."""
    x = inputs(input_shape)
    code = dense(k, seed + 1)
    decoded = Backward(code)(ops.tanh(code(dense(width, seed, "tanh")(x)))) / math.sqrt(k)
    return keras.Model(x, dense(1, seed + 2)(ops.tanh(decoded)))


def narrow_state(width, *, input_shape, seed, k=8):
    """A neural ODE of eight numbers with a wide velocity: a bottleneck at every step."""
    x = inputs(input_shape)
    h, inner, outer = dense(k, seed)(x), dense(width, seed + 1, "tanh"), dense(k, seed + 2)
    for _ in range(4):
        h = h + outer(inner(h)) / 4
    return keras.Model(x, dense(1, seed + 3)(h))


# -- scalars shared by all units -------------------------------------------------------------------------------------


def _rezero(width, input_shape, seed, start):
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    for number in (1, 2):
        branch = dense(width, seed + number, "tanh")(h)
        h = h + Trained(lambda b, s: s * b, start=start)(branch)
    return keras.Model(x, dense(1, seed + 9)(h))


def rezero_of_one(width, *, input_shape, seed):
    """h + αφ(Wh) with a trained α: ∂f/∂α is of order 1, and so is its gradient in W and in the readout."""
    return _rezero(width, input_shape, seed, 1.0)


def rezero(width, *, input_shape, seed):
    """As rezero_of_one, with α = 0 at the start (Bachlechner et al. 2020, arXiv 2003.04887)."""
    return _rezero(width, input_shape, seed, 0.0)


def shared_slope(width, *, input_shape, seed):
    """One trained slope for all units of a layer (PReLU, in a smooth form)."""
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    h = Trained(lambda h, s: ops.softplus(h) - s * ops.softplus(-h), start=0.25)(h)
    return keras.Model(x, dense(1, seed + 1)(h))


def token_mix(width, *, input_shape, seed):
    """A trained 8×8 matrix mixes tokens: each of its entries moves all m channels at once."""
    x = inputs(input_shape)
    h = dense(width, seed, "tanh")(x)
    mixed = Trained(lambda h, s: ops.einsum("ntc,st->nsc", h, s), (8, 8), 0.3)(h)
    return keras.Model(x, dense(1, seed + 1)(keras.layers.Flatten()(ops.tanh(mixed))))


def _attention(width, input_shape, seed, heads):
    x = inputs(input_shape)
    h = dense(width, seed)(x)
    h = h + layers.Attention(width, heads, seed=seed + 1)(h)
    return keras.Model(x, dense(1, seed + 2)(keras.layers.Flatten()(h)))


def one_head(width, *, input_shape, seed):
    """A score q·k/√d is one scalar that weights move by order 1 (arXiv 2506.00846: scores stay random)."""
    return _attention(width, input_shape, seed, 1)


def four_heads(width, *, input_shape, seed):
    """As one_head."""
    return _attention(width, input_shape, seed, 4)


# -- parameterisations and depth -------------------------------------------------------------------------------------


def tied_autoencoder(width, *, input_shape, seed):
    """One pixel of Wᵀφ(Wx): E W_ij φ(W_i·x) is not 0, so f grows as √m, and descent moves each weight by order 1."""
    x = inputs(input_shape)
    hidden = dense(width, seed, "tanh")
    return keras.Model(x, Backward(hidden)(hidden(x))[:, 27:28] / math.sqrt(width))


def mean_field_shallow(width, *, input_shape, seed):
    """f/√m with one hidden layer: features move (Mei, Montanari, Nguyen 2018, arXiv 1804.06561)."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,), seed) / math.sqrt(width))


def mean_field_deep(width, *, input_shape, seed):
    """f/√m with three hidden layers (arXiv 2011.14522)."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,) * 3, seed) / math.sqrt(width))


def plain_keras_deep(width, *, input_shape, seed):
    """Standard parameterisation with three hidden layers: as plain_keras."""
    x = inputs(input_shape)
    h = x
    for i in range(3):
        h = keras.layers.Dense(width, "tanh", kernel_initializer=keras.initializers.LecunNormal(seed + i))(h)
    return keras.Model(x, keras.layers.Dense(1, kernel_initializer=keras.initializers.LecunNormal(seed + 9))(h))


def deep_as_wide(width, *, input_shape, seed):
    """Depth m/32: the kernel is random and moves in training (Hanin, Nica 2019, arXiv 1909.05989)."""
    x = inputs(input_shape)
    return keras.Model(x, stack(x, (width,) * max(width // 32, 1), seed, "relu"))
