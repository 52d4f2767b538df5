"""The measurement `sensitivity`: which steps of a sequence its tangent kernel depends on."""

import math

import numpy as np
import tensorflow as tf

from ntkbench import Curve

from .kernels import rntk


def measure(ctx):
    """Return the curve s_t = ‖∂/∂x_t Σ_x' Θ(x, x')‖ over the steps t of x, and its centre of mass.

    The sum runs over all other probes x', which are held fixed; s is divided by its largest value, then averaged over
    the probes x. The abscissa is the position of the step, 0 for the first and 1 for the last step of a sequence. The
    entries of a vector and the rows of an image are taken for steps. Other inputs have no steps, and no value.

    Source: Alemohammad et al. 2021 (arXiv 2006.10246), with one x' in place of the sum.
    """
    values = ctx.x["values"] if isinstance(ctx.x, dict) and set(ctx.x) == {"values", "mask"} else ctx.x
    if not tf.is_tensor(values) or not values.dtype.is_floating or len(values) < 2:
        return {}
    mask = ctx.x["mask"].numpy() if isinstance(ctx.x, dict) else np.ones(values.shape[:2], bool)
    gradients = _of_kernel(ctx.limit, ctx.x, values) if math.isinf(ctx.width) else _of_network(ctx, values)
    return summary(gradients, mask, with_curve="step_sensitivity" in ctx.quantities)


def summary(gradients, mask, with_curve):
    """Return the results of `measure`, given the gradients with respect to the inputs.

    Args:
        gradients: Gradients [N, T, ...].
        mask: Which steps exist: [N, T].
        with_curve: Whether to add the curve.
    """
    sizes = np.linalg.norm(np.reshape(gradients, [*mask.shape, -1]), axis=-1)
    positions = np.linspace(0, 1, mask.shape[1])
    curves, centres = [], []
    for size, exists in zip(sizes, mask, strict=True):
        steps = size[exists]
        if steps.max(initial=0.0) > 0:
            at = np.linspace(0, 1, len(steps)) if len(steps) > 1 else np.array([0.5])
            curves.append(np.interp(positions, at, steps / steps.max()))
            centres.append(float(at @ steps / steps.sum()))
    if not curves:
        return {}
    found = {"sensitivity_centre": float(np.mean(centres))}
    if with_curve:
        found["step_sensitivity"] = Curve(positions, np.minimum(np.mean(curves, axis=0), 1.0))
    return found


def _of_kernel(kernel, x, values):
    """Return the gradients [N, T, ...] of the sum of the kernel over all other inputs."""
    values = tf.cast(values, tf.float64)
    fixed = x | {"values": values} if isinstance(x, dict) else values
    others = 1 - tf.eye(len(values), dtype=tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(values)
        moved = tf.identity(values)  # not the same tensor as `fixed`, whose matrix would be computed by halves
        total = tf.reduce_sum(kernel.matrix(x | {"values": moved} if isinstance(x, dict) else moved, fixed) * others)
    return tape.gradient(total, moved).numpy()


def _of_network(ctx, values):
    """Return the gradients [N, T, ...] of ⟨∇f(x), Σ ∇f(x')⟩ with respect to x, by two backward passes for each x."""
    ctx.network.assign(ctx.theta)
    weights = [variable.value for variable in ctx.model.trainable_variables]

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            f = ctx.model(x, training=False) if isinstance(x, dict) else ctx.network.outputs(x)
            total = tf.reduce_sum(tf.reshape(f, [len(values), -1] if x is ctx.x else [1, -1])[:, ctx.network.output])
        found = tape.gradient(total, weights, unconnected_gradients="zero")
        return tf.concat([tf.reshape(tf.convert_to_tensor(each), [-1]) for each in found], 0)

    found, whole = [], gradient(ctx.x)
    for n in range(len(values)):
        x = {name: part[n : n + 1] for name, part in ctx.x.items()} if isinstance(ctx.x, dict) else ctx.x[n : n + 1]
        others = whole - gradient(x)
        with tf.GradientTape() as tape:
            one = values[n : n + 1]
            tape.watch(one)
            product = tf.reduce_sum(gradient(x | {"values": one} if isinstance(x, dict) else one) * others)
        found.append(tape.gradient(product, one, unconnected_gradients="zero").numpy()[0])
    return np.array(found)


def plot(path, weight_stds=(1.2, 1.4, 2**0.5, 1.45, 1.6), steps=50, samples=100, seed=0):
    """Draw the sensitivity of the kernel `rntk` to each step of Gaussian inputs, for several σ_w.

    Args:
        path: Path of a .png, .svg or .pdf file.
        weight_stds: The standard deviations σ_w.
        steps: Number of steps T.
        samples: Number of inputs.
        seed: Seed of the inputs.
    """
    from matplotlib.figure import Figure  # slow to import

    x = tf.constant(np.random.default_rng(seed).standard_normal((samples, steps, 1)))
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes = figure.subplots()
    for std in weight_stds:
        found = summary(_of_kernel(rntk(weight_std=std), x, x), np.ones((samples, steps), bool), with_curve=True)
        curve = found["step_sensitivity"]
        axes.plot(1 + np.array(curve.x) * (steps - 1), curve.y, label=f"σ_w = {std:.4g}")
    axes.set(xlabel="step t", ylabel="sensitivity of Θ to x_t", ylim=(0, None), xlim=(1, steps))
    axes.legend()
    figure.savefig(path, dpi=150)
