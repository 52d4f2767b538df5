"""Compute spectral norms and extreme eigenvalues of the Hessian of one output, for each input separately."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from attrs import frozen

from ...errors import NtkbenchError
from ..autodiff import flat_hvp
from ..budget import GIB, budget
from ..checks import (
    NotFinite,
    enter,
    not_finite,
    require_finite,
    require_one_of,
    require_right_derivatives,
    require_tolerance,
    require_whole,
)
from ..model import Network, explained, rounding_of
from ..ops import full_precision
from ..partition import parts, shares
from ..replicas import Replicas
from ..structure import model_sizes, structure_of
from .eigenpairs import leading
from .extreme import Ritz, extreme, extreme_pairs, needs_basis
from .factored import FactoredHessian, factored_product
from .plan import factored_sizes, flat_sizes, plan

METHODS = ("auto", "factored", "hvp", "dense")
DENSE_LIMIT = 4096  # parameters: a dense Hessian of this size takes 128 MiB in float64
MAX_ITERATIONS = 300
ROUNDING = 64  # units in the last place of the norm: error bound for products and eigenvalues
TIED = 1e-3  # relative: if ±λ differ by less, λ counts as the larger; otherwise rounding would decide
STARTS = 2  # random starts of a block Lanczos: see lanczos.py


@frozen
class HessianNorm:
    """Spectral norms ‖∇²f(w; x_n)‖₂ of the Hessian of one output, as returned by `hessian_norm`.

    Attributes:
        value: The norms, [N] float64.
        error: Absolute errors, [N]: rounding for the dense method, otherwise the residual of the extreme Ritz pair, or
            how much larger the eigenvalue near the second one may be.
        converged: Whether error <= tol·value, [N] bool.
        iterations: Lanczos steps taken; 0 for the dense method.
        method: The method used: "factored", "hvp" or "dense".
    """

    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray
    iterations: int
    method: str


@explained("TensorFlow cannot differentiate this model")
@full_precision()
def hessian_norm(
    model: Any,
    x: Any,
    *,
    output: int = 0,
    output_name: str | int | None = None,
    method: Literal["auto", "factored", "hvp", "dense"] = "auto",
    tol: float = 1e-3,
    max_iterations: int | None = None,
    seed: int = 0,
    memory_gib: float | None = None,
    strategy: Any = None,
) -> HessianNorm:
    """Return the spectral norm max |eigenvalue| of the Hessian of ONE output, for each input separately.

    The Hessian is taken with respect to all trainable weights. It is indefinite: the result is the largest magnitude,
    not the largest eigenvalue.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        x: Inputs [N, ...]: an array, or a dict, tuple or list of arrays as the model takes it.
        output: Index of the output unit.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.
        method: "factored" (all samples at once, in the small space where the Hessian is not zero; needs a rule for
            every trainable layer), "hvp" (sample by sample, on vectors of all P weights; any model), "dense" (the whole
            Hessian by P products and `eigh`; P up to 4096), or "auto": factored if possible, otherwise hvp.
        tol: Relative tolerance: converged means error <= tol·value.
        max_iterations: Maximum number of Lanczos steps, by default 300, and never more than the dimension of the space.
            Each step is two products with the Hessian, one for each of two random starts.
        seed: Seed of the random starts.
        memory_gib: Memory budget of the computation in GiB, as for `empirical_ntk`. It limits how many samples are
            processed at once and how many Lanczos vectors are kept.
        strategy: A `tf.distribute` strategy or its name, as for `empirical_ntk`. The inputs are split over its
            replicas. Lanczos then starts from other random vectors, so values agree within their errors.

    Returns:
        The norms with certified errors, see `HessianNorm`.

    Raises:
        NtkbenchError: The model's second derivatives are wrong, the method does not apply to the model, or one sample
            does not fit into memory.

    Source: Liu, Zhu, Belkin 2020 (arXiv 2010.01092), Hessian of the output; error: Parlett 1998, section 13.2.

    Examples:
        For f = exp(w·x) the Hessian is exp(w·x)·x·xᵀ, with norm exp(w·x)·‖x‖²:

        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "exponential", use_bias=False)])
        >>> model.set_weights([np.zeros((2, 1))])
        >>> print(hessian_norm(model, np.array([[3.0, 4.0]])).value.round(3))
        [25.]
    """
    require_one_of(method, METHODS, "Hessian method")
    require_tolerance(tol)
    require_whole(seed, "seed", 0)
    if max_iterations is not None:
        require_whole(max_iterations, "max_iterations", 1)
    net, x, _ = enter(model, x, output=output, output_name=output_name)
    if strategy is not None:
        return _on_replicas(net, x, strategy, memory_gib, method=method, tol=tol, seed=seed, limit=max_iterations)
    return norms_and_pairs(
        net, x, method=method, tol=tol, max_iterations=max_iterations, seed=seed, memory_gib=memory_gib
    )[0]


def _on_replicas(
    net: Network,
    x: tf.Tensor,
    strategy: Any,
    memory_gib: float | None,
    *,
    method: str,
    tol: float,
    seed: int,
    limit: Any,
) -> HessianNorm:
    require_right_derivatives(net, x, order=2)
    route = _method(net, x, method)
    replicas = Replicas(net, strategy, x)
    parts_of = shares(len(x), replicas.count)
    share = budget(memory_gib) / GIB / len(replicas.local)

    def of_replica(of: Network, number: int) -> np.ndarray:
        mine = x[parts_of[number]]
        if not len(mine):
            return np.zeros(1)
        found, _ = norms_and_pairs(of, mine, method=route, tol=tol, max_iterations=limit, seed=seed, memory_gib=share)
        return np.concatenate([found.value, found.error, [found.iterations]])

    computed = replicas.compute(of_replica)
    value, error = (np.concatenate([np.split(each[:-1], 2)[i] for each in computed]) for i in (0, 1))
    return HessianNorm(value, error, error <= tol * value, int(max(each[-1] for each in computed)), route)


@frozen
class Eigenpair:
    """Largest eigenvalue in magnitude of one sample, with its eigenvector and that of the second largest, [P] each.

    If λ and −λ are tied, as in networks that are linear in each of two layers, value is the positive one.
    """

    value: float
    vector: tf.Tensor
    second: tf.Tensor


def norms_and_pairs(
    net: Network,
    x: tf.Tensor,
    *,
    method: str = "auto",
    tol: float,
    max_iterations: int | None = None,
    seed: int,
    pairs: int = 0,
    memory_gib: float | None = None,
) -> tuple[HessianNorm, list[Eigenpair]]:
    """Return the result of `hessian_norm` and the eigenpairs of the first `pairs` samples (none for method "dense")."""
    require_right_derivatives(net, x, order=2)
    route = _method(net, x, method)
    if route == "dense":
        value, error = _dense(net, x)
        return HessianNorm(value, error, error <= tol * value, 0, route), []
    value, error, steps, found = np.zeros(len(x)), np.zeros(len(x)), 0, []
    limit = max(1, MAX_ITERATIONS if max_iterations is None else max_iterations)
    for each in _parts(net, x, route, limit, budget(memory_gib), basis=pairs > 0 or needs_basis(tol, net.dtype)):
        part, operator = each.samples, each.operator
        wanted = max(0, min(pairs, part.stop) - part.start)
        search = extreme_pairs if wanted else partial(extreme, narrowed=operator.narrowed, xla=operator.xla)
        rng = np.random.default_rng([seed, part.start])
        with _explaining(net, x[part]):
            ritz = search(operator.matvec, operator.start(rng), tol=tol, max_steps=each.steps)
        value[part] = np.abs(ritz.values)
        rounding = ROUNDING * rounding_of(net, x) * value[part]
        error[part] = np.maximum(ritz.residual, rounding)
        steps = max(steps, ritz.steps)
        if wanted and isinstance(ritz, Ritz):
            found += _pairs(ritz, operator, wanted)
    return HessianNorm(value, error, error <= tol * value, steps, route), found


def _pairs(ritz: Ritz, operator: Any, count: int) -> list[Eigenpair]:
    vectors = [operator.flat(ritz.vectors(i)[:count]) for i in (0, 1)]
    found = []
    for n in range(count):
        top = int(tied(*ritz.pairs[n])) if ritz.pairs.shape[1] > 1 else 0
        found.append(Eigenpair(float(ritz.pairs[n, top]), vectors[top][n], vectors[1 - top][n]))
    return found


def tied(first: Any, second: Any) -> Any:
    """Return whether the second largest eigenvalue in magnitude replaces the first, which is negative and tied."""
    return (first < 0) & (second >= -(1 - TIED) * first)


@frozen
class HessianEigs:
    """Eigenvalues of largest magnitude of ∇²f(w; x_n), as returned by `hessian_eigs`.

    Converted to an array, or indexed, it is its `value`.

    Attributes:
        value: The eigenvalues, [N, k] float64, with their signs, by decreasing magnitude.
        error: Absolute errors, [N, k]: the residual of each Ritz pair, or rounding.
        converged: Whether error <= tol·|largest|, [N, k] bool.
        iterations: Lanczos steps in total.
    """

    value: np.ndarray
    error: np.ndarray
    converged: np.ndarray
    iterations: int

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype) if copy else np.asarray(self.value, dtype)

    def __getitem__(self, key: Any) -> Any:
        return self.value[key]

    def __len__(self) -> int:
        return len(self.value)


@explained("TensorFlow cannot differentiate this model")
@full_precision()
def hessian_eigs(
    model: Any,
    x: Any,
    k: int,
    *,
    output: int = 0,
    output_name: str | int | None = None,
    vectors: bool = False,
    tol: float = 1e-3,
    seed: int = 0,
) -> HessianEigs | tuple[HessianEigs, np.ndarray]:
    """Return the k eigenvalues of largest magnitude of each input's Hessian, repeated according to multiplicity.

    Lanczos is restarted in the complement of the eigenvectors found so far until no larger eigenvalue appears, so that
    repeated eigenvalues are found too. If the model has fewer than k weights, the missing eigenvalues are 0.

    Args:
        model: A Keras 3 model, a `tf.Module`, or a callable with `trainable_variables`; see `empirical_ntk`.
        x: Inputs [N, ...]: an array, or a dict, tuple or list of arrays as the model takes it.
        k: Number of eigenvalues, at least 1.
        output: Index of the output unit.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.
        vectors: Also return the eigenvectors over the flattened trainable weights.
        tol: Relative tolerance: converged means a residual of at most tol times the largest magnitude.
        seed: Seed of the random starts.

    Returns:
        A `HessianEigs` with values [N, k]. With `vectors`, a tuple of it and the eigenvectors [N, k, P].

    Raises:
        NtkbenchError: k is below 1, the model's second derivatives are wrong, or one sample does not fit into memory.

    Source: as for `hessian_norm`.

    Examples:
        The Hessian of v·u·x in (u, v) has the eigenvalues x and −x:

        >>> import keras, numpy as np
        >>> layers = [keras.layers.Dense(1, use_bias=False) for _ in range(2)]
        >>> found = hessian_eigs(keras.Sequential([keras.Input((1,)), *layers]), np.array([[3.0]]), 2)
        >>> print(np.sort(found.value).round(3), found.converged.all())
        [[-3.  3.]] True
    """
    require_whole(k, "k", 1)
    require_tolerance(tol)
    require_whole(seed, "seed", 0)
    net, x, _ = enter(model, x, output=output, output_name=output_name)
    require_right_derivatives(net, x, order=2)
    shape = (len(x), int(k))
    values, errors, steps = np.zeros(shape), np.zeros(shape), 0
    found = np.zeros((*shape, net.size if vectors else 0), net.dtype.as_numpy_dtype)
    for each in _parts(net, x, _method(net, x, "auto"), MAX_ITERATIONS, budget(None)):
        part, operator = each.samples, each.operator
        rng = np.random.default_rng([seed, part.start])
        with _explaining(net, x[part]):
            pairs = leading(operator, shape[1], rng, tol=tol, max_steps=each.steps)
        count, steps = pairs.values.shape[1], max(steps, pairs.steps)
        values[part, :count] = pairs.values
        errors[part, :count] = pairs.residuals
        for i in range(count if vectors else 0):
            found[part, i] = operator.flat(pairs.vectors[:, i]).numpy()
    largest = np.abs(values).max(1, keepdims=True)
    errors = np.maximum(errors, ROUNDING * rounding_of(net, x) * largest)
    result = HessianEigs(values, errors, errors <= tol * largest, steps)
    return (result, found) if vectors else result


@contextlib.contextmanager
def _explaining(net: Network, x: tf.Tensor) -> Iterator[None]:
    """Raise NotFinite with its cause if a Hessian-vector product is not finite."""
    try:
        yield
    except NotFinite:
        raise not_finite(net, {"x": x}, "Hessian") from None


@frozen
class FlatHessian:
    """The Hessian of one sample on vectors of all P weights: [1, copies, P] -> [1, copies, P].

    Attributes:
        xla: Whether XLA compiles the product: no.
    """

    product: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    x: tf.Tensor
    size: int
    dtype: tf.DType
    copies: int
    xla = False

    def start(self, rng: np.random.Generator) -> tf.Tensor:
        """Return random vectors [1, copies, P]."""
        return tf.constant(rng.standard_normal((1, self.copies, self.size)), self.dtype)

    def matvec(self, v: tf.Tensor) -> tf.Tensor:
        """Return H·v for each vector."""
        return tf.stack([self.product(self.x, row) for row in tf.unstack(v[0])])[None]

    def narrowed(self, samples: np.ndarray) -> None:
        """Return None: one sample has no subset."""

    def flat(self, v: tf.Tensor) -> tf.Tensor:
        """Return v: its coordinates are the weights already."""
        return v


@frozen
class Part:
    """Samples processed together, with their operator on STARTS vectors each and the maximum number of steps."""

    samples: slice
    operator: FactoredHessian | FlatHessian
    steps: int


def _parts(net: Network, x: tf.Tensor, method: str, limit: int, allowed: int, basis: bool = True) -> Iterator[Part]:
    """Yield the samples in parts that fit in `allowed` bytes; `basis` tells whether Lanczos keeps all its vectors."""
    if method == "hvp":
        chosen = plan(
            flat_sizes(net, model_sizes(net, (), x).activations, STARTS, basis), 1, min(limit, net.size), allowed
        )
        for n in range(len(x)):
            operator = FlatHessian(flat_hvp(net), x[n : n + 1], net.size, net.dtype, STARTS)
            yield Part(slice(n, n + 1), operator, chosen.steps)
        return
    structure = structure_of(net, x)
    whole = factored_product(net, structure, x, STARTS)
    chosen = plan(factored_sizes(whole, len(x), STARTS, basis), len(x), min(limit, whole.size), allowed)
    for start, stop in parts(len(x), chosen.samples):  # at most two lengths, because each length traces a function
        yield Part(slice(start, stop), FactoredHessian(net, structure, x[start:stop], STARTS), chosen.steps)


def _method(net: Network, x: tf.Tensor, method: str) -> str:
    if method == "factored" and not structure_of(net, x).complete:
        raise NtkbenchError("A trainable layer of the model has no rule; use method='hvp'.")
    if method == "dense" and net.size > DENSE_LIMIT:
        raise NtkbenchError(
            f"The model has {net.size} weights, but method='dense' supports at most {DENSE_LIMIT}; use method='auto'."
        )
    if method == "auto":
        method = "factored" if structure_of(net, x).complete else "hvp"
    return method


def _dense(net: Network, x: tf.Tensor) -> tuple[np.ndarray, np.ndarray]:
    product = flat_hvp(net)
    value, error = np.zeros(len(x)), np.zeros(len(x))
    for n in range(len(x)):
        columns = [product(x[n : n + 1], row).numpy() for row in tf.eye(net.size, dtype=net.dtype)]
        h = np.asarray(columns, np.float64)
        require_finite(h, net, x[n : n + 1], "Hessian")
        value[n] = np.abs(np.linalg.eigvalsh((h + h.T) / 2)).max()
        # Eigenvalues of a symmetric matrix change by at most the norm of the perturbation of its entries.
        error[n] = np.linalg.norm(h - h.T) / 2 + ROUNDING * rounding_of(net, x) * np.linalg.norm(h)
    return value, error
