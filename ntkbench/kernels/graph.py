"""Represent an infinitely wide network as a graph of layers, and propagate moments through it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from attrs import evolve, frozen

from ..errors import NtkbenchError
from .duals.hermite import Quadrature
from .features import Features, Joined, NoLimit
from .inputs import Source
from .joins import Add, Concatenate
from .layer import Layer

Call = Callable[..., Any]


@frozen
class Branches:
    """Parallel branches with the same input and a layer that joins them; an empty branch is the identity."""

    join: Layer
    branches: tuple[tuple[Any, ...], ...]


def residual(*layers: Any) -> Branches:
    """Return h + layers(h).

    Args:
        *layers: Layers in sequence.
    """
    return add([], list(layers))


def add(*branches: Sequence[Any]) -> Branches:
    """Return the sum of branches.

    Args:
        *branches: Sequences of layers; an empty one is the features themselves.
    """
    return Branches(Add(), tuple(map(tuple, branches)))


def concatenate(*branches: Sequence[Any], units: Sequence[float] = ()) -> Branches:
    """Return the concatenated features of branches.

    Args:
        *branches: Sequences of layers; an empty one is the features themselves.
        units: Relative number of units of each branch; default: equal numbers.
    """
    return Branches(Concatenate(tuple(units)), tuple(map(tuple, branches)))


@frozen
class Node:
    """A layer and the indices of its input nodes, which precede it."""

    layer: Layer | Source
    inputs: tuple[int, ...] = ()
    name: str = ""


@frozen
class Graph:
    """Nodes in topological order; the last one is the output."""

    nodes: tuple[Node, ...]

    @classmethod
    def of(cls, layers: Sequence[Any]) -> Graph:
        """Return the graph of a sequence of layers, which may include `Branches`."""
        nodes = [Node(Source())]
        _extend(nodes, layers, 0)
        return cls(tuple(nodes))

    def refined(self) -> Graph:
        """Return the graph with twice the accuracy of its quadratures."""
        return Graph(
            tuple(
                node if isinstance(node.layer, Source) else evolve(node, layer=node.layer.refined())
                for node in self.nodes
            )
        )

    @property
    def by_quadrature(self) -> list[str]:
        """The activations whose duals have no closed form."""
        duals = [getattr(node.layer, "function", None) for node in self.nodes]
        functions = [dual.function for dual in duals if isinstance(dual, Quadrature)]
        return list(dict.fromkeys(getattr(each, "__name__", type(each).__name__) for each in functions))

    @property
    def parameters(self) -> list[Any]:
        """All coefficients of the layers: numbers, tensors and variables."""
        return [p for node in self.nodes if isinstance(node.layer, Layer) for p in node.layer.parameters]

    def wants_full(self) -> list[bool]:
        """Return for each node whether a later layer needs its covariances between positions."""
        wanted = [False] * len(self.nodes)
        for number in reversed(range(len(self.nodes))):
            layer = self.nodes[number].layer
            own = wanted[number] if isinstance(layer, Source) or layer.wants_full is None else layer.wants_full
            for read in self.nodes[number].inputs:
                wanted[read] = wanted[read] or own
        return wanted

    @property
    def windowed(self) -> bool:
        """Whether a layer sums over windows of positions."""
        return any(getattr(node.layer, "windowed", False) for node in self.nodes)

    def run(
        self, inputs: Callable[[Source, bool], Features], call: Call = lambda number, layer, *h: layer(*h)
    ) -> Features:
        """Return the features of the output.

        Args:
            inputs: Returns the features of a source, given whether to keep covariances between positions.
            call: Applies the layer of a node.

        Raises:
            NoLimit: If the outputs still have positions.
        """
        wanted = self.wants_full()
        last_reader = {read: number for number, node in enumerate(self.nodes) for read in node.inputs}
        found: list[Any] = []
        for number, (node, full) in enumerate(zip(self.nodes, wanted, strict=True)):
            if isinstance(node.layer, Source):
                found.append(inputs(node.layer, full))
            else:
                found.append(_applied(functools.partial(call, number), node, [found[k] for k in node.inputs]))
            for read in node.inputs:
                if last_reader[read] == number:
                    found[read] = None
        result = found[-1]
        result = result.merged() if isinstance(result, Joined) else result
        if result.positions:
            raise NoLimit(
                "The network's outputs still have positions; end it with flattening or averaging over positions, "
                "followed by a dense layer."
            )
        return result


def _extend(nodes: list[Node], layers: Sequence[Any], last: int) -> int:
    """Append layers after the node `last`, and return the index of the new last node."""
    for layer in layers:
        if isinstance(layer, Branches):
            ends = [_extend(nodes, branch, last) for branch in layer.branches]
            nodes.append(Node(layer.join, tuple(ends)))
        elif isinstance(layer, Layer):
            nodes.append(Node(layer, (last,)))
        elif isinstance(layer, list | tuple):
            _extend(nodes, layer, last)
        else:
            raise NtkbenchError(
                f"{layer!r} is not a layer of ntkbench.kernels. Pass layers such as Dense, Conv, Activation or "
                "add(...), or use infinite_width(model) for a Keras model."
            )
        last = len(nodes) - 1
    return last


def _applied(call: Callable[..., Any], node: Node, read: list[Any]) -> Features | Joined:
    layer: Any = node.layer
    try:
        if layer.unitwise and isinstance(read[0], Joined):
            return Joined(tuple((units, call(layer, part)) for units, part in read[0].parts))
        return call(layer, *(h.merged() if isinstance(h, Joined) else h for h in read))
    except NoLimit as error:
        raise NoLimit(f"{node.name}: {error}" if node.name else str(error)) from None
