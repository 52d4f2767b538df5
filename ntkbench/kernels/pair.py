"""The tangent kernel and the covariance at initialisation of a model at infinite width, for any kernel."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from .infinite import InfiniteWidth, shown


class KernelPair(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """A kernel with the same views as an `InfiniteWidth`: `ntk`, `nngp` and `both`.

    A kernel with a property `nngp` is a tangent kernel, and `nngp` the covariance of the outputs at initialisation. Any
    other kernel is that of a linear model with random weights on fixed features, where the two kernels are the same:
    `Ensemble` then is kernel regression, with the posterior covariance of a Gaussian process.

    Args:
        kernel: A `tfp.math.psd_kernels.PositiveSemidefiniteKernel`. Its inputs may be nests.
    """

    def __init__(self, kernel: Any):
        parameters = {"kernel": kernel}
        self.kernel, self._nngp = kernel, getattr(kernel, "nngp", kernel)
        super().__init__(kernel.feature_ndims, dtype=kernel.dtype, name=kernel.name, parameters=parameters)

    def __repr__(self) -> str:
        """Return a short text."""
        return shown(self)

    __str__ = __repr__

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {}

    def _batch_shape(self) -> tf.TensorShape:
        return self.kernel.batch_shape

    def _batch_shape_tensor(self) -> tf.Tensor:
        return self.kernel.batch_shape_tensor()

    def _apply(self, x1: Any, x2: Any, example_ndims: int = 0) -> tf.Tensor:
        return self.kernel.apply(x1, x2, example_ndims=example_ndims)

    def _matrix(self, x1: Any, x2: Any) -> tf.Tensor:
        return self.kernel.matrix(x1, x2)

    def matrix(self, x1: Any, x2: Any = None, name: str = "matrix") -> tf.Tensor:
        """Return the kernel of all pairs of inputs: [..., N1, N2]; x2 is x1 by default."""
        return self.kernel.matrix(x1, x1 if x2 is None else x2)

    @property
    def ntk(self) -> KernelPair:
        """The tangent kernel."""
        return self

    @property
    def nngp(self) -> KernelPair:
        """The covariance of the outputs at initialisation."""
        return self if self._nngp is self.kernel else KernelPair(self._nngp)

    def both(self, x1: Any, x2: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the NNGP and the NTK matrices: [..., N1, N2] each; x2 is x1 by default."""
        ntk = self.matrix(x1, x2)
        return (ntk if self._nngp is self.kernel else self.nngp.matrix(x1, x2)), ntk


def paired(kernel: Any) -> InfiniteWidth | KernelPair:
    """Return a kernel with the views `ntk`, `nngp` and `both`."""
    return kernel if all(hasattr(kernel, view) for view in ("ntk", "nngp", "both")) else KernelPair(kernel)
