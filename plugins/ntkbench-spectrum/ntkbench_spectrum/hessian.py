"""The spectrum of the output's Hessian from products with random vectors: its moments, and a picture of its density.

The density is by stochastic Lanczos quadrature. A run of m steps from a random unit vector gives m nodes θ and weights
τ, and Σ τ g(θ) is a Gauss quadrature of tr g(H) / P, exact for polynomials of degree 2m − 1 in expectation over the
vector. Sources: Golub, Meurant 1994; Lin, Saad, Yang 2016 (arXiv 1308.5467); Ghorbani, Krishnan, Xiao 2019 (arXiv
1901.10159) for networks.
"""

from dataclasses import dataclass

import numpy as np

import ntkbench as nb

VECTORS = 8


@dataclass(frozen=True)
class Density:
    """Quadrature nodes and weights of one spectrum, for each random vector: [vectors, steps] both, rows sum to 1.

    size: the number of eigenvalues P.
    """

    nodes: np.ndarray
    weights: np.ndarray
    size: int

    def trace(self, function):
        """Return tr function(H) as estimated from each vector: [vectors]."""
        return self.size * np.sum(self.weights * function(self.nodes), axis=1)

    def on(self, grid, width):
        """Return the density on a grid [n], each node a Gaussian of standard deviation `width`: [n], integral 1."""
        bumps = np.exp(-0.5 * ((grid[:, None] - self.nodes.ravel()) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return bumps @ self.weights.ravel() / len(self.weights)

    def plot(self, path, title=""):
        """Draw the density, logarithmic, into a picture file."""
        from matplotlib.figure import Figure

        edge = float(np.abs(self.nodes).max()) or 1.0
        grid = np.linspace(-1.1 * edge, 1.1 * edge, 800)
        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.semilogy(grid, np.maximum(self.on(grid, edge / 60), 1e-12))
        top = axes.get_ylim()[1]
        axes.set(xlabel="eigenvalue of the output's Hessian", ylabel="density", title=title, ylim=(top * 1e-7, top))
        axes.grid(alpha=0.3)
        figure.savefig(path, dpi=150)


def density(model, x, *, steps=24, vectors=3, seed=0):
    """Return the Density of the Hessian of Σ_n f(w; x_n) with respect to all trainable weights. x: [N, ...]."""
    shapes = [tuple(weight.shape) for weight in model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)
    starts = _starts(np.random.default_rng(seed), vectors, size, model)
    return quadrature(lambda v: flat(nb.hvp(model, x, split(v, shapes))), starts, steps)


def measure(ctx):
    """Return hessian_frobenius and hessian_effective_rank: means over the first probes (as many as in the ball).

    E ‖H v‖² = tr H² and E ‖H² v‖² = tr H⁴ for random v (Hutchinson 1990). All probes share the vectors, so that their
    order plays no part. Errors are standard errors over vectors, by the jackknife.
    """
    shapes = [tuple(weight.shape) for weight in ctx.model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)
    starts = _starts(ctx.rng, VECTORS, size, ctx.model)
    probes = [ctx.x[n : n + 1] for n in range(min(len(ctx.x), ctx.settings.ball_probes))]
    squares = np.array([powers(lambda v, x=x: flat(ctx.hvp(x, split(v, shapes))), starts) for x in probes])
    second, fourth = squares[:, 0], squares[:, 1]
    return {
        "hessian_frobenius": _jackknife(lambda kept: np.sqrt(second[:, kept].mean(axis=1)).mean()),
        "hessian_effective_rank": _jackknife(
            lambda kept: np.mean(second[:, kept].mean(axis=1) ** 2 / fourth[:, kept].mean(axis=1))
        )
        if fourth.all()
        else None,
    }


def powers(product, starts):
    """Return ‖H v‖² and ‖H² v‖² for each start vector of [vectors, P], of a symmetric operator: [2, vectors]."""
    found = np.zeros((2, len(starts)))
    for column, v in enumerate(starts):
        once = product(v)
        twice = product(once)
        found[:, column] = once @ once, twice @ twice
    return found


def quadrature(product, starts, steps):
    """Return the Density of a symmetric operator [P] → [P] from start vectors [vectors, P], computed in their dtype.

    It ends early where the Krylov space is invariant. Nothing is orthogonalised again: rounding then splits the weight
    of an eigenvalue among copies of it, which leaves sums over nodes and weights as they are (Greenbaum 1989;
    Knizhnerman 1996), and no more than three vectors of P numbers are held.
    """
    nodes, weights = np.zeros((len(starts), steps)), np.zeros((len(starts), steps))
    for row, start in enumerate(starts):
        v, before, beta = start / np.linalg.norm(start), np.zeros_like(start), 0.0
        diagonal, off = [], []
        for _ in range(min(steps, len(start))):
            w = product(v) - beta * before
            diagonal.append(float(v @ w))
            w -= diagonal[-1] * v
            beta = float(np.linalg.norm(w))
            if beta <= 1e-6 * max(map(abs, [*diagonal, *off])):
                break
            off.append(beta)
            before, v = v, w / beta
        off = off[: len(diagonal) - 1]
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        nodes[row, : len(values)], weights[row, : len(values)] = values, vectors[0] ** 2
    return Density(nodes, weights, starts.shape[1])


def flat(parts):
    """Return per-variable arrays as one vector [P]."""
    return np.concatenate([np.ravel(part) for part in parts])


def split(vector, shapes):
    """Return a vector [P] as one array for each shape."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def _starts(rng, vectors, size, model):
    """Return random vectors [vectors, size] in the precision of the model's weights."""
    return rng.standard_normal((vectors, size)).astype(model.trainable_variables[0].dtype)


def _jackknife(estimate):
    """Return what is estimated from all vectors, and its standard error from leaving out each."""
    every = np.arange(VECTORS)
    without = np.array([estimate(every[every != left_out]) for left_out in every])
    error = np.sqrt((VECTORS - 1) / VECTORS * np.sum((without - without.mean()) ** 2))
    return nb.Value(float(estimate(every)), float(error), "statistical")
