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
from .layer import Layer, Pairing

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
    def of(cls, layers: Sequence[Any], source: Source | None = None) -> Graph:
        """Return the graph of a sequence of layers, which may include `Branches`."""
        if not isinstance(layers, Sequence):
            raise NtkbenchError(f"{layers!r:.80} is no sequence of layers; put the layers of the network in a list.")
        nodes = [Node(source or Source())]
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

    def pairings(self) -> list[dict[Pairing, Pairing]]:
        """Return for each node how its pairs of positions are computed, for every way in which later layers ask.

        Without masks, equal positions counted from the first step are those counted from the last, and all pairs
        include them. With masks, a node is computed once for each way.
        """
        wanted: list[dict[Pairing, Pairing]] = [{} for _ in self.nodes]
        wanted[-1] = {"first": "first"}
        for number in reversed(range(len(self.nodes))):
            ways = wanted[number]
            if not self.masked and ways:
                wanted[number] = ways = dict.fromkeys(ways, "full" if "full" in ways else next(iter(ways)))
            layer = self.nodes[number].layer
            if isinstance(layer, Layer):
                for way in ways.values():
                    for read in self.nodes[number].inputs:
                        wanted[read][layer.pairing(way)] = layer.pairing(way)
        return wanted

    @property
    def masked(self) -> bool:
        """Whether sequences may differ in length."""
        return any(isinstance(node.layer, Source) and node.layer.mask is not None for node in self.nodes)

    @property
    def full(self) -> bool:
        """Whether a layer needs covariances between positions."""
        return any("full" in ways.values() for ways in self.pairings())

    @property
    def _compares_inputs(self) -> bool:
        return any(isinstance(node.layer, Layer) and node.layer.compares_inputs for node in self.nodes)

    @property
    def windowed(self) -> bool:
        """Whether a layer sums over windows of positions."""
        return any(getattr(node.layer, "windowed", False) for node in self.nodes)

    def run(
        self, inputs: Callable[[Source, Pairing, bool], Features], call: Call = lambda number, layer, *h: layer(*h)
    ) -> Features:
        """Return the features of the output.

        Args:
            inputs: Returns the features of a source, given which pairs of positions to include and whether to find the
                pairs of the same input.
            call: Applies the layer of a node.

        Raises:
            NoLimit: If the outputs still have positions.
        """
        wanted, compare = self.pairings(), self._compares_inputs
        last_reader = {read: number for number, node in enumerate(self.nodes) for read in node.inputs}
        found: list[dict[Pairing, Any]] = [{} for _ in self.nodes]
        for number, node in enumerate(self.nodes):
            for way in dict.fromkeys(wanted[number].values()):
                if isinstance(node.layer, Source):
                    found[number][way] = inputs(node.layer, way, compare)
                else:
                    asked = node.layer.pairing(way)
                    read = [found[k][wanted[k][asked]] for k in node.inputs]
                    found[number][way] = _applied(functools.partial(call, number), node, read, number)
            for k in node.inputs:
                if last_reader[k] == number:
                    found[k] = {}
        result = next(iter(found[-1].values()))
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


def _applied(call: Callable[..., Any], node: Node, read: list[Any], number: int) -> Features | Joined:
    layer: Any = node.layer
    try:
        if layer.unitwise and isinstance(read[0], Joined):
            return Joined(tuple((units, call(layer, part)) for units, part in read[0].parts))
        found = call(layer, *(h.merged() if isinstance(h, Joined) else h for h in read))
        # The same for all pairings of a node, whose units have the same weights.
        return evolve(found, sources=frozenset([number])) if layer.affine else found
    except NoLimit as error:
        raise NoLimit(f"{node.name}: {error}" if node.name else str(error)) from None
