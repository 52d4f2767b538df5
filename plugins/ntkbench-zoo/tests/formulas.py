"""Every network a second time, in NumPy: functions of the weights, in the order in which the layers were made."""

from __future__ import annotations

import math

import numpy as np


class Weights:
    """The weights of a model in float64. Each call takes the next one of a layer type, in the order of creation."""

    def __init__(self, model):
        self._left = {}
        for layer in sorted(model.layers, key=lambda layer: _number(layer.name)):
            for weight in layer.weights:
                self._left.setdefault((type(layer).__name__, weight.name), []).append(np.asarray(weight, np.float64))

    def __call__(self, layer="Dense", name="kernel"):
        return self._left[layer, name].pop(0)

    @property
    def used(self):
        return not any(self._left.values())


def _number(name):
    """Return the number that Keras gave to a layer among those of its type; the first one has none."""
    stem, _, number = name.rpartition("_")
    return int(number) if stem and number.isdigit() else 0


def dense(x, w, fan_in=None):
    return x @ w / math.sqrt(fan_in or len(w))


def conv(x, w, stride=1, fan_in=None):
    kh, kw, channels, _ = w.shape
    z = correlate(x, stride, kh, kw, lambda patch, i, j: patch @ w[i, j])
    return z / math.sqrt(fan_in or kh * kw * channels)


def depthwise(x, w):
    kh, kw = w.shape[:2]
    return correlate(x, 1, kh, kw, lambda patch, i, j: patch * w[i, j, :, 0]) / math.sqrt(kh * kw)


def correlate(x, stride, kh, kw, term):
    """Return Σ of terms over the taps of a kernel with "same" padding, as TensorFlow pads."""
    height, width = x.shape[1:3]
    out = -(-height // stride), -(-width // stride)
    pads = [max((o - 1) * stride + k - n, 0) for o, k, n in zip(out, (kh, kw), (height, width), strict=True)]
    x = np.pad(x, [(0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)])
    slices = lambda i, n: slice(i, i + (n - 1) * stride + 1, stride)  # noqa: E731
    return sum(term(x[:, slices(i, out[0]), slices(j, out[1])], i, j) for i in range(kh) for j in range(kw))


def norm(h, epsilon=1e-5):
    centred = h - h.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gelu(z):
    return z * np.vectorize(lambda each: 0.5 * (1 + math.erf(each / math.sqrt(2))))(z)


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def flat(h):
    return h.reshape(len(h), -1)
