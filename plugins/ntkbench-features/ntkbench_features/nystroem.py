"""Nyström features of any registered kernel, as a transformer."""

import numpy as np
import tensorflow as tf

import ntkbench as nb
from ntkbench import NtkbenchError

from .transformer import Features, dense, require_whole, shape_of_input

SINGULAR = 1e-12  # relative to the largest eigenvalue: smaller eigenvalues of the landmarks' kernel may be rounding


class NystroemNTK(Features):
    """Nyström features: kernel regression in the span of the kernel at random training inputs, the landmarks.

    The features' kernel is exact at pairs with a landmark, K(x, L) K(L, L)⁺ K(L, x') for all others. The kernel is
    computed in float64.

    Args:
        kernel: Name of a registered kernel (`ntkbench list kernels`), or a kernel with `matrix(x1, x2)`, such as an
            `ntkbench.kernels.InfiniteWidth`.
        kernel_params: Parameters of a named kernel, such as {"depth": 3}.
        input_shape: Shape of one input of the kernel, such as (8, 8, 1) for images; default: vectors.
        n_components: Number of landmarks. With fewer training inputs, all are landmarks.
        random_state: Seed or generator of scikit-learn.
        batch_size: Inputs transformed at a time.
        progress: Called with the fraction of completed inputs.

    Attributes:
        landmarks_: Landmarks [m, *input_shape], float64.
        normalization_: Symmetric square root of K(L, L)⁺, [m, m].

    Source: Williams, Seeger 2001, "Using the Nyström method to speed up kernel machines".
    """

    def __init__(
        self,
        kernel="fully-connected",
        kernel_params=None,
        *,
        input_shape=None,
        n_components=100,
        random_state=None,
        batch_size=1024,
        progress=None,
    ):
        self.kernel = kernel
        self.kernel_params = kernel_params
        self.input_shape = input_shape
        self.n_components = n_components
        self.random_state = random_state
        self.batch_size = batch_size
        self.progress = progress

    def _fit(self, X, rng):
        count = min(require_whole("n_components", self.n_components, 1), X.shape[0])
        chosen = rng.permutation(X.shape[0])[:count]
        self._shape = shape_of_input(self.input_shape, X.shape[1])
        self.landmarks_ = dense(X[chosen]).astype(np.float64).reshape(-1, *self._shape)
        self.kernel_ = self._kernel()
        rank = getattr(self.kernel_, "feature_ndims", None)
        if isinstance(rank, int) and rank != len(self._shape):
            raise NtkbenchError(
                f"The kernel takes inputs with {rank} axes, but one input has the shape {list(self._shape)}; pass an "
                f"input_shape of {rank} integers."
            )
        values, vectors = np.linalg.eigh(self.kernel_.matrix(self.landmarks_, self.landmarks_).numpy())
        kept = values > SINGULAR * values[-1]
        self.normalization_ = (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T
        self._n_features_out = count

    def _map(self, dtype):
        def of_batch(x):
            cross = self.kernel_.matrix(tf.reshape(tf.cast(x, tf.float64), [-1, *self._shape]), self.landmarks_)
            return tf.cast(cross @ self.normalization_, dtype)

        return of_batch

    def _kernel(self):
        if isinstance(self.kernel, str):
            return nb.kernels.named(self.kernel, **(self.kernel_params or {}))
        if not hasattr(self.kernel, "matrix") or self.kernel_params:
            raise NtkbenchError(
                f"kernel={self.kernel!r} with kernel_params={self.kernel_params!r} is invalid; pass the name of a "
                "registered kernel and its parameters, or a kernel with a method matrix(x1, x2)."
            )
        return self.kernel
