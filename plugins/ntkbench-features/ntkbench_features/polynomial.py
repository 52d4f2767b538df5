"""Fit a polynomial with non-negative coefficients to the ReLU tangent kernel on [−1, 1].

Source: Zandieh et al. 2021 (arXiv 2106.07880) and the authors' code for nodes and weights.
"""

import functools

import numpy as np
import scipy.optimize

from .tangent import relu_ntk

RIDGE = 1e-5
NEGLIGIBLE = 1e-5  # smaller coefficients are set to 0


@functools.lru_cache
def coefficients(depth, degree):
    """Return c_0 … c_q ≥ 0 of the polynomial Σ c_i aⁱ closest to Θ_L(a) on [−1, 1] in weighted least squares.

    A polynomial with non-negative coefficients is a positive semidefinite kernel on the sphere. As in the source, its
    values are also required not to decrease from node to node, and the weights rise from cosine −1 to 1.

    Args:
        depth: Number of hidden layers L.
        degree: Degree q.

    Returns:
        A tuple of degree + 1 numbers.
    """
    count = 15 * depth + 5 * degree
    nodes = np.cos((2 * np.arange(count) + 1) * np.pi / (4 * count))
    nodes = np.sort(np.concatenate([np.linspace(-1, 1, 201), nodes]))
    weights = np.linspace(0, 1, len(nodes)) + 2 / depth
    powers = np.vander(nodes, degree + 1, increasing=True)
    found = _least_squares(
        np.concatenate([np.sqrt(weights)[:, None] * powers, np.sqrt(RIDGE) * np.eye(degree + 1)]),
        np.concatenate([np.sqrt(weights) * relu_ntk(nodes, depth), np.zeros(degree + 1)]),
        np.concatenate([np.eye(degree + 1), np.diff(powers, axis=0)]),
    )
    return tuple(float(c) if c >= NEGLIGIBLE else 0.0 for c in found)


def _least_squares(a, b, g):
    """Return the minimiser of |a c − b| under g c ≥ 0, by reduction to non-negative least squares.

    Source: Lawson, Hanson 1974, "Solving least squares problems", chapter 23: with a = Q R and z = R c − Qᵀ b it is the
    least-distance problem min |z| under g R⁻¹ z ≥ −g R⁻¹ Qᵀ b.
    """
    q, r = np.linalg.qr(a)
    top = q.T @ b
    matrix = np.linalg.solve(r.T, g.T)
    bound = -(top @ matrix)
    system = np.concatenate([matrix, bound[None]])
    wanted = np.zeros(len(system))
    wanted[-1] = 1
    multipliers, _ = scipy.optimize.nnls(system, wanted, maxiter=100 * system.shape[1])
    residual = system @ multipliers - wanted
    z = -residual[:-1] / residual[-1]
    return np.linalg.solve(r, z + top)
