"""The same kernels in plain NumPy, one pair of sequences at a time: a second route to every number.

Covariances of all pairs of steps run forward; the covariances of the gradients of the output with respect to the
pre-activations run backward, as in Yang 2020 (arXiv 2006.14548). The kernels of `ntkbench_recurrent.kernels` carry the
tangent kernel forward instead. Everything is float64, and slow: O(T² L) for a pair.
"""

import math

import numpy as np

NODES = np.linspace(-9, 9, 361)  # the trapezoidal rule converges exponentially for analytic functions
WEIGHTS = np.exp(-(NODES**2) / 2) / np.exp(-(NODES**2) / 2).sum()


def matrix(xs, ys=None, **params):
    """Return the kernel of all pairs of sequences.

    Args:
        xs: Sequences [T, a], a list or an array.
        ys: Other sequences; None means xs.
        **params: Parameters of `pair`.

    Returns:
        An array [len(xs), len(ys)], float64.
    """
    ys = xs if ys is None else ys
    return np.array([[pair(x, y, **params) for y in ys] for x in xs])


def pair(x, y, *, direction="forward", **params):
    """Return the kernel of two sequences x [T, a] and y [T', a]; the parameters are those of `kernels.rntk`."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if direction == "bidirectional":
        return _pair(x, y, **params) + _pair(x[::-1], y[::-1], **params)
    return _pair(x[::-1], y[::-1], **params) if direction == "backward" else _pair(x, y, **params)


def _pair(
    x,
    y,
    *,
    depth=1,
    activation="relu",
    weight_std=2**0.5,
    input_std=1.0,
    bias_std=0.0,
    output_std=1.0,
    initial_std=0.0,
    frozen=0,
    pooling="none",
    kind="ntk",
):
    same = x.shape == y.shape and bool((x == y).all())
    w, u, b = weight_std**2, input_std**2, bias_std**2
    below = [p @ q.T / x.shape[1] for p, q in ((x, x), (y, y), (x, y))]
    layers = []  # of each layer: the pair's covariance of pre-activations, and the dual of the derivative
    for _ in range(depth):
        own = [_forward(activation, u * c + b, w, initial_std**2) for c in below[:2]]
        variances = [np.diagonal(g) for g, _, _ in own]
        cross = _forward(activation, u * below[2] + b, w, initial_std**2 * same, variances)
        layers.append((cross[0], cross[2]))
        below = [own[0][1], own[1][1], cross[1]]
    last = below[2]
    rows, columns = last.shape
    readout = np.zeros_like(last)
    if pooling == "none":
        readout[-1, -1] = 1
    elif pooling == "tied":
        readout[:] = 1 / (rows * columns)
    else:
        readout[np.arange(min(rows, columns)), np.arange(min(rows, columns))] = 1 / math.sqrt(rows * columns)
    readout *= output_std**2
    total = float((readout * last).sum())
    if kind == "nngp":
        return total
    above = readout
    for number in reversed(range(frozen, depth)):
        g, slopes = layers[number]
        gradient = np.zeros_like(g)
        for t in reversed(range(rows)):
            for s in reversed(range(columns)):
                later = gradient[t + 1, s + 1] if t + 1 < rows and s + 1 < columns else 0.0
                gradient[t, s] = slopes[t, s] * (above[t, s] + w * later)
        total += float((gradient * g).sum())
        above = u * gradient
    return total


def _forward(activation, fresh, w, start, variances=None):
    """Return E[g g'], E[h h'] and E[φ' φ'] of one layer at all pairs of steps, given the part of E[g g'] from below.

    Without `variances`, both sequences are the same, and its own variances are found first.
    """
    if variances is None:
        own = []
        for t in range(len(fresh)):
            before = dual(activation, own[-1], own[-1], own[-1])[0] if own else start
            own.append(fresh[t, t] + w * before)
        variances = own, own
    g, h, slopes = (np.zeros_like(fresh) for _ in range(3))
    for t in range(fresh.shape[0]):
        for s in range(fresh.shape[1]):
            before = h[t - 1, s - 1] if t and s else start * (t == s)
            g[t, s] = fresh[t, s] + w * before
            h[t, s], slopes[t, s] = dual(activation, variances[0][t], variances[1][s], g[t, s])
    return g, h, slopes


def dual(activation, v1, v2, c):
    """Return E[φ(u) φ(v)] and E[φ'(u) φ'(v)] of Gaussians with variances v1, v2 and covariance c."""
    if activation == "linear":
        return c, 1.0
    if activation == "relu":
        root = math.sqrt(v1 * v2)
        if root == 0:
            return 0.0, 0.25
        r = min(max(c / root, -1.0), 1.0)
        angle = math.pi - math.acos(r)
        return root / (2 * math.pi) * (math.sqrt(1 - r * r) + r * angle), angle / (2 * math.pi)
    if activation == "erf":
        product = (1 + 2 * v1) * (1 + 2 * v2)
        return 2 / math.pi * math.asin(2 * c / math.sqrt(product)), 4 / math.pi / math.sqrt(product - 4 * c * c)
    if activation != "tanh":
        raise ValueError(f"The reference knows linear, relu, erf and tanh, but got {activation!r}.")
    r = c / math.sqrt(v1 * v2) if v1 * v2 else 0.0
    first = math.sqrt(v1) * NODES[:, None]
    second = math.sqrt(v2) * (r * NODES[:, None] + math.sqrt(max(1 - r * r, 0.0)) * NODES[None, :])
    weights = WEIGHTS[:, None] * WEIGHTS[None, :]
    value, slope = np.tanh(first) * np.tanh(second), (np.cosh(first) * np.cosh(second)) ** -2
    return float((weights * value).sum()), float((weights * slope).sum())
