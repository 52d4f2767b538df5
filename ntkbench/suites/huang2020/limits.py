"""Compare kernels of finite networks of both initialisations with the infinite-width limit."""

from __future__ import annotations

import functools
import math
from typing import Any

from ...seeds import seed_for
from .initial import INITS

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
            [kernel("fc", width, init, seed_for("gap", seed, draw), "relu", depth) for draw in range(draws)], axis=0
        )
        for init in INITS
    ]
    return [float(np.linalg.norm(means[1] - means[0]) / np.linalg.norm(limit("fc", "relu", depth)))]


def _errors(activation: str, init: str, seed: int) -> dict[int, float]:
    at_infinity = limit("fc", activation, 3)
    return {width: distance(kernel("fc", width, init, seed, activation, 3), at_infinity) for width in WIDTHS}


@functools.cache
def _convolutional_errors(init: str, seed: int, limit_of: str = "gaussian") -> dict[int, float]:
    at_infinity = limit("cnn", "relu", 2, limit_of)
    return {width: distance(kernel("cnn", width, init, seed, "relu", 2), at_infinity) for width in CHANNELS}


def distance(found: Any, expected: Any) -> float:
    """Return ‖found − expected‖_F/‖expected‖_F."""
    from ...engine.ntk import relative_change

    return relative_change(found, expected)


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


def kernel(arch: str, width: int, init: str, seed: int, activation: str, depth: int) -> Any:
    """Return the tangent kernel of a registered architecture at initialisation, in float64: [N, N]."""
    from ...engine.ntk import empirical_ntk

    net, x = _network(arch, width, activation, depth)
    net.load(_built(arch, width, init, seed, activation, depth).get_weights())
    return empirical_ntk(net, x)


@functools.cache
def _network(arch: str, width: int, activation: str, depth: int) -> tuple[Any, Any]:
    """Return a Network, shared by all seeds and initialisations of its shape, and its inputs."""
    from ...engine.model import Network

    return Network(_built(arch, width, "gaussian", 0, activation, depth)), _inputs(arch)


def _built(arch: str, width: int, init: str, seed: int, activation: str, depth: int) -> Any:
    from ...architectures.convolutional import build as convolutional
    from ...architectures.fully_connected import build as fully_connected
    from ...engine.model import dtype_policy

    build = fully_connected if arch == "fc" else convolutional
    with dtype_policy("float64"):
        return build(
            width, input_shape=_inputs(arch).shape[1:], activation=activation, depth=depth, init=init, seed=seed
        )


@functools.cache
def limit(arch: str, activation: str, depth: int, init: str = "gaussian") -> Any:
    """Return the infinite-width tangent kernel on the inputs of `kernel`: [N, N] float64."""
    from ...kernels import infinite_width

    model = _built(arch, 8, init, 0, activation, depth)
    return infinite_width(model).matrix(_inputs(arch)).numpy()
