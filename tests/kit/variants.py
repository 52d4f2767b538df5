"""The networks whose kernels are compared with neural-tangents, written so that both packages can read them."""

from __future__ import annotations

import math

import numpy as np

W, B = 1.3, 0.2
DENSE = ["dense", W, B]
LAST = ["dense", 1.0, 0.0]
VECTOR, IMAGE, SEQUENCE = (6,), (6, 5, 2), (7, 3)


def act(name, *options):
    return ["act", name, *options]


def conv(size=3, strides=1, padding="SAME", std=W, bias=B):
    return ["conv", std, bias, size, strides, padding]


def fully_connected(name, *options, depth=2):
    return VECTOR, [*[DENSE, act(name, *options)] * depth, LAST]


def image(*layers):
    return IMAGE, list(layers)


RELU, ERF = act("relu"), act("erf")
GAP, FLAT = ["gap"], ["flatten"]

VARIANTS = {
    "fc-relu-1": fully_connected("relu", depth=1),
    "fc-relu-3": fully_connected("relu", depth=3),
    "fc-relu-10": fully_connected("relu", depth=10),
    "fc-relu-he": (VECTOR, [*[["dense", math.sqrt(2), 0.0], RELU] * 3, LAST]),
    "fc-leaky": fully_connected("leaky", 0.1),
    "fc-abs": fully_connected("abs"),
    "fc-erf": fully_connected("erf"),
    "fc-erf-scaled": fully_connected("erf", 0.7, 1.4, 0.3),
    "fc-sin": fully_connected("sin"),
    "fc-sin-phase": fully_connected("sin", 1.2, 0.8, 0.5),
    "fc-cos": fully_connected("cos"),
    "fc-gaussian": fully_connected("gaussian", 1.0, 1.0),
    "fc-gelu": fully_connected("gelu"),
    "fc-polynomial": fully_connected("polynomial", 0.1, 0.5, 0.2, 0.05, depth=1),
    "fc-monomial": fully_connected("polynomial", 0.0, 0.0, 0.0, 1.0, depth=1),
    "fc-linear": (VECTOR, [DENSE, DENSE, LAST]),
    "fc-residual": (VECTOR, [DENSE, ["residual", [RELU, DENSE]], ["residual", [RELU, DENSE, RELU, DENSE]], RELU, LAST]),
    "fc-concatenated": (VECTOR, [DENSE, ["concatenate", [], [RELU, DENSE]], DENSE, ERF, LAST]),
    "fc-sum": (VECTOR, [["sum", [DENSE], [DENSE, RELU, DENSE]], RELU, LAST]),
    "fc-layer-norm": (VECTOR, [DENSE, ["norm", 1e-3], RELU, DENSE, ["norm", 1e-3], RELU, LAST]),
    "cnn-flatten": image(conv(), RELU, conv(), RELU, FLAT, LAST),
    "cnn-flatten-valid": image(conv(padding="VALID"), RELU, conv(2, padding="VALID"), ERF, FLAT, LAST),
    "cnn-flatten-circular": image(conv(padding="CIRCULAR"), RELU, conv(padding="CIRCULAR"), RELU, FLAT, LAST),
    "cnn-flatten-strides": image(conv(3, 2), RELU, conv(3, 1), RELU, FLAT, LAST),
    "cnn-gap": image(conv(), RELU, conv(), RELU, GAP, LAST),
    "cnn-gap-valid": image(conv(2, padding="VALID"), RELU, conv(padding="VALID"), RELU, GAP, LAST),
    "cnn-gap-circular": image(conv(padding="CIRCULAR"), ERF, conv(padding="CIRCULAR"), ERF, GAP, LAST),
    "cnn-gap-strides": image(conv(3, 2), act("gelu"), conv(2, 2), RELU, GAP, LAST),
    "cnn-pool": image(conv(), RELU, ["pool", 2, 2, "VALID"], conv(), RELU, FLAT, LAST),
    "cnn-pool-same": image(conv(), RELU, ["pool", 3, 2, "SAME"], conv(), RELU, GAP, LAST),
    "cnn-residual": image(conv(), ["residual", [RELU, conv(), RELU, conv()]], RELU, GAP, LAST),
    "cnn-concatenated": image(conv(), ["concatenate", [], [RELU, conv()]], conv(1), RELU, FLAT, LAST),
    "cnn-layer-norm": image(conv(), ["norm", 1e-3], RELU, conv(), RELU, GAP, LAST),
    "cnn-hidden-dense": image(conv(), RELU, FLAT, DENSE, RELU, LAST),
    "cnn-dense-per-pixel": image(DENSE, RELU, conv(), RELU, GAP, DENSE, RELU, LAST),
    "attention-linear": (SEQUENCE, [DENSE, ["attention", "root", 0.7, 1.2, 0.1], RELU, GAP, LAST]),
    "attention-shared-softmax": (SEQUENCE, [DENSE, RELU, ["attention", "softmax", 0.7, 1.2, 0.1], RELU, FLAT, LAST]),
    "attention-shared-identity": image(conv(), ["attention", "identity", 0.7, 1.2, 0.1], RELU, GAP, LAST),
    "sequence-gap": (SEQUENCE, [conv(), RELU, conv(2, 2), RELU, GAP, LAST]),
    "sequence-flatten": (SEQUENCE, [conv(4), ERF, ["pool", 2, 1, "VALID"], conv(), RELU, FLAT, LAST]),
}


def inputs(shape):
    """Return x1 [4, *shape] and x2 [3, *shape], float64, the same in every version of everything."""
    size = math.prod(shape)
    x = np.sin(1.7 * np.arange(1, 7 * size + 1) ** 1.3).reshape(7, *shape) * 1.4
    return x[:4], x[4:]
