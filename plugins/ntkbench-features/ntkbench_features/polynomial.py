"""Fit polynomials with non-negative coefficients to the ReLU tangent kernel and to its arc-cosine kernels.

Source: Zandieh et al. 2021 (arXiv 2106.07880) and the authors' code for nodes and weights.
"""

import functools

import numpy as np
import scipy.optimize

from .tangent import k0, k1, relu_ntk

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
    nodes = _nodes(15 * depth + 5 * degree)
    weights = np.linspace(0, 1, len(nodes)) + 2 / depth
    powers = np.vander(nodes, degree + 1, increasing=True)
    found = _least_squares(
        np.concatenate([np.sqrt(weights)[:, None] * powers, np.sqrt(RIDGE) * np.eye(degree + 1)]),
        np.concatenate([np.sqrt(weights) * relu_ntk(nodes, depth), np.zeros(degree + 1)]),
        np.concatenate([np.eye(degree + 1), np.diff(powers, axis=0)]),
    )
    return tuple(float(c) if c >= NEGLIGIBLE else 0.0 for c in found)


@functools.lru_cache
def layer_coefficients(degree, lowest):
    """Return the coefficients of two polynomials that are closest to the arc-cosine kernels k1 and k0.

    They are not negative, and those for k1 sum to 1 = k1(1), so that norms pass a layer unchanged.

    Args:
        degree: Degree q.
        lowest: Smallest cosine; the fit is on [lowest, 1].

    Returns:
        Two tuples of degree + 1 numbers.
    """
    nodes = _nodes(15 + 5 * degree)
    nodes = nodes[nodes >= lowest]
    powers = np.vander(nodes, degree + 1, increasing=True)
    (units, _), (slopes, _) = (scipy.optimize.nnls(powers, kernel(nodes)) for kernel in (k1, k0))
    return tuple(map(float, units / units.sum())), tuple(map(float, slopes))


def _nodes(count):
    """Return 201 equispaced nodes on [−1, 1] and `count` nodes that are dense at 1, in ascending order."""
    dense = np.cos((2 * np.arange(count) + 1) * np.pi / (4 * count))
    return np.sort(np.concatenate([np.linspace(-1, 1, 201), dense]))


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
