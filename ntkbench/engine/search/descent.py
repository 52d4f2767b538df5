"""Full-batch gradient descent on the square loss, with the tangent kernel recorded along the path."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from attrs import frozen

from ...errors import Diverged
from ..autodiff import dense_gradient
from ..model import Network
from ..ntk import KernelMap
from .vectors import Vector, vector

EARLY_RECORDS = (1, 2, 5, 10)  # steps at which the kernel is recorded; then every RECORD_EVERY steps, and at the end
RECORD_EVERY = 20
LOWERED_TO = 0.5  # fraction of the critical step 2/λmax(K(w_t)) that caps the step size as the kernel grows
SMALLEST_STEP = 1e-12  # fraction of the first step size below which halving has failed


@frozen
class Trajectory:
    """A path of gradient descent from w0 on L(w) = ½ Σ_n (f(w; x_n) − y_n)².

    Attributes:
        origin: Initial weights [P].
        end: Final weights [P].
        losses: L at every step [T+1].
        gradients: ‖∇L‖² at every step [T+1].
        kernels: {step: K(w_t) [N, N]}, including step 0.
        step_size: Final step size.
        steps: Number T of steps.
        reached: Whether L fell to target_ratio·L(w0).
    """

    origin: Vector
    end: Vector
    losses: np.ndarray
    gradients: np.ndarray
    kernels: dict[int, np.ndarray]
    step_size: float
    steps: int
    reached: bool


def gradient_descent(
    net: Network,
    x: tf.Tensor,
    y: np.ndarray,
    origin: Vector,
    *,
    safety: float = 0.5,
    target_ratio: float = 1e-3,
    max_steps: int = 3000,
) -> Trajectory:
    """Run gradient descent from `origin` until the loss reaches target_ratio of its initial value, or for max_steps.

    The step size is safety·2/λmax(K(w0)), lowered at every record to at most ½·2/λmax(K(w_t)). A step that raises the
    loss is undone and the step size halved. (η_crit = 2/λmax of the linear model: Zhu et al., arXiv 2205.11787.)

    Args:
        net: The network.
        x: Probes [N, ...].
        y: Targets [N].
        origin: Initial weights [P].
        safety: Fraction of the critical step size.
        target_ratio: Loss at which to stop, relative to the initial loss.
        max_steps: Maximum number of steps.

    Raises:
        Diverged: If the loss is not finite even at vanishing step size.
    """
    kernels = KernelMap(net, x)
    loss_and_gradient = net.function(
        "loss and gradient", lambda: lambda w, x, y: _loss_and_gradient(net, w, x, y), follows=()
    )
    y = tf.constant(y, net.dtype)
    recorded = {0: kernels.kernel(origin)}
    step_size = first = _critical(recorded[0]) * safety
    w = origin = vector(origin)
    loss, gradient, norm2 = _evaluated(loss_and_gradient(w, x, y))
    if not np.isfinite(loss):
        raise Diverged("The loss is not finite at initialisation, because the model's output is not.")
    losses, norms, step = [loss], [norm2], 0
    while step < max_steps and loss > target_ratio * losses[0] and norm2 > 0:
        trial = w - step_size * gradient
        new_loss, new_gradient, new_norm2 = _evaluated(loss_and_gradient(trial, x, y))
        if not new_loss <= loss:  # NaN counts as a rise
            step_size /= 2
            if step_size < SMALLEST_STEP * first:
                if not np.isfinite(new_loss):
                    raise Diverged("Gradient descent diverged at every step size tried.")
                break
            continue
        w, loss, gradient, norm2, step = trial, new_loss, new_gradient, new_norm2, step + 1
        losses.append(loss)
        norms.append(norm2)
        if step in EARLY_RECORDS or step % RECORD_EVERY == 0:
            recorded[step] = kernels.kernel(w)
            step_size = min(step_size, _critical(recorded[step]) * LOWERED_TO)
    if step not in recorded:
        recorded[step] = kernels.kernel(w)
    reached = loss <= target_ratio * losses[0]
    return Trajectory(origin, w, np.array(losses), np.array(norms), recorded, float(step_size), step, reached)


def _critical(kernel: np.ndarray) -> float:
    """Return η_crit = 2/λmax(K), or 1 for a zero kernel."""
    largest = float(np.linalg.eigvalsh(kernel)[-1])
    return 2.0 / largest if largest > 0 else 1.0


def _evaluated(result: Any) -> tuple[float, Vector, float]:
    loss, gradient, norm2 = result
    return float(loss), vector(gradient), float(norm2)


def _loss_and_gradient(net: Network, w: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, ...]:
    net.assign(w)
    with tf.GradientTape() as tape:
        f = net.scalar(x)
    residual = f - y
    gradient = net.flatten(dense_gradient(tape, f, net.variables, residual))
    return tf.reduce_sum(tf.square(residual)) / 2, gradient, tf.reduce_sum(tf.square(gradient))
