"""Check functions of the suite liu2020, for claims that are exact statements.

Each function takes a seed and returns the numbers that the claim is about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def _inputs(seed: int, n: int = 4, d: int = 8) -> Any:
    import numpy as np

    x = np.random.default_rng(seed).normal(size=(n, d))
    return x * np.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)


def _network(width: int, seed: int, depth: int = 1, output: str = "linear") -> Any:
    from ..architectures.fully_connected import build
    from ..architectures.nonlinear_output import build as build_nonlinear_output
    from ..engine.model import dtype_policy

    with dtype_policy("float64"):
        if output == "linear":
            return build(width, input_shape=(8,), depth=depth, seed=seed)
        return build_nonlinear_output(width, input_shape=(8,), depth=depth, output=output, seed=seed)


def one_hidden_layer(seed: int) -> list[float]:
    """Return ‖H‖ divided by its closed form, for each of four inputs: tanh, one hidden layer of 256 units, float64.

    ‖H‖ = (1/√m) max_i (|a_i| + √(a_i² + 4 b_i²))/2 with a_i = v_i φ''(z_i) s², b_i = φ'(z_i) s, s² = ‖x‖²/d, because
    the Hessian is block diagonal with one block per neuron (derived from Liu, Zhu, Belkin 2020, section 3.1).
    """
    import numpy as np

    from ..engine.hessian import hessian_norm

    x, model = _inputs(seed), _network(256, seed)
    first, last = (variable.numpy() for variable in model.trainable_variables)
    z = x @ first / np.sqrt(x.shape[1])
    slope = 1 - np.tanh(z) ** 2
    bend = -2 * np.tanh(z) * slope
    s = np.linalg.norm(x, axis=1, keepdims=True) / np.sqrt(x.shape[1])
    a, b = np.abs(last[:, 0] * bend) * s**2, slope * s
    closed = ((a + np.sqrt(a**2 + 4 * b**2)) / 2).max(1) / np.sqrt(len(last))
    return [float(each) for each in hessian_norm(model, x, tol=1e-6).value / closed]


def nonlinear_output_hessian(seed: int) -> list[float]:
    """Return ‖H‖ of the output f²/2 divided by its lower bound, for each input (L20).

    The bound is |φ''| ‖∇f‖² − |φ'| ‖H_f‖ = ‖∇f‖² − |f| ‖H_f‖.
    """
    import numpy as np

    from ..engine.hessian import hessian_norm
    from ..engine.ntk import empirical_ntk

    x, inner, outer = _inputs(seed), _network(256, seed, 2), _network(256, seed, 2, "quadratic")
    f = np.asarray(inner(x, training=False))[:, 0]
    bound = np.diag(empirical_ntk(inner, x)) - np.abs(f) * hessian_norm(inner, x).value
    return [float(each) for each in hessian_norm(outer, x).value / bound]


def nonlinear_output_kernel(seed: int) -> list[float]:
    """Return K̃_ij divided by φ'(f_i) φ'(f_j) K_ij for φ(f) = f²/2 and every pair of inputs (L20)."""
    import numpy as np

    from ..engine.ntk import empirical_ntk

    x, inner, outer = _inputs(seed), _network(64, seed, 2), _network(64, seed, 2, "quadratic")
    f = np.asarray(inner(x, training=False))[:, 0]
    ratio = empirical_ntk(outer, x) / (f[:, None] * f[None, :] * empirical_ntk(inner, x))
    return [float(each) for each in ratio.ravel()]


def dominance(seed: int) -> list[float]:
    """Return the ratio of ‖H‖ at widths 1024 and 64, with one output weight set to √m: Θ(1) instead of 1/4 (E4)."""
    import numpy as np

    from ..engine.hessian import hessian_norm

    x, norms = _inputs(seed), []
    for width in (64, 1024):
        model = _network(width, seed)
        first, last = model.trainable_variables
        weights = first.numpy()
        weights[:, 0] = np.ones(len(weights)) / np.sqrt(len(weights))  # the same dominating neuron at every width
        first.assign(weights)
        last.assign(np.concatenate([[[np.sqrt(width)]], last.numpy()[1:]]))
        norms.append(float(hessian_norm(model, x).value.mean()))
    return [norms[1] / norms[0]]


def catapult_below(seed: int) -> list[float]:
    """Return the largest loss of one-sample descent at η = 1.8/λ0 divided by the first: monotone below 2/λ0 (C2)."""
    losses = list(_descend(seed, 1.8))
    return [max(losses) / losses[0]]


def catapult_between(seed: int) -> list[float]:
    """Return the last loss at η = 3/λ0 divided by the first: between 2/λ0 and 4/λ0 it rises, then converges (C2)."""
    losses = list(_descend(seed, 3.0))
    return [losses[-1] / losses[0] if max(losses) > losses[0] else float("inf")]


def catapult_above(seed: int) -> list[float]:
    """Return the first loss at η = 4.6/λ0 divided by the last: divergence above 4/λ0 (C2)."""
    losses = list(_descend(seed, 4.6))
    return [losses[0] / losses[-1]]


def _descend(seed: int, eta: float, m: int = 4096, d: int = 8, steps: int = 400) -> Iterator[float]:
    """Yield the losses f²/2 of gradient descent on one sample, f = m^(−1/2) Σ v_i u_i·x/√d.

    Without an activation, the paper's quadratic model is exact. Its recursion is that of the active neurons of a ReLU
    network.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    u, v, x = draw.normal(size=(m, d)), draw.normal(size=m), _inputs(seed, 1, d)[0]
    step = None
    for _ in range(steps):
        z = u @ x / np.sqrt(d)
        f = float(v @ z / np.sqrt(m))
        gu, gv = v[:, None] * x / np.sqrt(m * d), z / np.sqrt(m)
        step = eta / float((gu**2).sum() + (gv**2).sum()) if step is None else step
        yield 0.5 * f**2
        if not 1e-24 < abs(f) < 1e12:
            return
        u, v = u - step * f * gu, v - step * f * gv
