"""Check functions of the suite huang2020: orthogonal versus Gaussian initial weights."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..seeds import seed_for
from ..types import Line, Panel

INITS = ("gaussian", "orthogonal")

# -- equal limits ------------------------------------------------------------------------------------------------

WIDTHS = (32, 64, 128, 256, 512)
CHANNELS = (16, 32, 64, 128)


def limit_relu_gaussian(seed: int) -> dict[int, float]:
    """Return {width: ‖K − K∞‖_F/‖K∞‖_F} for a fully connected ReLU network with Gaussian weights, 3 hidden layers."""
    return _errors("relu", "gaussian", seed)


def limit_relu_orthogonal(seed: int) -> dict[int, float]:
    """Return the same distances for orthogonal weights, to the limit K∞ of Gaussian weights."""
    return _errors("relu", "orthogonal", seed)


def limit_erf_gaussian(seed: int) -> dict[int, float]:
    """Return the same distances for erf and Gaussian weights."""
    return _errors("erf", "gaussian", seed)


def limit_erf_orthogonal(seed: int) -> dict[int, float]:
    """Return the same distances for erf and orthogonal weights."""
    return _errors("erf", "orthogonal", seed)


def limit_cnn_gaussian(seed: int) -> dict[int, float]:
    """Return {channels: ‖K − K∞‖_F/‖K∞‖_F} for two 3×3 ReLU convolutions, flattened, with Gaussian weights."""
    return _convolutional_errors("gaussian", seed)


def limit_cnn_orthogonal(seed: int) -> dict[int, float]:
    """Return the same distances with an orthogonal matrix at every filter position, to the Gaussian limit K∞."""
    return _convolutional_errors("orthogonal", seed)


def limit_cnn_delta(seed: int) -> dict[int, float]:
    """Return the same distances for delta-orthogonal filters, to the limit of filters with a nonzero centre only."""
    return _convolutional_errors("delta-orthogonal", seed, "delta-orthogonal")


def gap_of_cnn_delta(seed: int) -> list[float]:
    """Return ‖K − K∞‖_F/‖K∞‖_F for delta-orthogonal filters and K∞ of Gaussian ones, at the largest width."""
    return [_convolutional_errors("delta-orthogonal", seed)[CHANNELS[-1]]]


def gap_of_means(seed: int, draws: int = 48, width: int = 512, depth: int = 2) -> list[float]:
    """Return ‖mean K_orthogonal − mean K_gaussian‖_F/‖K∞‖_F, with means over `draws` ReLU networks each."""
    import numpy as np

    means = [
        np.mean(
            [_kernel("fc", width, init, seed_for("gap", seed, draw), "relu", depth) for draw in range(draws)], axis=0
        )
        for init in INITS
    ]
    return [float(np.linalg.norm(means[1] - means[0]) / np.linalg.norm(_limit("fc", "relu", depth)))]


def _errors(activation: str, init: str, seed: int) -> dict[int, float]:
    limit = _limit("fc", activation, 3)
    return {width: _distance(_kernel("fc", width, init, seed, activation, 3), limit) for width in WIDTHS}


@functools.cache
def _convolutional_errors(init: str, seed: int, limit_of: str = "gaussian") -> dict[int, float]:
    limit = _limit("cnn", "relu", 2, limit_of)
    return {width: _distance(_kernel("cnn", width, init, seed, "relu", 2), limit) for width in CHANNELS}


def _distance(kernel: Any, limit: Any) -> float:
    from ..engine.ntk import relative_change

    return relative_change(kernel, limit)


def _inputs(arch: str) -> Any:
    return _sphere() if arch == "fc" else _images()


def _sphere(n: int = 12, d: int = 8) -> Any:
    """Return inputs on the sphere of radius √d: [n, d], the same at every call."""
    import numpy as np

    x = np.random.default_rng(seed_for("huang2020", "sphere")).standard_normal((n, d))
    return x * math.sqrt(d) / np.linalg.norm(x, axis=1, keepdims=True)


def _images(n: int = 6, side: int = 4) -> Any:
    """Return single-channel images with N(0, 1) pixels: [n, side, side, 1], the same at every call."""
    import numpy as np

    return np.random.default_rng(seed_for("huang2020", "images")).standard_normal((n, side, side, 1))


def _kernel(arch: str, width: int, init: str, seed: int, activation: str, depth: int) -> Any:
    """Return the tangent kernel of a registered architecture at initialisation, in float64: [N, N]."""
    from ..engine.ntk import empirical_ntk

    net, x = _network(arch, width, activation, depth)
    net.load(_built(arch, width, init, seed, activation, depth).get_weights())
    return empirical_ntk(net, x)


@functools.cache
def _network(arch: str, width: int, activation: str, depth: int) -> tuple[Any, Any]:
    """Return a Network, shared by all seeds and initialisations of its shape, and its inputs."""
    from ..engine.model import Network

    return Network(_built(arch, width, "gaussian", 0, activation, depth)), _inputs(arch)


def _built(arch: str, width: int, init: str, seed: int, activation: str, depth: int) -> Any:
    from ..architectures.convolutional import build as convolutional
    from ..architectures.fully_connected import build as fully_connected
    from ..engine.model import dtype_policy

    build = fully_connected if arch == "fc" else convolutional
    with dtype_policy("float64"):
        return build(
            width, input_shape=_inputs(arch).shape[1:], activation=activation, depth=depth, init=init, seed=seed
        )


@functools.cache
def _limit(arch: str, activation: str, depth: int, init: str = "gaussian") -> Any:
    """Return the infinite-width tangent kernel on the inputs of `_kernel`: [N, N] float64."""
    from ..kernels import infinite_width

    model = _built(arch, 8, init, 0, activation, depth)
    return infinite_width(model).matrix(_inputs(arch)).numpy()


# -- isometry and variance in depth ------------------------------------------------------------------------------

SW2, SB2 = 1.05, 2.01e-5
"""σ_w² and σ_b² of a tanh network whose pre-activations converge to small values, where tanh is nearly linear ..."""
SETTLED = 0.02592
"""... at this variance q, the fixed point of q = σ_w² E[tanh²(√q z)] + σ_b²."""


def condition_linear(seed: int) -> list[float]:
    """Return the condition number of the input-output Jacobian of 32 linear layers of 32 units, orthogonal weights."""
    return [math.exp(_log_conditions("orthogonal", seed, (32,), linear=True)[32])]


def condition_growth_linear(seed: int) -> list[float]:
    """Return the growth per layer of the log condition number, for Gaussian weights, between 4 and 10 layers."""
    return [_growth("gaussian", seed, (4, 10), linear=True)]


def condition_growth_gaussian(seed: int) -> list[float]:
    """Return the same growth for nearly linear tanh layers."""
    return [_growth("gaussian", seed, (4, 10))]


def condition_growth_orthogonal(seed: int) -> list[float]:
    """Return the same growth for nearly linear tanh layers and orthogonal weights, between 4 and 32 layers."""
    return [_growth("orthogonal", seed, (4, 32))]


def condition_orthogonal(seed: int) -> list[float]:
    """Return the condition number of 32 nearly linear tanh layers with orthogonal weights."""
    return [math.exp(_log_conditions("orthogonal", seed, (32,))[32])]


def _growth(init: str, seed: int, depths: tuple[int, int], linear: bool = False) -> float:
    found = _log_conditions(init, seed, depths, linear)
    return (found[depths[1]] - found[depths[0]]) / (depths[1] - depths[0])


def _log_conditions(init: str, seed: int, depths: Sequence[int], linear: bool = False, n: int = 32) -> dict[int, float]:
    """Return {depth: log condition number of ∂h_depth/∂x [n, n]} at an input with the fixed-point variance."""
    import numpy as np

    from ..layers import draws

    rng = np.random.default_rng(seed_for("condition", seed))
    h = rng.standard_normal(n)
    h *= math.sqrt(n * SETTLED) / np.linalg.norm(h)
    jacobian, found = np.eye(n), {}
    sw2 = 1.0 if linear else SW2
    for layer in range(1, max(depths) + 1):
        kernel = math.sqrt(sw2 / n) * draws.draw(init, (n, n), seed_for("condition", seed, layer))
        z = h @ kernel
        slope = np.ones(n)
        if not linear:
            z += math.sqrt(SB2) * rng.standard_normal(n)
            slope = 1 - np.tanh(z) ** 2
        h = z if linear else np.tanh(z)
        jacobian = jacobian @ kernel * slope
        if layer in depths:
            found[layer] = float(np.log(np.linalg.cond(jacobian)))
    return found


DEPTHS_OF_VARIANCE = (4, 8, 16, 32)


def variance_gaussian(seed: int) -> dict[int, float]:
    """Return {depth: n · Var(q)/(mean q)²} with q = ‖g‖²/n, g the pre-activations: critical tanh, Gaussian weights."""
    return _variances("gaussian", seed)


def variance_orthogonal(seed: int) -> dict[int, float]:
    """Return the same variances for orthogonal weights."""
    return _variances("orthogonal", seed)


def _variances(init: str, seed: int, n: int = 64, nets: int = 60) -> dict[int, float]:
    import numpy as np

    from ..layers import draws

    h = np.random.default_rng(seed_for("variance", seed)).standard_normal((1, n))
    states = np.repeat(h * math.sqrt(n) / np.linalg.norm(h), nets, axis=0)[:, None, :]
    found = {}
    for layer in range(1, max(DEPTHS_OF_VARIANCE) + 1):
        kernels = [draws.draw(init, (n, n), seed_for("variance", seed, net, layer)) for net in range(nets)]
        z = states @ np.array(kernels) / math.sqrt(n)
        states = np.tanh(z)
        if layer in DEPTHS_OF_VARIANCE:
            q = np.mean(np.square(z), axis=(1, 2))
            found[layer] = float(n * np.var(q, ddof=1) / np.mean(q) ** 2)
    return found


# -- training in the lazy regime ---------------------------------------------------------------------------------

LAZY_WIDTHS, LAZY_STEPS, LAZY_INPUTS = (64, 128, 256, 512), 60, 8


def lazy_curves(seed: int) -> dict[int, float]:
    """Return {width: max_t |L_gaussian − L_orthogonal|/L_0} for tanh, 3 hidden layers and half the critical step."""
    import numpy as np

    found = {}
    for width in LAZY_WIDTHS:
        both = [_lazy_losses(width, init, seed) for init in INITS]
        found[width] = float(np.max(np.abs(np.subtract(*both))))
    return found


@functools.cache
def _lazy_losses(width: int, init: str, seed: int) -> Any:
    """Return L_t/L_0 of gradient descent: [LAZY_STEPS + 1].

    Descent starts at f = 0 (two copies with opposite signs), so that the losses depend on the kernel only.
    """
    import numpy as np

    from ..datasets.digits import load
    from ..engine.search import gradient_descent

    x, y = load(form="vector", n=LAZY_INPUTS, seed=seed)
    net = _lazy_network(width)
    net.load(_lazy(width, init, seed).get_weights())
    path = gradient_descent(net, net.inputs(x), y, net.theta(), target_ratio=0.0, max_steps=LAZY_STEPS)
    return np.asarray(path.losses) / path.losses[0]


@functools.cache
def _lazy_network(width: int) -> Any:
    from ..engine.model import Network

    return Network(_lazy(width, "gaussian", 0))


def _lazy(width: int, init: str, seed: int) -> Any:
    from ..architectures.fully_connected import build

    return build(width, input_shape=(61,), depth=3, init=init, seed=seed, two_copy=True)


# -- training outside the lazy regime ----------------------------------------------------------------------------

DEPTHS = (4, 8, 16, 32)
RATES = tuple(2.0**-power for power in range(6, 0, -1))
DEEP_WIDTH, DEEP_INPUTS, STEPS, TARGET = 128, 128, 300, 0.1
"""Units per hidden layer, number of inputs, maximum number of steps, and target loss as a share of the first loss."""


def speed_up_shallow(seed: int) -> list[float]:
    """Return the ratio of steps, Gaussian to orthogonal weights, at the smallest rate, for 4 layers."""
    return [_ratios(4, seed)[0]]


def speed_up_deep(seed: int) -> list[float]:
    """Return the ratio of steps at the largest rate at which both networks of 32 layers train."""
    return [_ratios(32, seed)[-1]]


def speed_up_best(seed: int) -> list[float]:
    """Return the ratio of steps of networks of 32 layers, each at its own best rate."""
    return [_ratio_at_best(32, seed)]


def speed_up_by_depth(seed: int) -> dict[int, float]:
    """Return {depth: ratio of steps at rate 2^-5}."""
    return {depth: _ratios(depth, seed)[1] for depth in DEPTHS}


def speed_up_by_rate(seed: int) -> list[float]:
    """Return the ratio of steps at the largest rate at which both networks train, divided by that at the smallest."""
    ratios = _ratios(32, seed)
    return [ratios[-1] / ratios[0]]


def speed_up_scalar(seed: int) -> list[float]:
    """Return the ratio of steps at the smallest rate, for 32 layers and one output, the parity of the digit."""
    return [_ratios(32, seed, outputs=1)[0]]


def speed_up_scalar_best(seed: int) -> list[float]:
    """Return the same ratio, with each network at its own best rate."""
    return [_ratio_at_best(32, seed, outputs=1)]


def _ratio_at_best(depth: int, seed: int, outputs: int = 10) -> float:
    gaussian, orthogonal = (min(filter(None, _sweep(depth, init, seed, outputs))) for init in INITS)
    return gaussian / orthogonal


def _ratios(depth: int, seed: int, outputs: int = 10) -> list[float]:
    """Return the ratios of steps at all rates at which both networks train, smallest rate first."""
    both = zip(*(_sweep(depth, init, seed, outputs) for init in INITS), strict=True)
    return [gaussian / orthogonal for gaussian, orthogonal in both if gaussian and orthogonal]


def _sweep(depth: int, init: str, seed: int, outputs: int = 10) -> list[int | None]:
    """Return the steps until the loss falls to TARGET times its first value, at every rate.

    None where descent diverges or needs more than STEPS steps.
    """
    runs = [_losses(depth, init, seed, rate, outputs, TARGET, STEPS) for rate in RATES]
    return [len(losses) - 1 if losses[-1] <= TARGET * losses[0] else None for losses in runs]


@functools.cache
def _losses(
    depth: int, init: str, seed: int, rate: float, outputs: int, target: float, steps: int
) -> tuple[float, ...]:
    """Return the losses of full-batch gradient descent on ½ mean ‖f − y‖².

    Descent ends at `target` times the first loss, after `steps` steps, or above 20 times the first loss.
    """
    import tensorflow as tf

    x, y, rate = (tf.constant(each, tf.float32) for each in (*_digits(seed, outputs), rate))
    model, step = _deep_step(depth, outputs)
    model.set_weights(_deep_weights(depth, init, seed, outputs))
    losses: list[float] = []
    for _ in range(steps + 1):
        losses.append(float(step(x, y, rate)))
        if not target * losses[0] < losses[-1] < 20 * losses[0]:  # also true for NaN
            break
    return tuple(losses)


def _digits(seed: int, outputs: int) -> tuple[Any, Any]:
    """Return digits [N, 61] and their targets: one-hot classes [N, 10], or parities ±1 [N, 1] for a single output."""
    import numpy as np
    from sklearn.datasets import load_digits

    from ..datasets.digits import load
    from ..datasets.probes import choose

    x, parity = load(form="vector", n=DEEP_INPUTS, seed=seed)
    if outputs == 1:
        return x, parity[:, None]
    digits = load_digits().target
    return x, np.eye(outputs)[digits[choose("digits", len(digits), DEEP_INPUTS, seed)]]


@functools.cache
def _deep_weights(depth: int, init: str, seed: int, outputs: int) -> Any:
    return _deep(depth, init, seed, outputs).get_weights()


@functools.cache
def _deep_step(depth: int, outputs: int) -> tuple[Any, Any]:
    """Return a network and its compiled training step (x, y, rate) → loss before the step."""
    import tensorflow as tf

    model = _deep(depth, "gaussian", 0, outputs)
    variables = [variable.value for variable in model.trainable_variables]

    def step(x: Any, y: Any, rate: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.reduce_sum(tf.square(model(x, training=True) - y), axis=1)) / 2
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(rate * gradient)
        return loss

    return model, tf.function(step, autograph=False)


def _deep(depth: int, init: str, seed: int, outputs: int) -> Any:
    """Return `depth` nearly linear tanh layers and a readout, in the standard parameterisation: [N, 61] → [N, O]."""
    import keras

    from .. import layers

    def dense(units: int, activation: str | None, number: int) -> Any:
        return layers.Dense(
            units, activation, use_bias=True, parameterization="standard", init=init, weight_std=math.sqrt(SW2),
            bias_std=math.sqrt(SB2), seed=seed_for("deep", seed, number),
        )  # fmt: skip

    hidden = [dense(DEEP_WIDTH, "tanh", number) for number in range(depth)]
    return keras.Sequential([keras.Input((61,)), *hidden, dense(outputs, None, depth)])


# -- curves ------------------------------------------------------------------------------------------------------

CURVE_SEEDS, CURVE_RATE, CURVE_STEPS = 4, 2.0**-4, 100


def curves() -> list[Panel]:
    """Return panels of training curves inside and outside the lazy regime, and of steps by depth and by rate."""
    seeds, deep = range(CURVE_SEEDS), DEPTHS[-1]
    lazy = {init: [_lazy_losses(LAZY_WIDTHS[-1], init, seed) for seed in seeds] for init in INITS}
    sweeps = {init: {depth: [_sweep(depth, init, seed) for seed in seeds] for depth in DEPTHS} for init in INITS}
    relative, by_depth, by_rate = {}, {}, {}
    for init in INITS:
        losses = [_losses(deep, init, seed, CURVE_RATE, 10, 0.0, CURVE_STEPS) for seed in seeds]
        relative[init] = [[loss / each[0] for loss in each] for each in losses]
        by_depth[init] = [[min(filter(None, sweeps[init][depth][seed])) for depth in DEPTHS] for seed in seeds]
        by_rate[init] = sweeps[init][deep]
    loss, steps = "loss over first loss", f"steps to {TARGET:g} of the loss"
    rates = [math.log2(rate) for rate in RATES]
    return [
        _panel(
            f"Lazy: 3 layers of {LAZY_WIDTHS[-1]}, half the critical step", "step", loss, range(LAZY_STEPS + 1), lazy
        ),
        _panel(f"Deep: {deep} layers of {DEEP_WIDTH}, nearly linear", "step", loss, range(CURVE_STEPS + 1), relative),
        _panel("Deep, each at its best step size", "depth", steps, DEPTHS, by_depth),
        _panel(f"Deep, {deep} layers", "log2 of the step size", steps, rates, by_rate),
    ]


def _panel(title: str, x_label: str, y_label: str, x: Sequence[float], found: Mapping[str, Any]) -> Panel:
    """Return a panel of geometric means over seeds with their range, where all seeds have a positive value."""
    drawn = []
    for init, runs in found.items():
        columns = list(zip(*runs, strict=False))
        used = [i for i, column in enumerate(columns) if all(each is not None and each > 0 for each in column)]
        drawn.append(
            Line(
                init,
                tuple(float(x[i]) for i in used),
                tuple(math.exp(math.fsum(map(math.log, columns[i])) / len(columns[i])) for i in used),
                tuple(float(min(columns[i])) for i in used),
                tuple(float(max(columns[i])) for i in used),
            )
        )
    return Panel(title, x_label, y_label, tuple(drawn))
