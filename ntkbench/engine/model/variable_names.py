"""Names of trainable variables that do not depend on which models were built before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from .network import Network


def variable_names(net: Network) -> list[str]:
    """Return a distinct name for each trainable variable, in the network's order, such as "hidden_1/kernel".

    Keras numbers unnamed layers across the whole process ("dense_13"), so a model that is built twice gets two sets of
    names. Here the numbers start at 1 in each model ("dense_1"), so an architecture has the same names at every width
    and seed. Characters other than letters, digits, "_", "-" and "/" become "_".
    """
    return _distinct(_clean(name) for name in _paths(net))


def _paths(net: Network) -> list[str]:
    model = net.model
    if not hasattr(model, "_flatten_layers"):
        return [str(getattr(variable, "name", "weight")).partition(":")[0] for variable in net.variables]
    known = {id(variable.value): variable.path for variable in model.trainable_variables}
    paths = [known[id(variable)].split("/") for variable in net.variables]
    if all(len(path) > 1 and path[0] == model.name for path in paths):
        paths = [path[1:] for path in paths]
    return ["/".join(path) for path in _renumbered(paths, _automatic_names(model))]


def _automatic_names(model: Any) -> set[str]:
    """Return the names, without numbers, that Keras generates for unnamed layers of the model."""
    return {_snake_case(type(layer).__name__) for layer in model._flatten_layers()}


def _snake_case(name: str) -> str:
    """Convert a class name to a layer name as Keras does: "MultiHeadAttention" → "multi_head_attention"."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _renumbered(paths: Sequence[Sequence[str]], automatic: set[str]) -> list[list[str]]:
    """Renumber the generated names in these paths, starting at 1."""
    numbers: dict[str, set[int]] = {}
    for path in paths:
        for part in path:
            stem, number = _split(part)
            if stem in automatic:
                numbers.setdefault(stem, set()).add(number)
    order = {stem: sorted(found) for stem, found in numbers.items()}

    def renamed(part: str) -> str:
        stem, number = _split(part)
        if stem not in order:
            return part
        return f"{stem}_{order[stem].index(number) + 1}"

    return [[renamed(part) for part in path] for path in paths]


def _split(part: str) -> tuple[str, int]:
    """Split a name into its stem and trailing number, 0 if it has none."""
    found = re.fullmatch(r"(.+)_(\d+)", part)
    return (found[1], int(found[2])) if found else (part, 0)


def _clean(name: str) -> str:
    return re.sub(r"[^\w/-]", "_", name, flags=re.ASCII)[:100]


def _distinct(names: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    result: list[str] = []
    for name in names:
        other = name
        while other in seen:
            seen[name] += 1
            other = f"{name}_{seen[name] - 1}"
        seen[other] += 1
        result.append(other)
    return result
