"""A network on a random directed acyclic graph."""

from __future__ import annotations

from typing import Any, Unpack

import keras
import numpy as np

from ..seeds import seed_for
from .common import Common, assemble, joined, readout, whole


def draw_graph(groups: int, graph_seed: int) -> list[list[int]]:
    """Draw the parents of each group: none for group 0, which reads the input, otherwise a random subset of 0 … g−1.

    Subsets are uniform over the non-empty ones. Group 1 always has the single parent 0, so the smallest in-degree
    outside the first group is one group.
    """
    rng = np.random.default_rng(seed_for(graph_seed, "graph"))
    parents: list[list[int]] = [[]]
    for group in range(1, groups):
        subset = int(rng.integers(1, 2**group))
        parents.append([earlier for earlier in range(group) if subset >> earlier & 1])
    return parents


def build(
    width: int,
    *,
    input_shape: tuple[int, ...],
    outputs: int = 1,
    activation: Any = "tanh",
    groups: int = 5,
    graph_seed: int = 0,
    **common: Unpack[Common],
) -> keras.Model:
    """Return a network of `groups` groups of `width` neurons on a random acyclic graph: [N, d] → [N, outputs].

    A group is a dense layer on the concatenated outputs of its parents, so the smallest in-degree after the first group
    is `width`. The readout reads the groups without children. The graph depends only on `graph_seed` and `groups`.

    Source: Zhu, Liu, Belkin 2022 (arXiv 2205.11786), equations 2 and 5 and the definition of width.
    """
    width = whole("width", width)
    parents = draw_graph(whole("groups", groups), graph_seed)
    read = {parent for group in parents for parent in group}

    def core(make, x):
        h: list[Any] = []
        for group, earlier in enumerate(parents):
            inputs = joined([h[parent] for parent in earlier]) if earlier else x
            h.append(make.dense(width, f"group_{group}", activation)(inputs))
        return readout(make, joined([h[group] for group in range(groups) if group not in read]), outputs)

    return assemble(core, "vector", input_shape, width=width, **common)
