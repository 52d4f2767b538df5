"""How far the kernel of one hidden ReLU layer moves by explicit flips of its units, in NumPy.

f(x) = Σ_i a_i relu(u_i·x/√d)/√m. Moving the pre-activations z = u·x/√d of a unit across 0 at the probes S costs the
shortest δ with δ·x/√d = −z at S; flips that all switch units on, or all off, add up in the kernel.
"""

from __future__ import annotations

import numpy as np

MOST = 4  # probes at which one unit is flipped
BEYOND = 1 + 1e-6  # how far past 0 a pre-activation is moved


def kernel(x, u, a):
    """Return the tangent kernel [N, N] for x: [N, d], u: [m, d], a: [m]."""
    z = x @ u.T / np.sqrt(x.shape[1])
    on = (z > 0) * a
    h = np.maximum(z, 0)
    return (h @ h.T + x @ x.T / x.shape[1] * (on @ on.T)) / len(a)


def largest_change(x, u, a, radius=1.0):
    """Return the larger relative kernel change of all-on and all-off flips within the radius, the cheapest first."""
    k0 = kernel(x, u, a)
    changes = [kernel(x, u + flips(x, u, sign, radius), a) - k0 for sign in (1, -1)]
    return max(np.linalg.norm(change) for change in changes) / np.linalg.norm(k0)


def flips(x, u, sign, radius):
    """Return displacements [m, d] that switch units on (sign 1) or off (−1): as many flips as fit into the radius.

    A unit is flipped at its k cheapest probes, with k = 0…MOST; k maximises flips − cost/λ, and λ uses the radius up.
    """
    units = np.arange(len(u))
    rows = x / np.sqrt(x.shape[1])
    z = u @ rows.T
    costs = np.full((len(u), MOST + 1), np.inf)
    moves = np.zeros((len(u), MOST + 1, u.shape[1]))
    costs[:, 0] = 0
    for i in units:
        wrong = [n for n in np.argsort(np.abs(z[i])) if sign * z[i, n] < 0][:MOST]
        for k in range(1, len(wrong) + 1):
            at = wrong[:k]
            moves[i, k] = np.linalg.lstsq(rows[at], -z[i, at] * BEYOND, rcond=None)[0]
            costs[i, k] = moves[i, k] @ moves[i, k]

    def chosen(price):
        return np.argmax(np.arange(MOST + 1) - costs / price, axis=1)

    low, high = 1e-12, 1e6
    for _ in range(100):
        price = np.sqrt(low * high)
        if costs[units, chosen(price)].sum() <= radius**2:
            low = price
        else:
            high = price
    return moves[units, chosen(low)]
