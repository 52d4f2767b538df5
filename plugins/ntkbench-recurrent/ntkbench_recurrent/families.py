"""Matrices of one kernel at many settings of its hyper-parameters."""

import functools
import itertools

import numpy as np
import tensorflow as tf

from ntkbench import kernels

from .kernels import rntk

STDS = ("weight_std", "input_std", "bias_std", "output_std", "initial_std")
NUMBERS = 2**24  # numbers of the matrices of one kind that are computed in one call
ROWS = 16  # inputs are repeated up to a multiple of this number, so that folds share a compiled function


class Family:
    """A kernel at several settings.

    Settings of `rntk` that differ in standard deviations alone are one call of a kernel with a batch shape, whose
    compiled function serves all calls. Forward and backward kernels are computed once, also for the sum of both, and
    so are tangent kernel and NNGP kernel.

    Args:
        name: Name of the kernel.
        settings: Parameters of each setting.
        alone: The kernel at the single setting {}, for kernels that are not in the registry.
    """

    def __init__(self, name, settings, alone=None):
        self.name, self.settings, self.alone = name, list(settings), alone
        values = {std: {setting.get(std, DEFAULTS[std]) for setting in self.settings} for std in STDS}
        self._fixed = {std: found.pop() for std, found in values.items() if len(found) == 1 and std != "weight_std"}

    def matrices(self, x1, x2=None, rows=None):
        """Yield the number of a setting and its matrix [N1, N2], float64.

        Args:
            x1: Inputs, float64.
            x2: Other inputs; None means x1.
            rows: Numbers of the wanted settings; None means all.
        """
        rows = range(len(self.settings)) if rows is None else rows
        if self.name != "rntk":
            for row in rows:
                given = self.settings[row]
                kernel = kernels.named(self.name, **given) if given or self.alone is None else self.alone
                yield row, kernel.matrix(x1, x1 if x2 is None else x2).numpy()
            return
        by_structure = sorted(rows, key=lambda row: (repr(_structure(self.settings[row])), row))
        for _, group in itertools.groupby(by_structure, key=lambda row: repr(_structure(self.settings[row]))):
            yield from self._of_structure(list(group), x1, x2)

    def _of_structure(self, rows, x1, x2):
        """Yield the matrices of settings with equal depth, activation and pooling."""
        structure = _structure(self.settings[rows[0]])
        points = list(dict.fromkeys(_point(self.settings[row]) for row in rows))
        ways = {way for row in rows for way in _ways(self.settings[row])}
        size = _samples(x1) * _samples(x1 if x2 is None else x2)
        many = min(max(NUMBERS // size, 1), len(points))
        for start in range(0, len(points), many):
            part = points[start : start + many]
            both = {way: self._both(structure, way, part, many, x1, x2) for way in sorted(ways)}
            for row in rows:
                setting = self.settings[row]
                if _point(setting) in part:
                    kind = 0 if _is_nngp(setting) else 1
                    at = part.index(_point(setting))
                    yield row, sum(both[way][kind][at] for way in _ways(setting))

    def _both(self, structure, way, points, many, x1, x2):
        """Return the NNGP and the NTK matrices at points, the last of which are repeated: [many, N1, N2] each."""
        kernel, stds = _kernel(tuple(structure.items()), way, many, tuple(self._fixed.items()))
        padded = [*points, *[points[-1]] * (many - len(points))]
        for name, variable in stds.items():
            variable.assign([dict(point)[name] for point in padded])
        n1, n2 = _samples(x1), _samples(x1 if x2 is None else x2)
        found = kernel.both(_repeated(x1), None if x2 is None else _repeated(x2))
        return tuple(each[:, :n1, :n2].numpy() for each in found)


@functools.lru_cache(maxsize=64)
def _kernel(structure, way, many, fixed):
    """Return a kernel of batch shape [many], and the variables of its standard deviations that are not fixed."""
    fixed = dict(fixed)
    stds = {name: tf.Variable(tf.zeros(many, tf.float64)) for name in STDS if name not in fixed}
    return rntk(**dict(structure), direction=way, **stds, **fixed), stds


def _repeated(x):
    """Return inputs whose last one is repeated up to a multiple of ROWS."""
    n = _samples(x)
    rows = np.minimum(np.arange(-(-n // ROWS) * ROWS), n - 1)
    return {name: part[rows] for name, part in x.items()} if isinstance(x, dict) else x[rows]


DEFAULTS = {"weight_std": 2**0.5, "input_std": 1.0, "bias_std": 0.0, "output_std": 1.0, "initial_std": 0.0}


def _point(setting):
    """Return the standard deviations of a setting, as something that can be compared."""
    return tuple((name, setting.get(name, DEFAULTS[name])) for name in STDS)


def _is_nngp(setting):
    """Whether the setting's kernel is the NNGP kernel, as it is where no layer is trained."""
    return setting.get("kind") == "nngp" or setting.get("frozen", 0) == setting.get("depth", 1)


def _structure(setting):
    """Return the parameters that a kernel with a batch shape shares."""
    rest = {name: value for name, value in setting.items() if name not in (*STDS, "kind", "direction")}
    return {name: value for name, value in rest.items() if name != "frozen" or not _is_nngp(setting)}


def _ways(setting):
    direction = setting.get("direction", "forward")
    return ("forward", "backward") if direction == "bidirectional" else (direction,)


def _samples(x):
    return len(next(iter(x.values())) if isinstance(x, dict) else x)


def finite(matrix):
    """Whether a matrix is finite and of a usable size: ‖K‖_F / N² below 10¹², as in the code of arXiv 2012.04859."""
    return bool(np.isfinite(matrix).all() and np.linalg.norm(matrix) / matrix.size < 1e12)
