"""Forms of data: the names by which datasets give inputs and architectures accept them.

A form that is not in this table belongs to a plugin: any nest of arrays [n, ...] is legal in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen

from ..errors import NtkbenchError
from ..nests import is_nest, leaves, samples

if TYPE_CHECKING:
    import numpy as np


@frozen
class Part:
    """One array of a form.

    Attributes:
        axes: Names of its axes, such as "n T a". Equal names stand for equal sizes in all parts.
        kind: "number", "integer" or "mask" (Boolean).
    """

    axes: str
    kind: str = "number"


Parts = Mapping[str, Part]

MASK = Part("n T", "mask")
TOKENS = Part("n T", "integer")
PADDED_TOKENS = {
    "token_ids": TOKENS,
    "padding_mask": MASK,
}  # the names in KerasHub, whose backbones take them as they are
FORMS: Mapping[str, tuple[Parts, ...]] = {
    "vector": ({"": Part("n d")},),
    "image": ({"": Part("n h w c")},),
    "sequence": ({"": Part("n T a")},),
    "ragged": ({"values": Part("n T a"), "mask": MASK},),
    "tokens": ({"": TOKENS}, PADDED_TOKENS, PADDED_TOKENS | {"segment_ids": TOKENS}),
    "graph": ({"nodes": Part("n V F"), "adjacency": Part("n V V")},),
    "set": ({"": Part("n M F")},),
}
"""The parts of each built-in form, by name ("" for a single array), in each of its structures."""
MASKED = {"mask": "values", "padding_mask": "token_ids"}
"""The part that is padded where a mask is false."""
ARRAYS = ("vector", "image", "sequence")
"""The forms of a single array that every row of numbers can take."""

_KINDS = {"number": "fiub", "integer": "iu", "mask": "b"}


def described(form: str) -> str:
    """Return the structure of a built-in form for messages, such as "{'nodes': [n, V, F], 'adjacency': [n, V, V]}"."""
    return " or ".join(
        _axes(parts[""]) if "" in parts else f"{{{', '.join(f'{k!r}: {_axes(p)}' for k, p in parts.items())}}}"
        for parts in FORMS[form]
    )


def _axes(part: Part) -> str:
    kind = {"number": "", "integer": " of integers", "mask": " of Booleans"}[part.kind]
    return f"[{', '.join(part.axes.split())}]{kind}"


def problem_of(form: str, x: Any, vocabulary: int | None = None) -> str:
    """Return why a nest of arrays does not have a form, as the end of a sentence about x, or "" if it does.

    Args:
        form: Name of the form; every nest has a form that is not built in.
        x: The nest of arrays.
        vocabulary: Number of different tokens, if the dataset declares it.
    """
    try:
        samples(x, "x")
    except NtkbenchError as error:
        return str(error).rstrip(".")
    if not any(each.size for _, each in leaves(x)):
        found = " and ".join(f"{name} has shape {list(each.shape)}" for name, each in leaves(x))
        return f"{found}, without a number"
    if form not in FORMS:
        return ""
    arrays = {name.removeprefix("x['").removesuffix("']") if is_nest(x) else "": each for name, each in leaves(x)}
    parts = next((parts for parts in FORMS[form] if parts.keys() == arrays.keys()), None)
    if parts is None:
        found = f"the parts {', '.join(map(repr, arrays))}" if is_nest(x) else "a single array"
        return f"x is {found}, but inputs of form {form!r} are {described(form)}"
    sizes: dict[str, int] = {}
    for name, part in parts.items():
        array, axes = arrays[name], part.axes.split()
        what = f"x[{name!r}]" if name else "x"
        known = zip(axes, array.shape, strict=False)
        if array.ndim != len(axes) or any(sizes.setdefault(axis, size) != size for axis, size in known):
            return f"{what} has shape {list(array.shape)}, but inputs of form {form!r} are {described(form)}"
        if array.dtype.kind not in _KINDS[part.kind]:
            return f"{what} has dtype {array.dtype}, but inputs of form {form!r} are {described(form)}"
        if not array.size:
            return f"{what} has shape {list(array.shape)}, without a number"
    return _content_problem(form, arrays, vocabulary)


def _content_problem(form: str, arrays: Mapping[str, np.ndarray], vocabulary: int | None) -> str:
    """Return what is wrong with the numbers of inputs of the right shapes, "" if nothing is."""
    masked = MASKED.keys() & arrays.keys()
    if masked:
        name = masked.pop()
        mask, values = arrays[name], arrays[MASKED[name]]
        if (mask[:, 1:] > mask[:, :-1]).any():
            return f"x[{name!r}] is true behind a false entry; padding must be on the right"
        if not mask[:, 0].all():
            return f"x[{name!r}] has no true entry for sample {int(mask[:, 0].argmin())}; every sequence needs one step"
        if values[~mask].any():
            return f"x[{MASKED[name]!r}] is not 0 where x[{name!r}] is false; padding must be 0"
    if form == "tokens":
        tokens = arrays[""] if "" in arrays else arrays["token_ids"]
        if tokens.min() < 0 or (vocabulary is not None and tokens.max() >= vocabulary):
            limit = (
                "at least 0" if vocabulary is None else f"from 0 to {vocabulary - 1}, as vocabulary={vocabulary} says"
            )
            return f"tokens range from {tokens.min()} to {tokens.max()}; they must be {limit}"
    return ""
