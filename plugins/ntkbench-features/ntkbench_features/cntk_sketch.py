"""Sketch of the tangent kernel of a convolutional network, as a transformer."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from ntkbench import NtkbenchError

from .norms import direction, norm
from .ntk_sketch import of_powers
from .polynomial import layer_coefficients
from .sketches import SRHT, PolySketch, TensorSRHT, in_dtype, real
from .transformer import Features, require_one_of, require_whole, shape_of_input

POSITIONS = 2048  # patches that are mapped at a time: their features are the largest arrays
PADDING = {"same": "SAME", "valid": "VALID"}


class ConvolutionSketch(NamedTuple):
    """Sketch of one convolution and ReLU.

    Attributes:
        compress: Sketch of a patch of features; an empty tuple if patches are small.
        tree: PolySketch of the powers of a patch.
        unit_roots: Square roots of the coefficients of the polynomial for k1.
        slope_roots: Square roots of the coefficients of the polynomial for k0.
        units: Sketch of the stacked powers for the units.
        slopes: Sketch of the stacked powers for the slopes.
        product: Degree-2 sketch of tangent features and slopes.
    """

    compress: Any
    tree: PolySketch
    unit_roots: Any
    slope_roots: Any
    units: SRHT
    slopes: SRHT
    product: TensorSRHT

    @classmethod
    def draw(cls, rng, patch, tangent, polynomials, size):
        """Draw a sketch.

        Args:
            rng: NumPy generator.
            patch: Number of features of a patch.
            tangent: Number of tangent features of a patch.
            polynomials: Coefficients for k1 and k0, by `layer_coefficients`.
            size: Number of units, of slopes and of products, an even number; there is one more unit and slope.
        """
        compress, inner = (), max(size // 4, 1)
        if patch > size:
            compress, patch = SRHT.draw(rng, patch, size // 2), size
        degree = len(polynomials[0]) - 1
        tree = PolySketch.draw(rng, patch, degree, inner)
        units, slopes = (SRHT.draw(rng, degree * inner, size // 2) for _ in range(2))
        return cls(
            compress, tree, *map(np.sqrt, polynomials), units, slopes, TensorSRHT.draw(rng, tangent, size + 1, size)
        )

    def __call__(self, patch, size, tangent):
        """Return the units and the products of one position.

        Args:
            patch: Features of the layer below at the positions of the filter [P, a].
            size: Norm of the patch by the exact kernel [P, 1].
            tangent: Tangent features of the patch [P, b].

        Returns:
            Features [P, size + 1] with E⟨φ, φ'⟩ = |x||x'| k1(cos), and [P, size] with E⟨ψ, ψ'⟩ = ⟨t, t'⟩ k0(cos).
        """
        if self.compress != ():
            patch = real(self.compress(patch))
        powers = self.tree.powers(direction(patch))
        slopes = of_powers(powers, self.slope_roots, self.slopes)
        return size * of_powers(powers, self.unit_roots, self.units), self.product(tangent, slopes)


class CNTKSketch(Features):
    """Sketch of the tangent kernel of a convolutional ReLU network on images, in time linear in the number of pixels.

    The network has `depth` convolutions, each followed by ReLU, an average over all positions, and a trained readout,
    without biases. On images [h, w, c] its kernel is c/2 times
    `ntkbench.kernels.named("convolutional", depth=depth, pooled=True, weight_std=2**0.5)`, so that images of one pixel
    have the kernel |x||x'| Θ_L of `NTKSketch`. The exact kernel compares all pairs of positions of two images: its time
    is quadratic in the number of pixels.

    In every layer, polynomials with non-negative coefficients take the place of the arc-cosine kernels k1 and k0 of a
    patch, and their powers are sketched by a tree of TensorSRHTs. Norms of patches are those of the exact kernel. With
    one convolution the features are unbiased for the kernel with these polynomials; with more they are so up to a term
    like 1/n_components, because a layer sketches powers of sketched features. The error falls like
    n_components^(−1/2) to the error of the polynomials, which falls with the degree.

    Args:
        n_components: Number of features: units and products of every layer, and a constant. It is rounded down to
            a multiple of 4, plus 1, of at least 5.
        input_shape: Shape of one image, (h, w) or (h, w, c), to which a row of X is reshaped; default: one row of
            pixels.
        depth: Number of convolutions L.
        filter_size: Height and width of the filters.
        padding: "same" (zeros) or "valid".
        degree: Degree of the polynomials, at least 2.
        random_state: Seed or generator of scikit-learn.
        batch_size: Images transformed at a time.
        progress: Called with the fraction of completed images.

    Attributes:
        layers_: The sketches of the layers.

    Source: Zandieh et al. 2021 (arXiv 2106.07880), section 4.
    """

    def __init__(
        self,
        n_components=1000,
        *,
        input_shape=None,
        depth=2,
        filter_size=3,
        padding="same",
        degree=8,
        random_state=None,
        batch_size=64,
        progress=None,
    ):
        self.n_components = n_components
        self.input_shape = input_shape
        self.depth = depth
        self.filter_size = filter_size
        self.padding = padding
        self.degree = degree
        self.random_state = random_state
        self.batch_size = batch_size
        self.progress = progress

    def _fit(self, X, rng):
        size = max(2 * ((require_whole("n_components", self.n_components, 1) - 1) // 4), 2)
        depth, degree = require_whole("depth", self.depth, 1), require_whole("degree", self.degree, 2)
        taps = require_whole("filter_size", self.filter_size, 1) ** 2
        self._shape = self._shape_of_image(X.shape[1])
        units, tangent, layers = self._shape[-1], 0, []
        for number in range(depth):
            # Features of units are not negative, so patches of them have no negative cosine.
            polynomials = layer_coefficients(degree, 0.0 if number else -1.0)
            layers.append(ConvolutionSketch.draw(rng, taps * units, taps * (units + tangent), polynomials, size))
            units, tangent = size + 1, size
        self.layers_ = tuple(layers)
        self._n_features_out = units + tangent

    def _map(self, dtype):
        layers, shape = in_dtype(self.layers_, dtype), self._shape
        at_a_time = max(POSITIONS // (shape[0] * shape[1]), 1)

        def of_batch(x):
            images = tf.reshape(x, [-1, *shape])
            parts = [images[start : start + at_a_time] for start in range(0, images.shape[0], at_a_time)]
            return tf.concat([self._features(layers, part) for part in parts], 0)

        return of_batch

    def _features(self, layers, images):
        """Return the features of images: [B, h, w, c] → [B, m]."""
        h, size = images, norm(images)
        units = images.shape[-1]
        for layer in layers:
            patches = self._patches(tf.concat([h, size], -1))
            flat = tf.reshape(patches, [-1, *patches.shape[3:]])
            size = norm(flat[..., -1])
            patch, tangent = (tf.reshape(flat[..., :end], [flat.shape[0], -1]) for end in (units, -1))
            parts = layer(patch, size, tangent)
            units = parts[0].shape[1]
            h, size = (tf.reshape(each, [*patches.shape[:3], -1]) for each in (tf.concat(parts, -1), size))
        return tf.reduce_mean(h, [1, 2])

    def _patches(self, x):
        """Return what is under the filter, divided by the root of its size: [B, h, w, a] → [B, h', w', taps, a].

        Inner products of patches are then means over the filter of inner products at its positions.
        """
        sizes, ones = [1, self.filter_size, self.filter_size, 1], [1, 1, 1, 1]
        found = tf.image.extract_patches(x, sizes, ones, ones, PADDING[self.padding])
        return tf.reshape(found, [*found.shape[:3], self.filter_size**2, x.shape[-1]]) / self.filter_size

    def _shape_of_image(self, d):
        """Return [h, w, c]; raise NtkbenchError if images of this shape do not fit the parameters."""
        shape = shape_of_input((1, d) if self.input_shape is None else self.input_shape, d)
        if len(shape) == 2:
            shape = (*shape, 1)
        if len(shape) != 3:
            raise NtkbenchError(f"input_shape={self.input_shape!r} is invalid; pass (h, w) or (h, w, c).")
        lost = self.depth * (self.filter_size - 1)
        if require_one_of("padding", self.padding, PADDING) == "VALID" and lost >= min(shape[:2]):
            raise NtkbenchError(
                f"Images of {shape[0]} × {shape[1]} pixels are too small for {self.depth} convolutions with filters of "
                f"size {self.filter_size} and padding='valid'; use padding='same' or fewer or smaller filters."
            )
        return shape
