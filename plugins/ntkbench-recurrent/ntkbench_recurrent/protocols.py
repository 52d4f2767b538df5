"""The protocols of the papers: which settings of each kernel are tried, and how one of them is chosen.

A setting is chosen on validation samples within the train part; the test part plays no role.
"""

import dataclasses
import itertools

import numpy as np

from .drawing import stratified

MLP = [{"depth": depth, "bias_std": b, "weight_std": 2**0.5} for depth in (1, 2, 3, 5) for b in (0.0, 0.1, 1.0)]
RBF = [{"bandwidth": b} for b in (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)]
POLYNOMIAL = [{"degree": p, "offset": c} for p in (1, 2, 3, 4, 5) for c in (0.0, 1.0)]
ALL = "all"  # frozen layers, whatever the depth
OTHERS = {"fully-connected": MLP, "rbf": RBF, "polynomial": POLYNOMIAL}


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How a kernel classifies.

    Attributes:
        grids: The settings that are tried, by the name of the kernel; other kernels have the single setting {}.
        costs: Costs C of the support vector machine.
        parts: Number of parts of the train part: every part is the validation part of the others.
        first_alone: Whether only the first part is a validation part.
        vote: Whether all best settings vote, as many of the first ones as make an odd number; otherwise the first best
            one decides.
        unit_norm: Whether inputs are divided by the largest norm of an input of the train part.
    """

    grids: dict
    costs: tuple
    parts: int
    first_alone: bool = False
    vote: bool = False
    unit_norm: bool = False

    def settings(self, name, fixed):
        """Return the settings of a kernel that are tried.

        Args:
            name: Name of the kernel.
            fixed: Parameters that the user set, and that the grid leaves alone.
        """
        found = []
        for setting in self.grids.get(name, [{}]):
            given = setting | fixed
            if given.get("frozen") == ALL:
                given["frozen"] = given["depth"]
            if given not in found:
                found.append(given)
        return found

    def splits(self, classes, *names):
        """Return pairs of train and validation rows of the train part.

        Args:
            classes: Classes [N] of the train part.
            *names: What the draw depends on.
        """
        part = stratified(classes, min(self.parts, len(classes)), *names)
        numbers = range(1 if self.first_alone else part.max() + 1)
        return [(np.flatnonzero(part != number), np.flatnonzero(part == number)) for number in numbers]


def _grid(**values):
    return [dict(zip(values, each, strict=True)) for each in itertools.product(*values.values())]


def _rntk2020(weight, bias, initial):
    grid = _grid(weight_std=weight, bias_std=bias, initial_std=initial)
    return Protocol({"rntk": grid, **OTHERS}, costs=(0.01, 0.1, 1.0, 10.0, 100.0), parts=10)


_LAST_OR_MEAN, _DIRECTIONS = ("none", "untied"), ("backward", "forward", "bidirectional")
RNTK2021 = [
    {"weight_std": 1.4142, "depth": depth, "frozen": frozen, "pooling": pooling, "direction": direction, **stds}
    for depth in (1, 2)
    for frozen in (0, ALL)
    for pooling in _LAST_OR_MEAN
    for direction in _DIRECTIONS
    for stds in _grid(input_std=(0.25, 0.5), bias_std=(0.001, 0.1))
]

PROTOCOLS = {
    "rntk2020": _rntk2020((1.34, 1.4, 1.42, 1.47), (0.0, 0.1, 0.5, 1.0), (0.0, 0.1, 1.0)),
    "rntk2020-full": _rntk2020(
        (*(n / 100 for n in range(134, 148)), 2.0),
        (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.0, 2.0),
        (0.0, 0.01, 0.1, 0.5, 1.0),
    ),
    "rntk2021": Protocol(
        {"rntk": RNTK2021, **OTHERS},
        costs=(1e-2, 1.0, 1e2, 1e4, 1e6),
        parts=2,
        first_alone=True,
        vote=True,
        unit_norm=True,
    ),
}
"""rntk2020: Alemohammad et al. 2021 (arXiv 2006.10246), with a coarse grid; rntk2020-full: with all 900 settings;
rntk2021: Alemohammad et al. 2020 (arXiv 2012.04859). The grids of the other kernels are ours."""
