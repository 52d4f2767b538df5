"""How well a linear model does on the features of a network: the linear probe."""

import numpy as np

import ntkbench as nb

from .distances import as_declared
from .nests import rows, samples

MOST = 2000  # train samples of the probe; its cost is their third power
RIDGES = 10.0 ** np.arange(-6, 1)  # in units of the largest eigenvalue of the features' kernel
CHECKED = 3  # inputs at which the last layer is checked
ROUNDED = 1e-4  # relative difference of float32 kernels that is taken for rounding


def linear_probe(model, x, y, x_new):
    """Return the outputs at new inputs of a linear model on the network's features, fitted to the targets.

    Features are what the layer with the last trainable weights reads. The linear model is ridge regression with an
    intercept, whose ridge is the best one of seven in leave-one-out cross-validation on the train samples. It is
    computed from the kernel of the features, which is the tangent kernel of the last layer's weights. Of more than
    2,000 samples, 2,000 that are spread over them are used.

    Args:
        model: A Keras model, or another model that `ntkbench.empirical_ntk` takes, with O outputs.
        x: Train inputs [N, ...].
        y: Targets [N, K], or [N] for K = 1.
        x_new: New inputs [M, ...].

    Returns:
        An array [M, K] float64; None if the outputs are not affine in the last layer's weights, or if outputs share
        them, so that there are no features.

    Raises:
        NtkbenchError: The numbers of inputs and targets differ.

    Source: Alain and Bengio 2016 (arXiv 1610.01644).
    """
    y = np.asarray(y, np.float64).reshape(len(y), -1)
    if len(y) != samples(x):
        raise nb.NtkbenchError(f"There are {samples(x)} inputs and {len(y)} targets; pass one target for each input.")
    last = _LastLayer(model)
    if not last.reads_features(rows(x, slice(CHECKED))):
        return None
    chosen = np.linspace(0, len(y) - 1, min(len(y), MOST)).astype(int)
    x, y = rows(x, chosen), y[chosen]
    k, k_new = (np.asarray(nb.empirical_ntk(last, *inputs, outputs=0), np.float64) for inputs in ((x,), (x_new, x)))
    if not k.any():
        return np.broadcast_to(y.mean(0), (len(k_new), y.shape[1])).copy()
    return kernel_ridge(k, k_new, y)


def kernel_ridge(k, k_new, y):
    """Return kernel ridge regression with an intercept at new inputs; the ridge is chosen by leave-one-out.

    Args:
        k: Kernel at the train inputs, [N, N], not zero.
        k_new: Kernel between new and train inputs, [M, N].
        y: Targets [N, K].

    Returns:
        An array [M, K].
    """
    mean, row = y.mean(0), k.mean(0)
    centred = k - row - row[:, None] + k.mean()
    values, q = np.linalg.eigh(centred)
    values = np.maximum(values, 0.0)
    top = values[-1] if values[-1] > 0 else 1.0
    best, found = np.inf, None
    for ridge in RIDGES * top:
        dual = q @ ((q.T @ (y - mean)) / (values + ridge)[:, None])
        # Residual of each sample left out: that of the fit over 1 − leverage; the intercept has the leverage 1/N.
        leverage = np.einsum("ij,j->i", q**2, values / (values + ridge)) + 1 / len(y)
        left_out = float(np.sum((ridge * dual / np.maximum(1 - leverage, 1e-12)[:, None]) ** 2))
        if left_out < best:
            best, found = left_out, dual
    return mean + (k_new - k_new.mean(1, keepdims=True) - row + k.mean()) @ found


class _LastLayer:
    """A model as a function of the weights of its last layer; the other weights are constants."""

    def __init__(self, model):
        self.model = model
        variables = list(model.trainable_variables)
        mine = [each for each in variables if _layer_of(each) == _layer_of(variables[-1])]
        self.trainable_variables = [each.value if hasattr(each, "path") else each for each in mine]

    def __call__(self, inputs, training=False):
        return self.model(as_declared(self.model, inputs), training=training)

    def reads_features(self, x):
        """Return whether each output is affine in weights of its own, and all read the same features."""
        k = np.asarray(nb.empirical_ntk(self, x, outputs="full"), np.float64)
        separate = np.einsum("nm,op->nmop", k[:, :, 0, 0], np.eye(k.shape[-1]))
        return _same(k, separate) and _same(k, self._elsewhere(x))

    def _elsewhere(self, x):
        """Return the same kernel at other weights, of which it is independent if the outputs are affine in them."""
        rng, before = np.random.default_rng(0), [each.numpy() for each in self.trainable_variables]
        try:
            for variable, value in zip(self.trainable_variables, before, strict=True):
                variable.assign((value + rng.standard_normal(value.shape)).astype(value.dtype))
            return np.asarray(nb.empirical_ntk(self, x, outputs="full"), np.float64)
        finally:
            for variable, value in zip(self.trainable_variables, before, strict=True):
                variable.assign(value)


def _layer_of(variable):
    """Return the layer's part of the path or the name of a variable."""
    return getattr(variable, "path", variable.name).rpartition("/")[0]


def _same(a, b):
    return np.abs(a - b).max() <= ROUNDED * max(np.abs(a).max(), np.abs(b).max())
