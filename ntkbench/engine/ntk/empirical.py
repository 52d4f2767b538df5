"""Compute the empirical neural tangent kernel of a model, by one of three equivalent methods."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from ...errors import NtkbenchError
from ..budget import GIB, budget
from ..checks import NotFinite, enter, not_finite, require_one_of, require_right_derivatives
from ..model import Network, explained, layers_of
from ..replicas import Replicas
from ..structure import model_sizes
from .blocks import compute
from .distributed import kernels
from .prepared import chosen_units, prepared, weights_for
from .target import Store, file_store

METHODS = ("auto", "structured", "jacobian", "ntk_vector_products")
PRECISIONS = ("float32", "float64")
SMALL = 2**28  # bytes: the blocks of smaller kernels do not depend on how much more memory is free


@explained("TensorFlow cannot differentiate this model")
def empirical_ntk(
    model: Any,
    x1: Any,
    x2: Any = None,
    *,
    outputs: Literal["trace", "full"] | int = "trace",
    output_name: str | int | None = None,
    per_layer: bool = False,
    method: Literal["auto", "structured", "jacobian", "ntk_vector_products"] = "auto",
    memory_gib: float | None = None,
    out: str | os.PathLike[str] | None = None,
    precision: Literal["float32", "float64"] | None = None,
    strategy: Any = None,
) -> Any:
    """Return the empirical tangent kernel K(x, x') = ⟨∂f(x)/∂w, ∂f(x')/∂w⟩ over all trainable weights w.

    Args:
        model: A Keras 3 model on the TensorFlow backend (called with training=False), a `tf.Module`, or a callable with
            `trainable_variables`. Its outputs are flattened to [N, O].
        x1: Inputs [N1, ...]: an array, or a dict, tuple or list of arrays as the model takes it.
        x2: Inputs [N2, ...]; None means x1 and takes half the work.
        outputs: "trace" for the SUM over output units, an index for one unit, or "full" for all pairs of units.
        output_name: For a model with several outputs: the name, dictionary key or index of the output to use.
        per_layer: Return the share of each layer instead, as {layer name: kernel} in the model's order. The shares add
            up to the kernel.
        method: "structured" (from layer inputs and cotangents, without a Jacobian), "jacobian" (contraction of the
            Jacobian [N·O, P], some samples at a time), "ntk_vector_products" (one product with K at a time, in P-sized
            memory), or "auto": structured for layers with a rule, jacobian for the weights of the others.
        memory_gib: Memory budget of the computation in GiB, beside the model. Samples, output units and positions are
            cut into blocks that fit. Default: three quarters of the available memory, rounded down to a power of two.
        out: Path of a file for the result. The file is written block by block as `out`.partial, renamed when it is
            complete, and returned as a read-only memory map. It may be larger than memory. One kernel only.
        precision: "float32" or "float64" to compute in; default: the model's own. Keras models only.
        strategy: A `tf.distribute` strategy (Mirrored, MultiWorkerMirrored or TPU), or its name "mirrored",
            "multiworker" or "tpu". The kernel's blocks are split over its replicas, each with a copy of the model
            (Keras models only) and its share of memory_gib. With several workers, each worker makes this call and gets
            the kernel.

    Returns:
        An array [N1, N2], or [N1, N2, O, O] for "full", where K[n, m, o, q] = ⟨∂f_o(x_n)/∂w, ∂f_q(x'_m)/∂w⟩, in the
            precision of the computation. With per_layer, a dictionary of such arrays.

    Raises:
        NtkbenchError: The model or the inputs are not supported, the model's derivatives are wrong, the method does not
            apply to the model, or no block fits into the memory budget.

    Source: Jacot et al. 2018 (arXiv 1806.07572); routes: Novak et al. 2022 (arXiv 2206.08720).

    Examples:
        The kernel of a linear model is the Gram matrix of its inputs; a bias adds 1 and belongs to its layer's share:

        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
        >>> x = np.array([[1.0, 2.0], [3.0, 4.0]])
        >>> print(empirical_ntk(model, x))
        [[ 5. 11.]
         [11. 25.]]
        >>> print(empirical_ntk(model, x, x[:1], outputs="full").shape)
        (2, 1, 1, 1)
        >>> two = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(1)])
        >>> shares = empirical_ntk(two, x, per_layer=True)
        >>> bool(np.allclose(sum(shares.values()), empirical_ntk(two, x, method="jacobian"), rtol=1e-4))
        True
        >>> v = two.layers[1].kernel.numpy()[:, 0]  # f = v·(Ux + c) + b: the first layer's share is |v|²(xᵀx' + 1)
        >>> bool(np.allclose(shares["first"], v @ v * (x @ x.T + 1), rtol=1e-4))
        True
    """
    require_one_of(method, METHODS, "kernel method")
    if strategy is not None and out is not None:
        raise NtkbenchError("strategy= gathers the kernel in memory, but out= writes it to a file; use only one.")
    if per_layer and out is not None:
        raise NtkbenchError("per_layer=True returns several kernels, but out= stores only one; use only one of them.")
    given = None if memory_gib is None else budget(memory_gib)
    if precision is not None:
        require_one_of(precision, PRECISIONS, "precision")
    if not isinstance(out, str | os.PathLike | None):
        raise NtkbenchError(f"out={out!r} is not a path; pass a file name such as 'kernel.npy'.")
    net, x1, x2 = enter(model, x1, x2, output_name=output_name, precision=precision)
    unit: int | Literal["every"] = int(outputs) if isinstance(outputs, int | np.integer) else "every"
    require_right_derivatives(net, *([x1] if x2 is None else [x1, x2]), order=1, unit=unit)
    if strategy is not None:
        return _distributed(net, x1, x2, outputs, per_layer, method, strategy, given or budget(None))
    prepare = partial(prepared, net, x1, x2, outputs, method, per_layer, out is None)
    if per_layer or not isinstance(outputs, str | int):
        ready = prepare(given or budget(None))
    else:  # choosing the blocks of a small kernel takes longer than the kernel
        shapes = x1.shape, None if x2 is None else x2.shape
        key = ("prepared", shapes, x1.dtype, type(outputs), outputs, method, out is None, given)
        ready = net.cached(key, lambda: prepare(given or budget(None)))
        if given is None and ready.plan.predicted_bytes > SMALL:
            free = budget(None)
            ready = net.cached((*key, free), lambda: prepare(free))
    dtype = net.dtype.as_numpy_dtype
    if out is not None:
        with file_store(out, ready.shape, dtype) as file, _explaining(net, x1, x2):
            compute(ready.route, x1, x2, ready.units, ready.plan, file)
        return np.load(out, mmap_mode="r")
    store = Store(len(ready.layers or "1"), ready.shape, dtype)
    with _explaining(net, x1, x2):
        compute(ready.route, x1, x2, ready.units, ready.plan, store)
    return dict(zip(ready.layers, store.kernels, strict=True)) if ready.layers else store.kernels[0]


def _distributed(
    net: Network,
    x1: tf.Tensor,
    x2: tf.Tensor | None,
    outputs: Any,
    per_layer: bool,
    method: Any,
    strategy: Any,
    allowed: int,
) -> Any:
    """Return the kernel, with its blocks split over the replicas of a strategy; see `empirical_ntk`."""
    rules, _ = weights_for(net, x1, method)
    count = len(chosen_units(outputs, model_sizes(net, rules, x1).outputs))
    layers = layers_of(net) if per_layer else None
    replicas = Replicas(net, strategy, x1)
    share = allowed / GIB / len(replicas.local)

    def block(of: Network, x1: tf.Tensor, x2: tf.Tensor | None) -> list[np.ndarray]:
        found = empirical_ntk(of, x1, x2, outputs=outputs, per_layer=per_layer, method=method, memory_gib=share)
        return list(found.values()) if per_layer else [found]

    found = kernels(replicas, x1, x2, block, len(layers or "1"), (count, count) if outputs == "full" else ())
    return dict(zip(layers, found, strict=True)) if layers else found[0]


@contextlib.contextmanager
def _explaining(net: Network, x1: tf.Tensor, x2: tf.Tensor | None) -> Iterator[None]:
    """Raise NotFinite with its cause if the kernel is not finite."""
    try:
        yield
    except NotFinite:
        inputs = {"x": x1} if x2 is None else {"x1": x1, "x2": x2}
        raise not_finite(net, inputs, "tangent kernel") from None
