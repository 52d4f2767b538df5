"""The loss landscape: largest eigenvalues of the loss Hessian, and barriers on lines between two weight vectors."""

import numbers

import numpy as np

import ntkbench as nb

from .distances import as_declared
from .nests import rows

BLOCK = 1024  # samples per Hessian-vector product
TOLERANCE = 1e-4  # relative, of the eigenvalues


class LossHessian:
    """The Hessian of a training loss in the weights, as an operator that is never formed.

    The loss is that of `ntkbench.training.Trainer`: a mean over the N samples. The operator uses the weights that the
    model has when it is applied.

    Args:
        model: A Keras model, or another model that `ntkbench.hvp` takes.
        x: Inputs [N, ...].
        y: Targets [N, O], or [N] for a single output; for cross-entropy, labels [N].
        loss: "square" or "cross_entropy".

    Raises:
        NtkbenchError: The loss is unknown, or the targets do not belong to the inputs.
    """

    def __init__(self, model, x, y, loss="square"):
        if loss not in ("square", "cross_entropy"):
            raise nb.NtkbenchError(f"loss={loss!r} is unknown; pass 'square' or 'cross_entropy'.")
        self.model, self.loss = _SampleLoss(model, loss), loss
        first = as_declared(model, rows(x, slice(1)))
        outputs = np.asarray(model(first, training=False)).size
        y = np.eye(outputs)[class_labels(y, outputs)] if loss == "cross_entropy" else np.asarray(y)
        y = y.reshape(len(y), -1)
        self.samples = len(y)
        if y.shape[1] != outputs:
            raise nb.NtkbenchError(f"y has {y.shape[1]} columns, but the model has {outputs} outputs.")
        starts = range(0, self.samples, BLOCK)
        self.parts = [{"x": rows(x, slice(s, s + BLOCK)), "y": y[s : s + BLOCK]} for s in starts]
        self.shapes = [tuple(variable.shape) for variable in model.trainable_variables]
        self.size = sum(int(np.prod(shape)) for shape in self.shapes)
        self.dtype = np.asarray(model.trainable_variables[0]).dtype

    def product(self, v):
        """Return H·v: [P] float64, for v: [P]."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])[:-1]
        parts = np.split(np.asarray(v).reshape(-1).astype(self.dtype), ends)
        vectors = [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]
        total = np.zeros(self.size)
        for block in self.parts:
            found = nb.hvp(self.model, block, vectors)
            total += np.concatenate([np.ravel(each) for each in found]).astype(np.float64)
        return total / self.samples

    def largest(self, k=1):
        """Return the k largest eigenvalues, the largest first, to 1e-4: Lanczos iteration (ARPACK).

        The first is called sharpness. Gradient descent with momentum μ and step size η is stable at a quadratic minimum
        if it is less than 2(1 + μ)/η; see `stability`.

        Args:
            k: Number of eigenvalues, at most the number of weights P.

        Returns:
            An array [k] float64.

        Raises:
            NtkbenchError: k is not between 1 and P, or the iteration does not converge.
        """
        from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

        if not isinstance(k, numbers.Integral) or not 1 <= k <= self.size:
            raise nb.NtkbenchError(f"k={k} is invalid; pass an integer from 1 to {self.size}.")
        if k == self.size:  # which ARPACK cannot do
            h = np.stack([self.product(each) for each in np.eye(self.size)])
            return np.linalg.eigvalsh((h + h.T) / 2)[::-1]
        start = np.random.default_rng(0).standard_normal(self.size)
        if not self.product(start).any():
            return np.zeros(k)
        operator = LinearOperator((self.size, self.size), self.product, dtype=np.float64)
        try:
            values = eigsh(operator, k, which="LA", v0=start, tol=TOLERANCE, return_eigenvectors=False)
        except ArpackNoConvergence:
            raise nb.NtkbenchError(
                f"The {k} largest eigenvalues of the loss Hessian did not converge; ask for fewer, or use float64."
            ) from None
        return np.sort(values)[::-1]


class _SampleLoss:
    """A model whose single output is the loss of each sample, as a function of {"x": inputs, "y": targets}."""

    def __init__(self, model, loss):
        import tensorflow as tf

        self.model, self.loss = model, loss
        self.trainable_variables = [
            each if isinstance(each, tf.Variable) else each.value for each in model.trainable_variables
        ]

    def __call__(self, inputs, training=False):
        import tensorflow as tf

        f, y = self.model(as_declared(self.model, inputs["x"]), training=training), inputs["y"]
        f = tf.reshape(f, tf.shape(y))
        if self.loss == "square":
            return tf.reduce_sum(tf.square(f - y), axis=1, keepdims=True) / 2
        return tf.reduce_logsumexp(f, axis=1, keepdims=True) - tf.reduce_sum(f * y, axis=1, keepdims=True)


def class_labels(y, outputs):
    """Return labels [N] as an array; raise NtkbenchError unless they are integers from 0 to outputs − 1."""
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise nb.NtkbenchError(f"The labels have dtype {y.dtype} and shape {list(y.shape)}; pass integer labels [N].")
    if len(y) and not 0 <= y.min() <= y.max() < outputs:
        raise nb.NtkbenchError(
            f"The labels are from {y.min()} to {y.max()}, but the model has {outputs} outputs; pass labels from 0 to "
            f"{outputs - 1}."
        )
    return y


def stability(learning_rate, momentum=0.0):
    """Return 2(1 + μ)/η, the largest sharpness at which gradient descent with momentum μ is stable.

    Raises:
        NtkbenchError: The learning rate is not positive.

    Source: Cohen et al. 2021 (arXiv 2103.00065), section 2; momentum as in `ntkbench.training.Trainer`.
    """
    if not learning_rate > 0:
        raise nb.NtkbenchError(f"learning_rate={learning_rate!r} is invalid; pass a positive number.")
    return 2 * (1 + momentum) / learning_rate


def barrier(error, w, v, points=11):
    """Return the error barrier on the line between two weight vectors.

    It is max_a R(v + a (w − v)) − (R(w) + R(v))/2 for a from 0 to 1.

    Args:
        error: The error R, a function of weights [P].
        w: Weights [P].
        v: Other weights [P].
        points: Number of equidistant values of a, with both ends.

    Returns:
        A number of at least 0, and 0 for equal weights.

    Source: Fort et al. 2020 (arXiv 2010.15110), section 2; Frankle et al. 2020 (arXiv 1912.05671).
    """
    if points < 3:
        raise nb.NtkbenchError(f"points={points} is invalid; a line needs at least 3 points.")
    w, v = np.asarray(w), np.asarray(v)
    if w.shape != v.shape:
        raise nb.NtkbenchError(f"The weights have shapes {w.shape} and {v.shape}; the shapes must be equal.")
    inner = [error((v + a * (w - v)).astype(v.dtype)) for a in np.linspace(0, 1, points)[1:-1]]
    ends = error(w), error(v)
    return max(*inner, *ends) - (ends[0] + ends[1]) / 2
