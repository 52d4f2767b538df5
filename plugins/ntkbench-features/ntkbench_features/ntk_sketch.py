"""Polynomial sketch of the tangent kernel of a fully connected network, as a transformer."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from .activations import activation_of
from .hermite import draw_hermite_layers, hermite_features
from .norms import direction, norm
from .polynomial import coefficients
from .sketches import SRHT, PolySketch, in_dtype, real
from .transformer import Features, require_whole


class PolynomialSketch(NamedTuple):
    """Features with E⟨z, z'⟩ = |x||x'| Σ c_i cosⁱ.

    Attributes:
        roots: Square roots of the coefficients c_0 … c_q [q + 1].
        tree: PolySketch of the powers.
        last: Sketch of the stacked powers.
    """

    roots: Any
    tree: PolySketch
    last: SRHT

    @classmethod
    def draw(cls, rng, d, polynomial, size):
        """Draw a sketch of vectors [d] for a polynomial of degree 2 or more, with 2 (size // 2) + 1 features."""
        degree, inner = len(polynomial) - 1, max(size // 4, 1)
        tree = PolySketch.draw(rng, d, degree, inner)
        return cls(np.sqrt(polynomial), tree, SRHT.draw(rng, degree * inner, size // 2))

    def __call__(self, x):
        """Return the features of x: [N, d] → [N, m]."""
        return norm(x) * of_powers(self.tree.powers(direction(x)), self.roots, self.last)


def of_powers(powers, roots, last):
    """Return features of a polynomial, with E⟨z, z'⟩ = Σ c_i ⟨x, x'⟩ⁱ: [N, m].

    Args:
        powers: Sketches of all degrees 0 … q, by `PolySketch.powers`.
        roots: Square roots of the coefficients c_0 … c_q.
        last: `SRHT` of the stacked powers.
    """
    scaled = tf.concat([tf.cast(roots[i], z.dtype) * z for i, z in enumerate(powers) if i], -1)
    found = real(last(scaled))
    return tf.concat([roots[0] * tf.ones_like(found[..., :1]), found], -1)


class NTKSketch(Features):
    """Sketch of the tangent kernel of a fully connected network by polynomials.

    For ReLU, a polynomial with non-negative coefficients takes the place of Θ_L in the kernel |x||x'| Θ_L, and its
    powers are sketched by a tree of TensorSRHTs. The features are unbiased for the polynomial's kernel: the error falls
    with n_components only to the error of the fit, which falls with the degree. At depth=1 it stays at 6 % of the
    largest value: the polynomial does not decrease, as in the source, but Θ_1 does for cosines near −1.

    For other activations, the kernel is that of `NTKRandomFeatures`, and every layer sketches the Hermite expansion of
    its activation up to the degree. It converges fast for smooth activations and inputs with a norm of order 1.

    Args:
        n_components: Number of features. For ReLU, a constant, and real and imaginary parts: it is rounded to an odd
            number of at least 3. For others, it is rounded down to a multiple of 4, plus 1, of at least 5.
        depth: Number of hidden layers L.
        degree: Degree of the polynomials, at least 2.
        activation: Name of an activation, as in `ntkbench.layers`.
        random_state: Seed or generator of scikit-learn.
        batch_size: Inputs transformed at a time.
        progress: Called with the fraction of completed inputs.

    Attributes:
        coefficients_: Coefficients c_0 … c_q of the polynomial, for ReLU.

    Source: Zandieh et al. 2021 (arXiv 2106.07880), section 3, with the fitted polynomial of the authors' code; Han et
    al. 2022 (arXiv 2209.04121) for other activations.
    """

    def __init__(
        self,
        n_components=1000,
        *,
        depth=1,
        degree=8,
        activation="relu",
        random_state=None,
        batch_size=1024,
        progress=None,
    ):
        self.n_components = n_components
        self.depth = depth
        self.degree = degree
        self.activation = activation
        self.random_state = random_state
        self.batch_size = batch_size
        self.progress = progress

    def _fit(self, X, rng):
        count = require_whole("n_components", self.n_components, 1)
        depth, degree = require_whole("depth", self.depth, 1), require_whole("degree", self.degree, 2)
        if self.activation == "relu":
            size = max(count - 1, 2)
            self.coefficients_ = np.array(coefficients(depth, degree))
            self.sketch_ = PolynomialSketch.draw(rng, X.shape[1], self.coefficients_, size)
            self._n_features_out = 2 * (size // 2) + 1
            return
        activation_of(self.activation)
        size = max(2 * ((count - 1) // 4), 2)
        self.sketch_ = draw_hermite_layers(rng, X.shape[1], depth, degree, size)
        self._n_features_out = 2 * size + 1

    def _map(self, dtype):
        sketch = in_dtype(self.sketch_, dtype)
        if isinstance(sketch, PolynomialSketch):
            return sketch
        return partial(hermite_features, layers=sketch, activation=activation_of(self.activation))
