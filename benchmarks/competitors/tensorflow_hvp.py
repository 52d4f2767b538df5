"""Hessian norms without use of the network's structure: compiled Hessian-vector products, one sample at a time."""

import itertools
import math

import numpy as np
import tensorflow as tf
from serve import Prepared, serve

ACTIVATIONS = {"tanh": tf.tanh, "relu": tf.nn.relu}
VALUE_STEPS = 40


class Dense:
    """A fully connected network on plain variables."""

    def __init__(self, case):
        self.weights = [tf.Variable(w) for w in case.weights]
        self.scales = [layer["std"] / math.sqrt(w.shape[0]) for layer, w in zip(case.net, self.weights, strict=True)]
        self.activations = [ACTIVATIONS.get(layer["activation"]) for layer in case.net]

    def __call__(self, x, taps=None, inputs=None):
        """Return the outputs [N, O]. `taps` are added to the pre-activations; `inputs` collects the layers' inputs."""
        for i, (w, scale, activation) in enumerate(zip(self.weights, self.scales, self.activations, strict=True)):
            if inputs is not None:
                inputs.append(x)
            x = scale * tf.matmul(x, w)
            if taps is not None:
                x = x + taps[i]
            x = x if activation is None else activation(x)
        return x


def product_of(net):
    """Return the function (x, v) -> H·v, forward over backward, for use in compiled functions."""

    def product(x, v):
        with tf.autodiff.ForwardAccumulator(net.weights, v) as accumulator:
            with tf.GradientTape() as tape:
                target = tf.reduce_sum(net(x)[:, 0])
            gradient = tape.gradient(target, net.weights)
        return [accumulator.jvp(g, unconnected_gradients=tf.UnconnectedGradients.ZERO) for g in gradient]

    return product


def inner(u, v):
    """Return the inner product ⟨u, v⟩ over all weights."""
    return tf.add_n([tf.reduce_sum(a * b) for a, b in zip(u, v, strict=True)])


def random_start(net):
    """Return a random unit vector over all weights."""
    rng = np.random.default_rng(0)
    start = [tf.constant(rng.standard_normal(w.shape, np.float32)) for w in net.weights]
    length = tf.sqrt(inner(start, start))
    return [part / length for part in start]


def recur(h, v, before, beta):
    """Return α, β and the next vector of the three-term recurrence."""
    alpha = inner(h, v)
    h = [a - alpha * b - beta * c for a, b, c in zip(h, v, before, strict=True)]
    norm = tf.sqrt(inner(h, h))
    return alpha, norm, [a / norm for a in h]


def lanczos(fused):
    """Return a function that prepares Lanczos without reorthogonalisation on the first sample.

    The product is compiled. fused: whether the recurrence is compiled with it, in one function.
    """

    def prepare(case):
        net = Dense(case)
        product = product_of(net)
        compiled = tf.function(product, jit_compile=True, autograph=False)
        if fused:
            step = tf.function(lambda x, v, *rest: recur(product(x, v), v, *rest), jit_compile=True, autograph=False)
        else:
            step = lambda x, v, *rest: recur(compiled(x, v), v, *rest)  # noqa: E731
        x = tf.constant(case.x[:1])
        start = random_start(net)
        nothing = [tf.zeros_like(part) for part in start]

        def tridiagonal(steps):
            v, before, alphas, betas = start, nothing, [], [tf.constant(0.0)]
            for _ in range(steps):
                alpha, beta, after = step(x, v, before, betas[-1])
                v, before = after, v
                alphas.append(alpha)
                betas.append(beta)
            return np.array(alphas), np.array(betas[1:])

        def run():
            tridiagonal(case.options["steps"])
            return {"work": case.options["steps"]}

        def value():
            return np.array([largest(*tridiagonal(VALUE_STEPS))])

        return Prepared(run, value)

    return prepare


def largest(alpha, beta):
    """Return the largest absolute eigenvalue of a tridiagonal matrix."""
    return np.abs(np.linalg.eigvalsh(np.diag(alpha) + np.diag(beta[:-1], 1) + np.diag(beta[:-1], -1))).max()


def norm_of_one_input(case):
    """Prepare Lanczos without reorthogonalisation, from one start to a tolerance, on one input after the other.

    Product and recurrence are one compiled function. The residual of the leading Ritz value is looked at every third
    step.
    """
    net = Dense(case)
    product = product_of(net)
    step = tf.function(lambda x, v, *rest: recur(product(x, v), v, *rest), jit_compile=True, autograph=False)
    start, turns = random_start(net), itertools.count()

    def run():
        x = tf.constant(case.x[next(turns) % case.n][None])
        v, before, alphas, betas = start, [tf.zeros_like(part) for part in start], [], [tf.constant(0.0)]
        while True:
            alpha, beta, after = step(x, v, before, betas[-1])
            v, before = after, v
            alphas.append(alpha)
            betas.append(beta)
            if len(alphas) % 3 == 0:
                off = np.array(betas[1:-1])
                projected = np.diag(np.array(alphas)) + np.diag(off, 1) + np.diag(off, -1)
                # TensorFlow's, because the threads of NumPy's would go on waiting while the other competitor is timed.
                values, vectors = (part.numpy() for part in tf.linalg.eigh(projected))
                top = np.abs(values).argmax()
                if float(beta) * abs(vectors[-1, top]) <= case.options["tolerance"] * abs(values[top]):
                    return {"work": 1, "detail": {"steps": len(alphas)}}

    return Prepared(run)


def forward_backward(case):
    """Prepare one compiled forward and backward pass of the batch, without gradients of weights."""
    net, x = Dense(case), tf.constant(case.x)

    @tf.function(jit_compile=True, autograph=False)
    def compiled(x):
        inputs, taps = [], [tf.zeros([x.shape[0], w.shape[1]]) for w in net.weights]
        with tf.GradientTape() as tape:
            tape.watch(taps)
            target = tf.reduce_sum(net(x, taps, inputs)[:, 0])
        return inputs, tape.gradient(target, taps)

    def run():
        for part in tf.nest.flatten(compiled(x)):
            np.asarray(part)
        return {"work": case.n}

    return Prepared(run)


if __name__ == "__main__":
    serve(
        {
            "lanczos": lanczos(False),
            "lanczos_fused": lanczos(True),
            "norm_of_one_input": norm_of_one_input,
            "forward_backward": forward_backward,
        },
        ["tensorflow", "numpy"],
    )
