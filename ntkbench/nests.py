"""Nests of arrays, as Keras takes them: an array, or a dict, tuple or list of nests, one sample per entry of axis 0."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .errors import NtkbenchError

if TYPE_CHECKING:
    import numpy as np


def is_nest(x: Any) -> bool:
    """Return whether x is a dict, tuple or list with something other than numbers in it."""
    return isinstance(x, Mapping) or (isinstance(x, list | tuple) and any(map(_is_part, x)))


def _is_part(x: Any) -> bool:
    return is_nest(x) or len(getattr(x, "shape", ())) > 0


def leaves(x: Any, name: str = "x") -> Iterator[tuple[str, Any]]:
    """Yield the parts of a nest with their names: ("x['mask']", array). A part that is None is left out."""
    if is_nest(x):
        for key, part in items(x):
            yield from leaves(part, f"{name}[{key!r}]")
    elif x is not None:
        yield name, x


def map_leaves(function: Callable[[Any], Any], x: Any) -> Any:
    """Return a nest of the same structure with the function's value in place of each part; None stays None."""
    if is_nest(x):
        return rebuilt(x, [map_leaves(function, part) for _, part in items(x)])
    return None if x is None else function(x)


def rebuilt(x: Any, parts: list[Any]) -> Any:
    """Return a dict, tuple or list like x with other parts, given in the order of x."""
    if isinstance(x, Mapping):
        return dict(zip(x, parts, strict=True))
    return x._make(parts) if hasattr(x, "_make") else type(x)(parts)


def items(x: Any) -> Iterator[tuple[Any, Any]]:
    """Return an iterator over the keys or positions in a dict, tuple or list, with what is there."""
    return iter(x.items()) if isinstance(x, Mapping) else enumerate(x)


def arrays(x: Any) -> Any:
    """Return a nest with its parts as NumPy arrays."""
    import numpy as np

    return map_leaves(np.asarray, x) if is_nest(x) else np.asarray(x)


def read_only(x: Any) -> Any:
    """Return a nest of arrays with read-only views of them, for those who share them."""

    def view(array: np.ndarray) -> np.ndarray:
        found = array.view()
        found.flags.writeable = False
        return found

    return map_leaves(view, x) if is_nest(x) else view(x)


def samples(x: Any, name: str = "x") -> int:
    """Return N, the number of samples of a nest of arrays.

    Raises:
        NtkbenchError: A part has no first axis, or the first axes of two parts differ.
    """
    return common_samples(dict(leaves(x, name)), name)


def common_samples(parts: Mapping[str, Any], name: str = "x") -> int:
    """Return N, given the parts of a nest by name; see `samples`."""
    if not parts:
        raise NtkbenchError(f"{name} has no parts; expected arrays [N, ...].")
    first = next(iter(parts))
    for part, array in parts.items():
        if len(array.shape) == 0:
            raise NtkbenchError(f"{part} has shape []; the first axis of every part must be the samples: [N, ...].")
        if array.shape[0] != parts[first].shape[0]:
            raise NtkbenchError(
                f"{part} has {array.shape[0]} samples, but {first} has {parts[first].shape[0]}; all parts must have "
                "the same number."
            )
    return int(parts[first].shape[0])


def shapes(x: Any) -> Any:
    """Return the nest of the shapes of one sample: tuples without the first axis."""
    return map_leaves(lambda array: tuple(int(size) for size in array.shape[1:]), x)


def data_hash(x: Any, y: np.ndarray) -> str:
    """Return the first 32 hexadecimal digits of the SHA-256 of a nest and of an array.

    Each array enters with its dtype, shape and bytes; the parts of a nest also with their names, in alphabetical order.
    """
    import numpy as np

    total = hashlib.sha256()
    for name, array in [*sorted(leaves(x), key=lambda part: part[0]), ("y", y)]:
        if is_nest(x):
            total.update(name.encode())
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:32]
