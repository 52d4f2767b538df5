"""Predict the peak memory of a computation from the sizes of the model's layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import tensorflow as tf
from attrs import frozen

from ...errors import NtkbenchError
from ..model import Network
from ..ops import dependents
from ..rules.native import native
from ..rules.rule import Rule
from .contraction import ProductSize
from .taps import run_tapped

PROBES = 2  # samples in the trace from which sizes are read

# Operations whose result shares the memory of its argument or is negligible.
NO_MEMORY = frozenset(
    {
        "Const", "ExpandDims", "Identity", "IdentityN", "NoOp", "Pack", "Placeholder", "ReadVariableOp", "Reshape",
        "Shape", "Squeeze", "StopGradient", "StridedSlice",
    }
)  # fmt: skip


@frozen
class ModelSizes:
    """Sizes of a model's tensors for one sample.

    Attributes:
        outputs: Number of output units.
        products: Sizes of the products of the given rules.
        activations: Entries kept for a backward pass, about half of the results of all operations on the sample.
        of_weights: Entries that are computed from the weights alone, such as normalised weights, whatever the number of
            samples.
        operations: Number of operations of a forward pass.
    """

    outputs: int
    products: tuple[ProductSize, ...]
    activations: int
    of_weights: int
    operations: int

    @property
    def rows(self) -> int:
        """Return the number of entries of A of all products."""
        return sum(p.inputs for p in self.products)

    @property
    def cotangents(self) -> int:
        """Return the number of entries of G of all products, for one output unit."""
        return sum(p.cotangents for p in self.products)


def model_sizes(net: Network, rules: Sequence[Rule], x: tf.Tensor) -> ModelSizes:
    """Return the sizes of a model for inputs like x: [N, ...], from a trace without computation."""
    key = ("sizes", tuple(rules), tuple(x.shape[1:]), x.dtype)
    return net.cached(key, lambda: _sizes(net, rules, x))


def _sizes(net: Network, rules: Sequence[Rule], x: tf.Tensor) -> ModelSizes:
    products: list[ProductSize] = []

    def forward(x: tf.Tensor) -> tf.Tensor:
        outputs, layers = run_tapped(net, [native(rule) for rule in rules], x, lambda tap: None)
        for tapped in layers:
            a = tapped.rows()
            products.append(ProductSize(a.shape[1], a.shape[2], a.shape[3], tapped.product.columns))
        return outputs

    spec = tf.TensorSpec([PROBES, *x.shape[1:]], x.dtype)
    try:
        traced = tf.function(forward, autograph=False).get_concrete_function(spec)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message").rstrip(".")
        raise NtkbenchError(
            f"The model cannot be called on inputs of shape {list(x.shape)} and dtype {x.dtype.name}: {reason}."
        ) from error
    behind = _behind(traced.outputs[0])
    of_samples = dependents(traced.graph, traced.inputs[0])
    of_weights = made(op for op in behind if not any(tensor.ref() in of_samples for tensor in op.outputs))
    outputs = int(traced.outputs[0].shape[1])
    return ModelSizes(
        outputs, tuple(products), (made(behind) - of_weights) // (2 * PROBES), of_weights, operations=len(behind)
    )


def _behind(tensor: tf.Tensor) -> list[tf.Operation]:
    """Return all operations that a tensor depends on."""
    found: set[tf.Operation] = set()
    waiting = [tensor.op]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [t.op for t in operation.inputs]
    return list(found)


def made(operations: Iterable[tf.Operation]) -> int:
    """Return the number of entries that operations allocate."""
    return numbers(t for op in operations if op.type not in NO_MEMORY for t in op.outputs)


def numbers(tensors: Iterable[tf.Tensor]) -> int:
    """Return the number of entries of graph tensors, without those of unknown shape."""
    known = [t.shape.num_elements() for t in tensors if t.dtype.is_floating and t.shape.is_fully_defined()]
    return sum(known)
