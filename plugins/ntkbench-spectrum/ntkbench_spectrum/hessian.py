"""The spectral density of the output's Hessian, by stochastic Lanczos quadrature.

A Lanczos run of m steps from a random unit vector gives m nodes θ and weights τ, and Σ τ g(θ) is a Gauss quadrature of
tr g(H) / P, exact for polynomials of degree 2m − 1 in expectation over the vector. Sources: Golub, Meurant 1994; Lin,
Saad, Yang 2016 (arXiv 1308.5467); Ghorbani, Krishnan, Xiao 2019 (arXiv 1901.10159) for networks.
"""

from dataclasses import dataclass

import numpy as np

import ntkbench as nb

STEPS = 24
VECTORS = 3


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


def density(model, x, *, steps=STEPS, vectors=VECTORS, seed=0):
    """Return the Density of the Hessian of Σ_n f(w; x_n) with respect to all trainable weights. x: [N, ...]."""
    shapes = [tuple(weight.shape) for weight in model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)
    starts = np.random.default_rng(seed).standard_normal((vectors, size))
    return quadrature(lambda v: flat(nb.hvp(model, x, split(v, shapes))), starts, steps)


def measure(ctx):
    """Return hessian_frobenius and hessian_effective_rank: means over the first probes (as many as in the ball).

    All probes share the random vectors, so that their order plays no part. Errors are standard errors over vectors.
    """
    shapes = [tuple(weight.shape) for weight in ctx.model.trainable_variables]
    size = sum(int(np.prod(shape)) for shape in shapes)
    starts = ctx.rng.standard_normal((VECTORS, size))
    norms, ranks = [], []
    for n in range(min(len(ctx.x), ctx.settings.ball_probes)):
        x = ctx.x[n : n + 1]
        found = quadrature(lambda v, x=x: flat(ctx.hvp(x, split(v, shapes))), starts, STEPS)
        norms.append(np.sqrt(found.trace(np.square)))
        ranks.append(effective_rank(found))
    return {
        "hessian_frobenius": _mean(np.mean(norms, axis=0)),
        "hessian_effective_rank": _mean(np.mean(ranks, axis=0)) if np.isfinite(ranks).all() else None,
    }


def effective_rank(found):
    """Return exp(log S − Σ|λ| log|λ| / S) with S = Σ|λ|, from each vector: [vectors]; NaN for a Hessian of 0."""
    total = found.trace(np.abs)
    with np.errstate(divide="ignore", invalid="ignore"):
        entropy = found.trace(lambda t: np.abs(t) * np.log(np.where(t == 0, 1.0, np.abs(t))))
        return np.exp(np.log(total) - entropy / total)


def quadrature(product, starts, steps):
    """Return the Density of a symmetric operator [P] → [P] from start vectors [vectors, P].

    Lanczos with full reorthogonalisation; it ends early where the Krylov space is invariant.
    """
    nodes, weights = np.zeros((len(starts), steps)), np.zeros((len(starts), steps))
    for row, start in enumerate(starts):
        basis, diagonal, off = [start / np.linalg.norm(start)], [], []
        for _ in range(min(steps, len(start))):
            w = product(basis[-1])
            diagonal.append(basis[-1] @ w)
            known = np.stack(basis)
            for _ in range(2):
                w = w - known.T @ (known @ w)
            beta = np.linalg.norm(w)
            if beta <= 1e-6 * max(map(abs, [*diagonal, *off])) or len(diagonal) == steps:
                break
            off.append(beta)
            basis.append(w / beta)
        off = off[: len(diagonal) - 1]
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
        nodes[row, : len(values)], weights[row, : len(values)] = values, vectors[0] ** 2
    return Density(nodes, weights, starts.shape[1])


def flat(parts):
    """Return per-variable arrays as one float64 vector [P]."""
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float64)


def split(vector, shapes):
    """Return a vector [P] as one array for each shape."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


def _mean(values):
    return nb.Value(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), "statistical")
