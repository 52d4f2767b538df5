"""Provide the kernel of an infinitely wide network as a TensorFlow Probability kernel."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from ..errors import NtkbenchError, did_you_mean
from .blocks import Compiled, Pieces
from .features import NoLimit
from .graph import Graph
from .inputs import Inputs
from .ragged import RAGGED, of_equal_length, pack, packed_source, packed_values

LARGEST_ERROR = 0.05  # estimated error of quadratures, relative to the largest entry, from which on inputs are refused
PARALLEL = 1 - 1e-6  # cosine from which on inputs count as parallel, where quadratures are exact
COMPUTABLE = (tf.float32, tf.float64)
KINDS = ("ntk", "nngp")
Kind = Literal["ntk", "nngp"]


class InfiniteWidth(tfp.math.psd_kernels.PositiveSemidefiniteKernel):
    """Kernel of one output unit of a network whose layers are infinitely wide.

    It is a `tfp.math.psd_kernels.PositiveSemidefiniteKernel`. Standard deviations of layers may be tensors or
    variables; their shapes, broadcast, are the kernel's batch shape, and gradients flow to them and to the inputs.

    Args:
        layers: A sequence of layers of `ntkbench.kernels`, the last one affine, or a graph of layers.
        kind: "ntk", the tangent kernel ⟨∇f(x), ∇f(x')⟩ over all trained weights, or "nngp", the covariance E[f(x)
            f(x')] of the outputs at initialisation.
        feature_ndims: Rank of one input: 1 for vectors [d], 2 for sequences [T, a], 3 for images [h, w, c]. For
            sequences of different length it is {"values": 2, "mask": 1}: the inputs are values [N, T, a] with a mask
            [N, T] that is true where a step exists, or values alone, whose steps all exist.
        memory_gib: Memory budget of one call in GiB; pairs are computed in blocks that fit. Default: three quarters of
            the available memory, rounded down to a power of two.
        notes: Sentences that describe the network of the kernel.
        standard: Names of a model's layers in the standard parameterisation, for which the NTK is that of the same
            network in the NTK parameterisation.
        dtype: Type of the computation, float32 or float64; None follows the inputs.
        validate_args: As in TensorFlow Probability.
        name: As in TensorFlow Probability.

    Raises:
        NtkbenchError: The layers do not fit together, or `dtype` is not valid.

    Source: Jacot, Gabriel, Hongler 2018 (arXiv 1806.07572); Lee et al. 2018 (arXiv 1711.00165).
    """

    def __init__(
        self,
        layers: Sequence[Any] | Graph,
        kind: Kind = "ntk",
        feature_ndims: int | Mapping[str, int] = 1,
        memory_gib: float | None = None,
        notes: Sequence[str] = (),
        standard: Sequence[str] = (),
        dtype: Any = None,
        validate_args: bool = False,
        name: str = "InfiniteWidth",
    ):
        parameters = dict(locals())
        parameters.pop("self")
        parameters.pop("__class__", None)
        if kind not in KINDS:
            raise NtkbenchError(f"Unknown kind of kernel {kind!r}. {did_you_mean(str(kind), KINDS)}")
        _require_ranks(feature_ndims)
        self._parts = None if isinstance(feature_ndims, int) else dict(feature_ndims)
        self._rank = feature_ndims if isinstance(feature_ndims, int) else max(feature_ndims.values())
        graph = layers if isinstance(layers, Graph) else Graph.of(layers, packed_source() if self._parts else None)
        self.graph, self.kind, self.notes, self.standard = graph, kind, tuple(notes), tuple(standard)
        self._memory_gib = memory_gib
        self._weights = [p for p in graph.parameters if not isinstance(p, int | float)]  # so that tf.Module finds them
        self._float = None if dtype is None else _computable(dtype)
        if dtype is not None and self._parts is not None:
            dtype = {part: self._float if rank == self._rank else tf.bool for part, rank in self._parts.items()}
        super().__init__(feature_ndims, dtype=dtype, name=name, validate_args=validate_args, parameters=parameters)
        _broadcast("The standard deviations of the layers have", [np.shape(weight) for weight in self._weights])
        self._compiled = {}
        for wanted in (("nngp",), ("ntk",), KINDS[::-1]):
            whole = functools.partial(self._moments, wanted)
            pieces = functools.partial(whole, call=Pieces()) if graph.windowed else None
            self._compiled[wanted] = Compiled(whole, self._rank, self._per_pair, pieces)

    # -- interface of TensorFlow Probability --------------------------------------------------------------------------

    @classmethod
    def _parameter_properties(cls, dtype: Any) -> dict[str, Any]:
        return {}

    def _batch_shape(self) -> tf.TensorShape:
        return _broadcast("The standard deviations of the layers have", [np.shape(weight) for weight in self._weights])

    def _batch_shape_tensor(self) -> tf.Tensor:
        return tf.constant(self._batch_shape().as_list(), tf.int32)

    def _apply(self, x1: tf.Tensor, x2: tf.Tensor, example_ndims: int = 1) -> tf.Tensor:
        return self._moments((self.kind,), *self._packed(x1, x2), example_ndims, False)[0]

    def _matrix(self, x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
        return self._compiled[(self.kind,)](*self._packed(x1, x2), self._memory_gib)[0]

    def _packed(self, x1: Any, x2: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Pack ragged sequences that come from a method of TensorFlow Probability."""
        return (x1, x2) if tf.is_tensor(x1) else self._pair(x1, x2)

    def matrix(self, x1: Any, x2: Any = None, name: str = "matrix") -> tf.Tensor:
        """Return the kernel of all pairs of inputs.

        If x2 is None or x1 itself, only one triangle is computed, and the matrix is exactly symmetric.

        Args:
            x1: Inputs [B..., N1, *F].
            x2: Inputs [B..., N2, *F]; None means x1.
            name: As in TensorFlow Probability.

        Returns:
            A tensor [B..., N1, N2].
        """
        x1, x2 = self._pair(x1, x2, 1)
        with self._name_and_control_scope(name):
            return self._matrix(x1, x2)

    def apply(self, x1: Any, x2: Any, example_ndims: int = 0, name: str = "apply") -> tf.Tensor:
        """Return the kernel of paired inputs.

        Args:
            x1: Inputs [B..., E..., *F].
            x2: Inputs of the same shape.
            example_ndims: Number of example axes E.
            name: As in TensorFlow Probability.

        Returns:
            A tensor [B..., E...].
        """
        x1, x2 = self._pair(x1, x2, example_ndims)
        if example_ndims:
            _broadcast("The inputs have", [x.shape[: x.shape.rank - self._rank] for x in (x1, x2)])
        with self._name_and_control_scope(name):
            if example_ndims:
                return self._apply(x1, x2, example_ndims)
            x1, x2 = (tf.expand_dims(x, -1 - self._rank) for x in (x1, x2))
            return tf.squeeze(self._apply(x1, x2), -1)

    def _pair(self, x1: Any, x2: Any, examples: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
        """Convert both inputs to one tensor each, of the dtype of the first; arrays keep theirs.

        Raises:
            NtkbenchError: The inputs are no real numbers, have fewer axes than an input and `examples`, or do not fit
                together.
        """
        if self._parts is None:
            left = as_floating(x1, self._float)
            right = left if x2 is None or x2 is x1 else as_floating(x2, left.dtype)
        else:
            left = right = pack(x1, self._parts, lambda x: as_floating(x, self._float))
            if x2 is not None and x2 is not x1:
                right = pack(x2, self._parts, lambda x: as_floating(x, left.dtype))
                left, right = of_equal_length(left, right)
        one, other = ((x if self._parts is None else packed_values(x)).shape for x in (left, right))
        self._require_shapes(one, other, examples)
        if self.graph.by_quadrature and not tf.is_symbolic_tensor(left) and not tf.is_symbolic_tensor(right):
            self._require_convergence(left, right)
        return left, right

    def _require_shapes(self, shape1: tf.TensorShape, shape2: tf.TensorShape, examples: int) -> None:
        """Raise NtkbenchError unless inputs of these shapes, as far as they are known, can be paired."""
        if shape1.rank is None or shape2.rank is None:
            return
        needed = self._rank + examples
        for shape in (shape1, shape2):
            if shape.rank < needed:
                raise NtkbenchError(
                    f"The inputs have shape {shape.as_list()}, but single inputs of this kernel have rank "
                    f"{self._rank}; pass an array of rank {needed} or more."
                )
            if 0 in shape[shape.rank - self._rank :].as_list():
                raise NtkbenchError(
                    f"The inputs have shape {shape.as_list()}, so each of them is empty. Pass inputs with at least one "
                    "position and one feature."
                )
        one, other = (shape[shape.rank - self._rank :] for shape in (shape1, shape2))
        if not one.is_compatible_with(other):
            raise NtkbenchError(
                f"Single inputs have the shapes {one.as_list()} and {other.as_list()}; both must have the same."
            )
        batches = [shape[: shape.rank - needed] for shape in (shape1, shape2)]
        _broadcast("The batches and the kernel's standard deviations have", [*batches, self.batch_shape])

    @functools.cached_property
    def _finer(self) -> InfiniteWidth:
        """The same kernel with twice as many terms and nodes in every quadrature."""
        return self.copy(layers=self.graph.refined())

    def _require_convergence(self, x1: tf.Tensor, x2: tf.Tensor) -> None:
        """Raise NtkbenchError if quadratures are off by more than `LARGEST_ERROR` at three of the inputs.

        The error grows with the size of the inputs and, for kinks, with their correlation. The inputs are therefore the
        largest one, the one most parallel to it, and the smallest one.
        """
        shape = x1.shape[x1.shape.rank - self._rank :]
        x = tf.concat([tf.reshape(each, [-1, *shape]) for each in ((x1,) if x1 is x2 else (x1, x2))], 0)
        rows = tf.reshape(x, [len(x), -1]).numpy().astype(np.float64)
        size = np.linalg.norm(rows, axis=1)
        largest = int(np.argmax(size))
        cosine = rows @ rows[largest] / np.maximum(size * size[largest], np.finfo(np.float64).tiny)
        apart = np.where(cosine < PARALLEL, cosine, -np.inf)
        few = tf.gather(x, [largest, int(np.argmax(apart)), int(np.argmin(size))])
        value, finer = (kernel._moments((self.kind,), few, few)[0] for kernel in (self, self._finer))
        error = float(tf.math.divide_no_nan(tf.reduce_max(tf.abs(finer - value)), tf.reduce_max(tf.abs(finer))))
        if error > LARGEST_ERROR:
            names = ", ".join(self.graph.by_quadrature)
            raise NtkbenchError(
                f"The duals of {names} have no closed form, and quadrature does not converge at these inputs: the "
                f"kernel would be off by about {error:.0%}. Scale the inputs down, or use an activation with a closed "
                "form, such as relu, gelu, tanh or erf."
            )

    def __repr__(self) -> str:
        """Return a short text."""
        return shown(self)

    __str__ = __repr__

    # -- other methods -------------------------------------------------------------------------------------------------

    @property
    def ntk(self) -> InfiniteWidth:
        """The tangent kernel of the same network."""
        return self._of_kind("ntk")

    @property
    def nngp(self) -> InfiniteWidth:
        """The covariance of the outputs of the same network at initialisation."""
        return self._of_kind("nngp")

    def _of_kind(self, kind: Kind) -> InfiniteWidth:
        return self if kind == self.kind else self.copy(kind=kind)

    def both(self, x1: Any, x2: Any = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the NNGP and the NTK matrices at the cost of one.

        Args:
            x1: Inputs [B..., N1, *F].
            x2: Inputs [B..., N2, *F]; None means x1.

        Returns:
            Two tensors [B..., N1, N2].
        """
        nngp, ntk = self._compiled[KINDS[::-1]](*self._pair(x1, x2, 1), self._memory_gib)
        return nngp, ntk

    def error(self, x1: Any, x2: Any = None) -> tf.Tensor:
        """Estimate the absolute error of `matrix` due to quadrature and rounding.

        The estimate is twice the difference from the same kernel with twice as many terms and nodes in every
        quadrature, plus a tenth of the largest difference, because single entries may agree by chance. For smooth
        activations the true error is smaller. If all duals have closed forms, only rounding remains.

        Args:
            x1: Inputs [B..., N1, *F].
            x2: Inputs [B..., N2, *F]; None means x1.

        Returns:
            A tensor [B..., N1, N2].
        """
        value = self.matrix(x1, x2)
        finer = self._finer.matrix(x1, x2)
        rounding = 64 * np.finfo(value.dtype.as_numpy_dtype).eps
        distance = tf.abs(finer - value)
        largest = tf.reduce_max(distance, [-2, -1], keepdims=True)
        return 2 * distance + largest / 10 + rounding * tf.abs(value)

    def _moments(
        self,
        wanted: tuple[str, ...],
        x1: tf.Tensor,
        x2: tf.Tensor,
        examples: int = 1,
        crossed: bool = True,
        **options: Any,
    ) -> tuple[tf.Tensor, ...]:
        """Return the requested kernels: [B..., N1, N2] if `crossed`, otherwise [B..., E...]."""
        ranks = [x.shape.rank - examples - self._rank for x in (x1, x2)]
        batch = max(*ranks, self.batch_shape.rank)
        h = self.graph.run(Inputs(x1, x2, self._rank, batch, examples, crossed).features, **options)
        if h.unknown and "ntk" in wanted:
            raise NoLimit(h.unknown)
        kernels = {"nngp": h.cov, "ntk": tf.zeros_like(h.cov) if h.ntk is None else h.ntk}
        return tuple(kernels[kind] for kind in wanted)

    def _per_pair(self, shape: tuple[int, ...]) -> int:
        """Return the number of covariance entries per pair of inputs of this shape, over all batches."""
        positions = math.prod(shape[:-1])
        return (positions**2 if self.graph.full else positions) * max(self.batch_shape.num_elements() or 1, 1)


def shown(kernel: Any) -> str:
    """Return a short text of a kernel; that of TensorFlow Probability fails for nests whose types are open."""
    name, batch = type(kernel).__name__, kernel.batch_shape
    return f"<{name} {kernel.name!r} batch_shape={batch} feature_ndims={kernel.feature_ndims}>"


def as_floating(x: Any, dtype: Any = None) -> tf.Tensor:
    """Convert x to a tensor of `dtype`; by default, float32 and float64 arrays keep theirs, and all else is float32.

    Raises:
        NtkbenchError: x does not consist of real numbers.
    """
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        raise NtkbenchError("The inputs have masked entries; fill them, for example with x.filled(0), or remove them.")
    try:
        x = tf.convert_to_tensor(x, dtype=None if hasattr(x, "dtype") else dtype or tf.float32)
    except (TypeError, ValueError) as error:
        raise NtkbenchError(
            f"The inputs, a {type(x).__name__}, cannot be read as real numbers; pass a dense array in float32 or "
            "float64."
        ) from error
    if not (x.dtype.is_floating or x.dtype.is_integer or x.dtype.is_bool):
        raise NtkbenchError(f"The inputs have dtype {x.dtype.name}; kernels are computed of real numbers.")
    return tf.cast(x, dtype or (x.dtype if x.dtype in COMPUTABLE else tf.float32))


def _computable(dtype: Any) -> tf.DType:
    """Return a dtype in which kernels are computed; raise NtkbenchError for any other."""
    try:
        found = tf.as_dtype(dtype)
    except TypeError:
        found = None
    if found not in COMPUTABLE:
        raise NtkbenchError(f"The dtype of a kernel is {dtype!r}; it must be 'float32' or 'float64'.")
    return found


def _require_ranks(feature_ndims: Any) -> None:
    """Raise NtkbenchError unless this is the rank of one input, or the two ranks of sequences and their mask."""
    ranks = list(feature_ndims.values()) if isinstance(feature_ndims, Mapping) else [feature_ndims]
    whole = all(isinstance(rank, int) and not isinstance(rank, bool) and rank > 0 for rank in ranks)
    if not whole or (isinstance(feature_ndims, Mapping) and sorted(ranks) != sorted(RAGGED.values())):
        raise NtkbenchError(
            f"feature_ndims={feature_ndims!r:.80} is invalid; pass the rank of one input, an integer of at least 1, or "
            f"{RAGGED} for sequences of different length."
        )


def _broadcast(what: str, shapes: Sequence[Any]) -> tf.TensorShape:
    """Return the shape to which shapes broadcast; raise NtkbenchError if they do not."""
    try:
        return functools.reduce(tf.broadcast_static_shape, map(tf.TensorShape, shapes), tf.TensorShape([]))
    except ValueError:
        found = " and ".join(
            str(list(shape)) for shape in dict.fromkeys(map(tuple, map(tf.TensorShape, shapes))) if shape
        )
        raise NtkbenchError(f"{what} shapes {found}, which do not broadcast.") from None
