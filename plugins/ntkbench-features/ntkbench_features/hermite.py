"""Sketch of the tangent kernel of a network with any activation, by Hermite expansion.

With the normalised Hermite polynomials he_j and c_j(r) = E[φ(r t) he_j(t)], t ~ N(0, 1), Gaussians (u, u') with the
covariance of x and x' have E[φ(u)φ(u')] = Σ_j c_j(|x|) c_j(|x'|) cosʲ. Powers of the cosine are sketched by a
PolySketch tree, each input with coefficients of its own.

Source: Han, Zandieh, Lee, Novak, Xiao, Karbasi 2022 (arXiv 2209.04121).
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from .norms import direction, norm
from .sketches import SRHT, PolySketch, TensorSRHT, real

REACH, NODES = 10.0, 1250  # of the midpoint rule for expectations over N(0, 1); no node is at a kink at 0


@functools.lru_cache
def quadrature(degree):
    """Return nodes t [Q] and weights [Q, q + 1] with E[f(t) he_j(t)] ≈ Σ_i f(t_i) weights[i, j], j = 0 … q."""
    step = 2 * REACH / NODES
    t = -REACH + step * (np.arange(NODES) + 0.5)
    polynomials = [np.ones(NODES), t]
    for j in range(1, degree):
        polynomials.append((t * polynomials[j] - np.sqrt(j) * polynomials[j - 1]) / np.sqrt(j + 1))
    density = step * np.exp(-t * t / 2) / np.sqrt(2 * np.pi)
    return t, np.array(polynomials[: degree + 1]).T * density[:, None]


def hermite_coefficients(function, radius, degree):
    """Return c_j(r) = E[f(r t) he_j(t)], t ~ N(0, 1), for j = 0 … q: [N] → [N, q + 1].

    Args:
        function: An elementwise function of tensors.
        radius: Radii r [N], a tensor.
        degree: Degree q.
    """
    t, weights = (tf.constant(each, radius.dtype) for each in quadrature(degree))
    return function(radius[:, None] * t) @ weights


class HermiteLayer(NamedTuple):
    """Sketch of one hidden layer.

    Attributes:
        tree: PolySketch of the powers of an input's direction.
        units: Sketch of the stacked powers for the units.
        slopes: Sketch of the stacked powers for the slopes.
        product: Degree-2 sketch of tangent features and slopes.
    """

    tree: PolySketch
    units: SRHT
    slopes: SRHT
    product: TensorSRHT

    @classmethod
    def draw(cls, rng, d, tangent, degree, size):
        """Draw a sketch of inputs [d] with tangent features [tangent]: `size` products, one more unit and slope."""
        inner = max(size // 4, 1)
        units, slopes = (SRHT.draw(rng, degree * inner, size // 2) for _ in range(2))
        return cls(PolySketch.draw(rng, d, degree, inner), units, slopes, TensorSRHT.draw(rng, tangent, size + 1, size))

    def __call__(self, phi, radius, psi, activation):
        """Return units, their norms, and tangent features of the layer.

        Args:
            phi: Features of the layer below [N, d].
            radius: Norms of the layer below in the expanded kernel [N].
            psi: Tangent features of the layer below [N, b].
            activation: An `Activation`.
        """
        powers = self.tree.powers(direction(phi))
        degree = len(powers) - 1
        values, slopes = (hermite_coefficients(each, radius, degree) for each in (activation.value, activation.slope))
        z = _combined(powers, slopes, self.slopes)
        phi = _combined(powers, values, self.units)
        return phi, norm(values)[:, 0], tf.concat([phi, self.product(psi, z)], -1)


def _combined(powers, coefficients, last):
    """Return features with E⟨z, z'⟩ = Σ_j c_j c_j' cosʲ, from sketches of the powers and c [N, q + 1]."""
    scaled = [tf.cast(coefficients[:, j, None], z.dtype) * z for j, z in enumerate(powers) if j]
    return tf.concat([coefficients[:, :1], real(last(tf.concat(scaled, -1)))], -1)


def hermite_features(x, layers, activation):
    """Return the features of the tangent kernel of a network: [N, d] → [N, m].

    Args:
        x: Inputs [N, d].
        layers: One `HermiteLayer` for each hidden layer.
        activation: An `Activation`.
    """
    phi = psi = x
    radius = norm(x)[:, 0]
    for layer in layers:
        phi, radius, psi = layer(phi, radius, psi, activation)
    return psi


def draw_hermite_layers(rng, d, depth, degree, size):
    """Return a tuple of `depth` `HermiteLayer`s with 2·size + 1 features, for an even `size`."""
    layers, phi, psi = [], d, d
    for _ in range(depth):
        layers.append(HermiteLayer.draw(rng, phi, psi, degree, size))
        phi, psi = size + 1, 2 * size + 1
    return tuple(layers)
