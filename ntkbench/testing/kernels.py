"""Checks of a registered kernel."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ..errors import NtkbenchError
from ..kernels import named
from ..plan.data import load_data
from ..registry.current import registry
from ..registry.specs import Kernel
from .checks import Checks, numbered, require, require_registered, skip
from .datasets import dataset_of

SIDE = 4  # length of every axis of an input
DRAWN = ("vector", "image", "sequence", "set")  # forms of a single array, in which all numbers are legal
SLACK = {"float64": 1e-10, "float32": 1e-4}  # allowed negative eigenvalue, relative to the largest one


class KernelChecks(Checks):
    """Checks K1 to K7 of one kernel; subclass it in a test file.

    Attributes:
        kernel: Registered name of the kernel.
        params: Parameters of the kernel.
    """

    kernel: str = ""
    params: Mapping[str, Any] = MappingProxyType({})

    @property
    def entry(self) -> Kernel:
        """The registered entry."""
        require(self.kernel, f'{type(self).__name__} has no kernel; set kernel = "NAME".')
        return registry().get("kernels", self.kernel)

    def made(self) -> Any:
        """Return the kernel; it is created once."""
        return self.shared("made", lambda: named(self.kernel, **self.params))

    def inputs(self, dtype: str = "float64") -> Any:
        """Return inputs of the kernel's first form some of which are equal; [N, ...] or a nest of such arrays.

        Vectors, images, sequences and sets of numbers are drawn here, and some are opposite, multiples of each other,
        or 0. Other forms come from a registered dataset. Override it for other inputs, with floating-point parts in
        `dtype`.
        """
        form = self.entry.inputs[0]
        if form in DRAWN and isinstance(rank := self.made().feature_ndims, int):
            return tf.constant(_special(np.random.default_rng(0).normal(size=(3, *[SIDE] * rank))), dtype)
        if form == "ragged":
            x = _special(np.random.default_rng(0).normal(size=(3, SIDE, SIDE)))
            mask = np.arange(SIDE) < np.array([4, 2, 3, 4, 4, 2, 1])[:, None]
            return {"values": tf.constant(x * mask[..., None], dtype), "mask": tf.constant(mask)}
        given = dataset_of(form)
        found, _ = load_data(given, given.resolve({}), form=form, n=3, seed=0)
        return tf.nest.map_structure(
            lambda part: tf.constant(np.concatenate([part, part[:1]]), dtype if part.dtype.kind == "f" else None),
            found,
        )

    @numbered("K1", stops=True)
    def test_k01_is_registered(self) -> None:
        """The name is registered, the function can be loaded, and it has a summary."""
        require_registered(self.entry, "make(**params)")

    @numbered("K2", stops=True)
    def test_k02_is_a_kernel_of_tensorflow_probability(self) -> None:
        """With default parameters, the function returns a PositiveSemidefiniteKernel."""
        base = tfp.math.psd_kernels.PositiveSemidefiniteKernel
        kind = type(self.made()).__name__
        require(isinstance(self.made(), base), f"It returns a {kind}; return a tfp.math.psd_kernels kernel.")

    @numbered("K3", stops=True)
    def test_k03_is_positive_semidefinite(self) -> None:
        """Matrices are symmetric and positive semidefinite up to rounding, also for equal, opposite and zero inputs."""
        for dtype, slack in SLACK.items():
            x = self.inputs(dtype)
            matrix = self.made().matrix(x, x).numpy().astype("float64")
            require(
                np.isfinite(matrix).all(),
                f"In {dtype}, the matrix is not finite for equal, opposite or zero inputs; handle these cases.",
            )
            error = np.abs(matrix - matrix.T).max() / np.abs(matrix).max()
            require(
                error <= slack,
                f"In {dtype}, the matrix is not symmetric: it is off by {error:.1g} of its largest entry.",
            )
            values = np.linalg.eigvalsh(matrix)
            require(
                values[0] >= -slack * values[-1],
                f"In {dtype}, the matrix is indefinite: its smallest eigenvalue is {values[0]:.3g}, its largest "
                f"{values[-1]:.3g}.",
            )

    @numbered("K4")
    def test_k04_gradients_are_finite(self) -> None:
        """Gradients with respect to the inputs are finite, for the same inputs."""
        x = self.inputs()
        floating = [part for part in tf.nest.flatten(x) if part.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(floating)
            total = tf.reduce_sum(tf.sin(self.made().matrix(x, x)))
        for gradient in tape.gradient(total, floating):
            require(
                gradient is not None, "There is no gradient with respect to the inputs; use TensorFlow operations only."
            )
            require(np.isfinite(gradient).all(), "A gradient is not finite; guard roots at 0 with a double tf.where.")

    @numbered("K5")
    def test_k05_matrix_and_pairs_agree(self) -> None:
        """`apply` on paired inputs is the diagonal of `matrix`."""
        x = self.inputs()
        reverse = tf.nest.map_structure(lambda part: part[::-1], x)
        paired = self.made().apply(x, reverse, example_ndims=1).numpy()
        expected = np.diagonal(self.made().matrix(x, reverse))
        close = np.allclose(paired, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max())
        require(close, "apply(x1, x2) differs from the diagonal of matrix(x1, x2).")

    @numbered("K6")
    def test_k06_refuses_what_it_does_not_take(self) -> None:
        """An unknown parameter raises an error."""
        try:
            named(self.kernel, no_such_parameter=1)
        except NtkbenchError:
            return
        require(False, "It accepts a parameter that it does not declare; remove **kwargs.")

    @numbered("K7")
    def test_k07_padding_has_no_influence(self) -> None:
        """Values of steps that the mask leaves out do not change the matrix, for sequences of different length."""
        x = self.inputs()
        if not isinstance(x, Mapping) or not {"values", "mask"} <= x.keys():
            skip("It takes no masked sequences.")
        noise = tf.constant(np.random.default_rng(1).normal(size=x["values"].shape))
        changed = {**x, "values": tf.where(x["mask"][..., None], x["values"], noise)}
        expected, found = self.made().matrix(x, x).numpy(), self.made().matrix(changed, changed).numpy()
        require(
            np.array_equal(expected, found),
            f"Values of masked steps change the matrix by up to {np.abs(expected - found).max():.1g}; leave these "
            "steps out, instead of reading their values.",
        )


def _special(x: np.ndarray) -> np.ndarray:
    """Return x with samples that are equal, opposite, twice as large, and 0."""
    return np.concatenate([x, x[:1], -x[:1], 2 * x[1:2], 0 * x[:1]])
