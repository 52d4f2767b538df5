"""Convolutional networks, images [N, h, w, c] → [N, outputs], with a readout of all pixels.

C is a 3×3 convolution: weights N(0, 1), times 1/√fan-in, no biases. φ is tanh unless a docstring says otherwise.
"""

import math

import keras
import numpy as np
from keras import ops

from ntkbench import NtkbenchError, layers

from .common import HEAD, Maker, add, array_input, multiple, norm

GROUPS = 8
CALIBRATION = 64
"""Number of standard normal inputs whose statistics batch normalisation uses."""


def build_vgg(width, *, input_shape, outputs=1, seed):
    """Build C φ C φ p C φ p D φ D with ReLU φ, weights multiplied by √2, and p the maximum over 2×2 pixels.

    Source: Simonyan, Zisserman 2014 (arXiv 1409.1556).
    """
    make, x = Maker(seed), array_input(input_shape)
    relu = {"activation": "relu", "weight_std": math.sqrt(2)}
    h = make.conv(width, **relu)(x)
    for _ in range(2):
        h = keras.layers.MaxPooling2D(2)(make.conv(width, **relu)(h))
    h = make.dense(width, **relu)(keras.layers.Flatten()(h))
    return keras.Model(x, make.readout(h, outputs))


def build_resnet(width, *, input_shape, outputs=1, seed, norm="none"):
    """Build C and two pre-activation blocks h ← s(h) + C φ n C φ n h, of `width` and 2·`width` channels.

    The second block halves height and width; its shortcut s is a 1×1 convolution, that of the first block is the
    identity. The normalisation n is

    - none;
    - batch: batch normalisation in inference, with the statistics of 64 standard normal inputs as constants;
    - layer: over the channels of a pixel;
    - group: over all pixels and the channels of one of 8 groups;
    - group-fixed: over all pixels and the channels of a group of 8 channels;
    - instance: over all pixels of a channel.

    All have trained gains and offsets for each channel, which start at 1 and 0.

    Source: He et al. 2016 (arXiv 1603.05027); Wu, He 2018 (arXiv 1803.08494) for groups.
    """
    make, x = Maker(seed), array_input(input_shape)
    normalised = []

    def normal(h):
        layer = _normalisation(norm, h.shape[-1])
        if layer is None:
            return h
        normalised.append(layer)
        return layer(h)

    def block(h, channels, strides):
        inner = layers.Activation("tanh")(normal(h))
        shortcut = h if strides == 1 else make.conv(channels, 1, strides=strides)(h)
        inner = make.conv(channels, strides=strides)(inner)
        return add(shortcut, make.conv(channels)(layers.Activation("tanh")(normal(inner))))

    h = make.conv(width)(x)
    model = keras.Model(x, make.readout(block(block(h, width, 1), 2 * width, 2), outputs))
    if norm == "batch":
        _calibrate(model, normalised, np.random.default_rng(seed).standard_normal((CALIBRATION, *input_shape)))
    return model


def _normalisation(kind, channels):
    if kind == "none":
        return None
    if kind == "batch":
        return keras.layers.BatchNormalization(epsilon=1e-5)
    if kind == "layer":
        return layers.LayerNormalization()
    groups = {
        "group": lambda: GROUPS,
        "group-fixed": lambda: multiple(channels, HEAD, f"norm=group-fixed makes groups of {HEAD} channels"),
        "instance": lambda: channels,
    }
    if kind not in groups:
        raise NtkbenchError(f"Unknown norm {kind!r}. Known: none, batch, layer, {', '.join(groups)}.")
    return layers.GroupNormalization(groups[kind]())


def _calibrate(model, normalised, x):
    """Set the statistics of batch normalisation layers to those of inputs x, from the first layer to the last."""
    for layer in normalised:
        h = np.asarray(keras.Model(model.input, layer.input)(x.astype(model.compute_dtype)), np.float64)
        layer.moving_mean.assign(h.mean((0, 1, 2)))
        layer.moving_variance.assign(h.var((0, 1, 2)))


def build_mobilenet(width, *, input_shape, outputs=1, seed):
    """Build C and two blocks h ← h + P₁ φ W φ P₄ h: 1×1 convolutions P to 4·`width` and back, a 3×3 depthwise one W.

    Source: Sandler et al. 2018 (arXiv 1801.04381).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.conv(width)(x)
    for _ in range(2):
        wide = make.depthwise(3, "tanh")(make.conv(4 * width, 1, "tanh")(h))
        h = add(h, make.conv(width, 1)(wide))
    return keras.Model(x, make.readout(h, outputs))


def build_convnext(width, *, input_shape, outputs=1, seed):
    """Build C and two blocks h ← h + γ ⊙ P₁ φ P₄ n W h.

    W is a 7×7 depthwise convolution, and P₄ and P₁ are 1×1 convolutions to 4·`width` and back. n normalises over
    channels, and the trained γ, one for each channel, start at 1.

    Source: Liu et al. 2022 (arXiv 2201.03545), where γ starts at 10⁻⁶.
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.conv(width)(x)
    for _ in range(2):
        wide = make.conv(4 * width, 1, "tanh")(norm(make.depthwise(7)(h)))
        h = add(h, layers.Gain()(make.conv(width, 1)(wide)))
    return keras.Model(x, make.readout(h, outputs))


def build_unet(width, *, input_shape, outputs=1, seed):
    """Build a U-net of one level: e = φ C φ C x, b = φ C φ C↓ e with 2·`width` channels, φ C [e, b↑], and a readout.

    C↓ has stride 2, and ↑ repeats pixels. The convolution of the joined channels is written as the sum of two
    convolutions, which is the same function.

    Source: Ronneberger, Fischer, Brox 2015 (arXiv 1505.04597).
    """
    make, x = Maker(seed), array_input(input_shape)
    for side in input_shape[:2]:
        multiple(side, 2, "the image is halved")
    e = make.conv(width, 3, "tanh")(make.conv(width, 3, "tanh")(x))
    below = make.conv(2 * width, 3, "tanh")(make.conv(2 * width, 3, "tanh", strides=2)(e))
    up = keras.layers.UpSampling2D(2)(below)
    joined = {"fan_in": 9 * 3 * width}
    h = layers.Activation("tanh")(add(make.conv(width, **joined)(e), make.conv(width, **joined)(up)))
    return keras.Model(x, make.readout(h, outputs))


def build_resnext(width, *, input_shape, outputs=1, seed):
    """Build C and two blocks h ← h + P φ G φ P h: 1×1 convolutions P, and a 3×3 one in 8 groups of channels, G.

    Source: Xie et al. 2016 (arXiv 1611.05431).
    """
    make, x = Maker(seed), array_input(input_shape)
    multiple(width, GROUPS, f"{GROUPS} groups share the channels evenly")
    h = make.conv(width)(x)
    for _ in range(2):
        inner = _taps(make.conv(width, 1, "tanh")(h))
        h = add(h, make.conv(width, 1)(make.blocks(width, GROUPS, "tanh")(inner)))
    return keras.Model(x, make.readout(h, outputs))


def _taps(h):
    """Return the 3×3 neighbours of each pixel, channel by channel: [N, rows, columns, 9 · channels].

    A grouped convolution is a block-diagonal product of these; TensorFlow's own has wrong second derivatives.
    """
    rows, columns, channels = h.shape[1:]
    padded = ops.pad(h, [[0, 0], [1, 1], [1, 1], [0, 0]])
    taps = [padded[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return ops.reshape(ops.stack(taps, axis=4), (-1, rows, columns, 9 * channels))


def build_efficientnet(width, *, input_shape, outputs=1, seed):
    """Build `build_mobilenet` with a gate: W φ P₄ h is multiplied by σ(D φ D mean), of its mean over pixels.

    The hidden layer of the gate has width/4 units. Source: Tan, Le 2019 (arXiv 1905.11946).
    """
    make, x = Maker(seed), array_input(input_shape)
    squeezed = multiple(width, 4, "the gate has width/4 units")
    h = make.conv(width)(x)
    for _ in range(2):
        wide = make.depthwise(3, "tanh")(make.conv(4 * width, 1, "tanh")(h))
        mean = ops.mean(wide, axis=(1, 2))
        gate = make.dense(4 * width, "sigmoid")(make.dense(squeezed, "tanh")(mean))
        h = add(h, make.conv(width, 1)(wide * gate[:, None, None]))
    return keras.Model(x, make.readout(h, outputs))


def build_densenet(width, *, input_shape, outputs=1, seed):
    """Build three layers φ C of `width` channels, each of the input and all earlier layers, and a readout of all.

    A convolution of joined channels is written as a sum of convolutions, which is the same function.

    Source: Huang et al. 2016 (arXiv 1608.06993).
    """
    make, x = Maker(seed), array_input(input_shape)
    read, sizes = [x], [input_shape[2]]
    for _ in range(3):
        terms = [make.conv(width, fan_in=9 * sum(sizes))(h) for h in read]
        read.append(ops.tanh(add(*terms) if len(terms) > 1 else terms[0]))
        sizes.append(width)
    return keras.Model(x, make.readout(ops.stack(read[1:], axis=1), outputs))
