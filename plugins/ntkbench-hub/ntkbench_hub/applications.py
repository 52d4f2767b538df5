"""Networks of keras.applications with a linear readout: images → [N, outputs]. Nothing is downloaded.

The networks want images of 32×32 pixels or more and three channels, so pixels are repeated. `width` is the number of
channels of the first convolution, 32 in the published networks.
"""

import keras

from ntkbench import NtkbenchError, layers

SIDE = 32
STEM = 32


def build_mobilenetv2(width, *, input_shape, outputs=1, seed):
    """Build MobileNetV2 with alpha = width / 32, its mean over pixels and a readout.

    Source: Sandler et al. 2018 (arXiv 1801.04381).
    """
    return _read(
        lambda shape: keras.applications.MobileNetV2(
            input_shape=shape, alpha=width / STEM, include_top=False, weights=None, pooling="avg"
        ),
        1.0,
        input_shape,
        outputs,
        seed,
    )


def build_efficientnet(width, *, input_shape, outputs=1, seed):
    """Build EfficientNet with the depth of B0 and width_coefficient = width / 32, its mean over pixels and a readout.

    Source: Tan, Le 2019 (arXiv 1905.11946).
    """
    from keras.src.applications.efficientnet import EfficientNet  # Keras exports fixed widths only

    return _read(
        lambda shape: EfficientNet(
            width / STEM,
            1.0,
            SIDE,
            include_top=False,
            weights=None,
            input_shape=shape,
            pooling="avg",
            name="efficientnet",
        ),
        255.0,  # its first layer divides by 255
        input_shape,
        outputs,
        seed,
    )


def _read(network, scale, input_shape, outputs, seed):
    """Return a network with a readout, on images whose pixels are repeated and multiplied by `scale`."""
    *sides, channels = input_shape
    if channels not in (1, 3):
        raise NtkbenchError(f"Images of {channels} channels do not fit; the network takes 1 or 3.")
    x = keras.Input(tuple(input_shape), dtype=keras.config.dtype_policy().compute_dtype)
    h = keras.layers.Rescaling(scale)(x)
    times = -(-SIDE // min(sides))
    if times > 1:
        h = keras.layers.UpSampling2D(times)(h)
    if channels == 1:
        h = keras.layers.Concatenate()([h, h, h])
    network = network(tuple(h.shape[1:]))
    return keras.Model(x, layers.Dense(outputs, seed=seed)(network(h)))
