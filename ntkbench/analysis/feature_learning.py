"""Whether trained networks err less on a task than their linearisations: paired over seeds, at each width."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev

from attrs import frozen

from .laws import Series
from .scaling import student_t

TRAINED, LINEARIZED = "test_error", "test_error_linearized"


@frozen
class Gain:
    """The difference test_error − test_error_linearized at one width.

    Attributes:
        width: The width.
        difference: Mean over seeds.
        half: Half the 95 % interval of that mean.
    """

    width: int
    difference: float
    half: float

    @property
    def sign(self) -> int:
        """−1 if the trained network errs less beyond the interval, 1 if it errs more, 0 if neither is resolved.

        An interval of length zero resolves nothing: errors are multiples of 1/(number of test inputs), so a few seeds
        often have the same difference.
        """
        if self.half == 0 or abs(self.difference) <= self.half:
            return 0
        return -1 if self.difference < 0 else 1


def gains_of(of: Series) -> list[Gain]:
    """Return the gain at each finite width with both errors of at least two seeds, by ascending width."""
    differences: dict[int, dict[int, float]] = {}
    for result in of.by_key.get(TRAINED, ()):
        trained, linearized = (result.values.get(key) for key in (TRAINED, LINEARIZED))
        if trained is None or linearized is None or trained.value is None or linearized.value is None:
            continue
        differences.setdefault(int(result.cell.width), {})[result.cell.seed] = trained.value - linearized.value
    return [_gain(width, list(found.values())) for width, found in sorted(differences.items()) if len(found) > 1]


def _gain(width: int, differences: list[float]) -> Gain:
    n = len(differences)
    return Gain(width, mean(differences), student_t(n - 1) * stdev(differences) / sqrt(n))
