"""Networks that differ in what comes out, vectors [N, d] → [N, outputs].

D is a dense layer: weights N(0, 1), times 1/√fan-in, no biases. Activations are tanh.
"""

import math

import keras
import numpy as np
from keras import ops

from ntkbench import NtkbenchError

from .common import Maker, add, array_input, numbers


def build_autoencoder(width, *, input_shape, outputs=1, seed, k=4):
    """Build D φ D code D φ D with a linear code of `k` units, and return the first `outputs` reconstructed inputs.

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), on bottlenecks.
    """
    make, x = Maker(seed), array_input(input_shape)
    code = make.dense(k)(make.dense(width, "tanh")(x))
    return keras.Model(x, make.readout(make.dense(width, "tanh")(code), outputs))


def build_coupling(width, *, input_shape, outputs=1, seed, layers=3):
    """Build additive couplings of the two halves of the input: b ← b + D φ D a, then swap a and b.

    Returns the first `outputs` entries of the half that the last layer changed.

    Source: Dinh, Krueger, Bengio 2014 (arXiv 1410.8516).
    """
    make, x = Maker(seed), array_input(input_shape)
    half = input_shape[0] // 2
    if outputs > half:
        raise NtkbenchError(
            f"Inputs of {input_shape[0]} entries give at most {half} outputs, but {outputs} are needed."
        )
    a, b = x[:, :half], x[:, half:]
    for _ in range(layers):
        a, b = add(b, make.dense(b.shape[1])(make.dense(width, "tanh")(a))), a
    return keras.Model(x, a[:, :outputs])


VISCOSITY = 0.1


def build_pinn(width, *, input_shape, outputs=1, seed, residual="burgers"):
    """Build the residual of a differential equation along one direction e of the input, of u = D φ D φ D x.

    burgers: u u_e − ν u_ee; linear: u_e − ν u_ee; gradient: u_e, the force of an energy u. Here ν = 0.1 and
    e = (1, …, 1)/√d. Derivatives in e are carried through the layers by formula.

    Source: Raissi, Perdikaris, Karniadakis 2017 (arXiv 1711.10561).
    """
    make, x = Maker(seed), array_input(input_shape)
    first, second = 0 * x + numbers(np.full(input_shape, 1 / math.sqrt(input_shape[0]))), 0 * x
    jet = (x, first, second)
    for _ in range(2):
        layer = make.dense(width)
        z, dz, ddz = (layer(each) for each in jet)
        h = ops.tanh(z)
        slope = 1 - ops.square(h)
        jet = (h, slope * dz, slope * ddz - 2 * h * slope * ops.square(dz))
    layer = make.dense(outputs)
    u, du, ddu = (layer(each) for each in jet)
    if residual == "gradient":
        return keras.Model(x, du)
    return keras.Model(x, (u * du if residual == "burgers" else du) - VISCOSITY * ddu)


def build_cosine(width, *, input_shape, outputs=1, seed, temperature="fixed"):
    """Build τ √width v · h/(‖v‖ ‖h‖) with h = φ D φ D x, where τ starts at 1 and is fixed or trained.

    Source: Gidaris, Komodakis 2018 (arXiv 1804.09458).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "tanh")(make.dense(width, "tanh")(x))
    unit = h * ops.rsqrt(ops.sum(ops.square(h), axis=1, keepdims=True))
    last = make.weight_norm(outputs, weight_std=math.sqrt(width))
    f = last(unit)
    last.gain.trainable = temperature == "trained"
    return keras.Model(x, f)


def build_product(width, *, input_shape, outputs=1, seed):
    """Build the product of two networks D φ D φ D x. Source: Jayakumar et al. 2020, "Multiplicative interactions"."""
    make, x = Maker(seed), array_input(input_shape)

    def network():
        return make.readout(make.dense(width, "tanh")(make.dense(width, "tanh")(x)), outputs)

    return keras.Model(x, network() * network())


def build_vae_decoder(width, *, input_shape, outputs=1, seed, k=4):
    """Build D φ D φ D of the first `k` entries of the input only, as a decoder of a narrow code.

    Source: Kingma, Welling 2013 (arXiv 1312.6114).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "tanh")(make.dense(width, "tanh")(x[:, :k]))
    return keras.Model(x, make.readout(h, outputs))


def build_unit_norm(width, *, input_shape, outputs=1, seed):
    """Build f/‖(f, g)‖ of two readouts f and g of φ D φ D x."""
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "tanh")(make.dense(width, "tanh")(x))
    f, g = make.readout(h, outputs), make.readout(h, outputs)
    return keras.Model(x, f * ops.rsqrt(ops.square(f) + ops.square(g)))
