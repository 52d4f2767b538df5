"""A task: what a network is trained on, and what its predictions are tested on."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

import numpy as np
from attrs import field, frozen

from ..errors import NtkbenchError
from ..nests import arrays, common_samples, is_nest, leaves, map_leaves, read_only, shapes
from .probes import varying

Kind = Literal["classification", "regression"]
KINDS: tuple[Kind, ...] = ("classification", "regression")
Part = tuple[Any, np.ndarray]


def _part(given: Any) -> Part:
    """Return (x, y) with y as an array: int64 for whole classes, float64 [n, K] for numbers."""
    try:
        x, y = given
    except (TypeError, ValueError):
        raise NtkbenchError(f"A part of a task is a {type(given).__name__}; it must be a pair (x, y).") from None
    x, y = arrays(x), np.asarray(y)
    if y.dtype.kind in "iub":
        y = y.astype(np.int64)
    return read_only(x), read_only(y)


@frozen(eq=False)
class Task:
    """A train part and a test part of one dataset, with the same structure of inputs.

    Everything that is estimated from data is estimated on the train part: the loader's preprocessing of x, and here the
    means and scales of the targets. No label of the test part has an influence on anything but errors. The arrays are
    read-only, because the measurements of a cell share them.

    Attributes:
        train: Inputs x [n, ...] and labels y of the train part. Labels are integers [n] from 0 to classes − 1, or real
            numbers [n, K] in their original unit; [n] is taken as [n, 1].
        test: Inputs and labels of the test part.
        kind: "classification" or "regression".
        classes: Number of classes C; 0 for regression.
        folds: Number of different splits that the dataset offers for one seed, at least 1. A run at seed s uses the
            split s mod folds.
        source: Where the data and the split are from.

    Raises:
        NtkbenchError: The parts do not fit together, a number is not finite, or a label is not a class.
    """

    train: Part = field(converter=_part)
    test: Part = field(converter=_part)
    kind: Kind
    classes: int = 0
    folds: int = 1
    source: str = ""

    def __attrs_post_init__(self) -> None:
        if self.kind not in KINDS:
            raise NtkbenchError(f"The task has kind={self.kind!r}; it must be {' or '.join(map(repr, KINDS))}.")
        if self.folds < 1:
            raise NtkbenchError(f"The task has folds={self.folds!r}; it must have at least 1.")
        if (self.kind == "classification") != (self.classes > 1):
            raise NtkbenchError(
                f"The task has kind={self.kind!r} and classes={self.classes!r}; a classification needs at least 2 "
                "classes, and a regression has 0."
            )
        for name in ("train", "test"):
            self._check(name)
        (x, y), (x_test, y_test) = self.train, self.test
        if shapes(x) != shapes(x_test) or y.shape[1:] != y_test.shape[1:]:
            raise NtkbenchError(
                f"The train part has inputs {_shape(x)} and labels {_shape(y)}, the test part {_shape(x_test)} and "
                f"{_shape(y_test)}; all but the number of samples must agree."
            )
        if self.kind == "regression" and not varying(y).all():
            raise NtkbenchError("A column of the train labels is constant, so there is nothing to learn from it.")
        if self.kind == "classification" and len(set(y.tolist())) < 2:
            raise NtkbenchError("The train part holds a single class, so there is nothing to learn.")

    def _check(self, name: str) -> None:
        """Check one part; regression labels [n] become [n, 1]."""
        x, y = getattr(self, name)
        if self.kind == "regression":
            if y.dtype.kind not in "if":
                raise NtkbenchError(f"The {name} labels have dtype {y.dtype}; a regression needs real numbers.")
            y = y.astype(np.float64)
            y = y[:, None] if y.ndim == 1 else y
            object.__setattr__(self, name, (x, read_only(y)))
        rank = 1 if self.kind == "classification" else 2
        parts = dict(leaves(x))
        flat = not is_nest(x) and x.ndim < 2
        if flat or not common_samples(parts) or y.ndim != rank or len(y) != common_samples(parts):
            wanted = "[n]" if rank == 1 else "[n, K]"
            raise NtkbenchError(
                f"The {name} part has inputs {_shape(x)} and labels {_shape(y)}; a {self.kind} needs [n, ...] "
                f"and {wanted} with n ≥ 1."
            )
        if not all(part.dtype.kind in "fiub" and np.isfinite(part).all() for part in parts.values()):
            raise NtkbenchError(f"The {name} inputs are not all finite real numbers.")
        if self.kind == "regression" and not np.isfinite(y).all():
            raise NtkbenchError(f"The {name} labels are not all finite.")
        if self.kind == "classification" and (y.dtype != np.int64 or y.min() < 0 or y.max() >= self.classes):
            seen = f"of dtype {y.dtype}" if y.dtype != np.int64 else f"from {y.min()} to {y.max()}"
            raise NtkbenchError(
                f"The {name} labels are {seen}; with classes={self.classes} they must be integers from 0 to "
                f"{self.classes - 1}."
            )

    @property
    def outputs(self) -> int:
        """Number of outputs O of a model of this task: its classes, or the columns of its labels."""
        return self.classes or self.train[1].shape[1]

    @cached_property
    def _scale(self) -> tuple[np.ndarray, np.ndarray]:
        y = self.train[1]
        return y.mean(0), y.std(0)

    def targets(self, y: np.ndarray) -> np.ndarray:
        """Return the targets of the square loss for labels y: [n, O] float64.

        They are one-hot − 1/C for a classification, and (y − mean)/std of the train part for a regression.
        """
        if self.kind == "classification":
            return np.eye(self.classes)[y] - 1 / self.classes
        mean, std = self._scale
        return (y - mean) / std

    def error(self, f: np.ndarray, y: np.ndarray) -> float | None:
        """Return the error of outputs f [n, O], in the unit of `targets`, against labels y.

        Returns:
            Classification: the share of samples whose largest output is at another class; ties count as wrong.
            Regression: mean squared error over the variance of y, summed over columns in the unit of `targets`; None
            if y is constant.
        """
        if self.kind == "classification":
            return float(np.mean(margins(f, y) <= 0))
        t, columns = self.targets(y), varying(y)
        spread = float(np.sum((t - t.mean(0))[:, columns] ** 2))
        return float(np.sum((f - t) ** 2)) / spread if columns.any() else None


def _shape(x: Any) -> Any:
    """Return the shape of an array, or those of the parts of a nest, for messages."""
    return map_leaves(lambda part: list(part.shape), x)


def margins(f: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the output at the right class minus the largest other one: [n] for outputs f [n, C] and classes y [n]."""
    rows = np.arange(len(y))
    others = np.array(f, np.float64)
    others[rows, y] = -np.inf
    return f[rows, y] - others.max(1)
