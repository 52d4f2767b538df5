"""Share equal integer constants of a graph, which are a third of the operations of a traced derivative.

TensorFlow creates a constant for each shape, axis and index that it meets while it traces. Sharing them shortens
tracing and the preparation of a function for its first call. Floating-point constants are never shared: a tape that
watches one of them would watch all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from .scopes import shared

LARGEST = 64  # entries: shapes, axes and indices are short, and data are not searched
KNOWN = "_ntkbench_constants"  # attribute of a graph: its integer constants by value

_create = ops._create_graph_constant


@shared
def shared_constants() -> Iterator[None]:
    """Make each integer constant once per graph, for functions that are traced within the scope."""
    ops._create_graph_constant = _shared
    try:
        yield
    finally:
        ops._create_graph_constant = _create


def _shared(value: Any, dtype: Any, shape: Any, *args: Any, **options: Any) -> tf.Tensor:
    graph = ops.get_default_graph()
    key = None if shape is not None else _key(value)
    if key is None or graph._get_control_flow_context() is not None:  # a constant of one branch has no value in another
        return _create(value, dtype, shape, *args, **options)
    known = getattr(graph, KNOWN, None)
    if known is None:
        known = {}
        setattr(graph, KNOWN, known)
    found = known.get((dtype, key))
    if found is None:
        found = _create(value, dtype, shape, *args, **options)
        if found.dtype.is_integer:
            known[dtype, key] = found
    return found


def _key(value: Any) -> Any:
    """Return what distinguishes an integer constant from others, or None for other values."""
    if type(value) is int:
        return value
    if isinstance(value, list | tuple):
        types = set(map(type, value)) if len(value) <= LARGEST else set()
        if types <= {int}:
            return tuple(value) if len(value) <= LARGEST else None
        return (types.pop(), *value) if len(types) == 1 and issubclass(next(iter(types)), np.signedinteger) else None
    if isinstance(value, np.ndarray | np.integer) and value.dtype.kind == "i" and value.size <= LARGEST:
        return value.dtype, value.shape, value.tobytes()
    return None
