"""Estimate the spectrum of the output's Hessian from products with random vectors: its moments and its density.

The density is computed by stochastic Lanczos quadrature. m Lanczos steps from a random unit vector give m nodes θ and
weights τ; Σ τ g(θ) is a Gauss quadrature of tr g(H) / P, which is exact in expectation over the vector for polynomials
of degree 2m − 1. Sources: Golub, Meurant 1994; Lin, Saad, Yang 2016 (arXiv 1308.5467); Ghorbani, Krishnan, Xiao 2019
(arXiv 1901.10159) for networks.
"""

from dataclasses import dataclass

import numpy as np

import ntkbench as nb

VECTORS = 8


@dataclass(frozen=True)
class Density:
    """Quadrature nodes and weights of one spectrum.

    Attributes:
        nodes: Nodes of each random vector [vectors, steps].
        weights: Their weights [vectors, steps]; each row sums to 1.
        size: Number of eigenvalues P.
    """

    nodes: np.ndarray
    weights: np.ndarray
    size: int

    def trace(self, function):
        """Return the estimate of tr function(H) from each vector: [vectors]."""
        return self.size * np.sum(self.weights * function(self.nodes), axis=1)

    def on(self, grid, width):
        """Return the density on a grid, smoothed by Gaussians of standard deviation `width`: [n] → [n], integral 1."""
        bumps = np.exp(-0.5 * ((grid[:, None] - self.nodes.ravel()) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        return bumps @ self.weights.ravel() / len(self.weights)

    def plot(self, path, title=""):
        """Plot the density on a logarithmic axis and write it to a .png or .svg file."""
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
    """Estimate the spectral density of the Hessian of Σ_n f(w; x_n) with respect to all trainable weights.

    Args:
        model: A Keras model with one output.
        x: Inputs [N, ...].
        steps: Lanczos steps per vector.
        vectors: Number of random vectors.
        seed: Seed of the random vectors.

    Returns:
        The Density.
    """
    shapes = [tuple(weight.shape) for weight in model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)
    starts = _starts(np.random.default_rng(seed), vectors, size, model)
    return quadrature(lambda v: flat(nb.hvp(model, x, split(v, shapes))), starts, steps)


def measure(ctx):
    """Return hessian_frobenius and hessian_effective_rank, as means over the first `ball_probes` probes.

    E ‖H v‖² = tr H² and E ‖H² v‖² = tr H⁴ for random v (Hutchinson 1990). All probes use the same vectors, so the
    result does not depend on their order. Errors are jackknife standard errors over the vectors.
    """
    shapes = [tuple(weight.shape) for weight in ctx.model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)
    starts = _starts(ctx.rng, VECTORS, size, ctx.model)
    probes = [ctx.inputs[n : n + 1] for n in range(min(len(ctx.inputs), ctx.settings.ball_probes))]
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
    """Return ‖H v‖² and ‖H² v‖² of a symmetric operator H for each start vector [vectors, P]: [2, vectors]."""
    found = np.zeros((2, len(starts)))
    for column, v in enumerate(starts):
        once = product(v)
        twice = product(once)
        found[:, column] = once @ once, twice @ twice
    return found


def quadrature(product, starts, steps):
    """Estimate the spectral density of a symmetric operator by stochastic Lanczos quadrature.

    The iteration ends early if the Krylov space is invariant. There is no reorthogonalisation: rounding then splits the
    weight of an eigenvalue among several copies of it, which does not change sums over nodes and weights (Greenbaum
    1989; Knizhnerman 1996). At most three vectors of P numbers are kept in memory.

    Args:
        product: The operator [P] → [P].
        starts: Start vectors [vectors, P]; the computation uses their dtype.
        steps: Lanczos steps per vector.

    Returns:
        The Density.
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
    """Concatenate per-variable arrays into one vector [P]."""
    return np.concatenate([np.ravel(part) for part in parts])


def split(vector, shapes):
    """Split a vector [P] into one array for each shape."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def _starts(rng, vectors, size, model):
    """Return random vectors [vectors, size] in the precision of the model's weights."""
    return rng.standard_normal((vectors, size)).astype(model.trainable_variables[0].dtype)


def _jackknife(estimate):
    """Return the estimate from all vectors and its jackknife standard error."""
    every = np.arange(VECTORS)
    without = np.array([estimate(every[every != left_out]) for left_out in every])
    error = np.sqrt((VECTORS - 1) / VECTORS * np.sum((without - without.mean()) ** 2))
    return nb.Value(float(estimate(every)), float(error), "statistical")
