"""What the sweep puts between trained layers: every layer of `keras.layers`.

Each entry takes h: [N, ...], a Keras tensor of one of the kinds below, and returns one. The first word of a name is
that of the class; what follows is a variant of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from ntkbench.engine.model import Network, network_in

L, ops = keras.layers, keras.ops
Build = Callable[[Any], Any]

# Shapes without the batch axis, small and a little larger.
SHAPES_OF = {
    "vector": ((4,), (6,)),
    "sequence": ((4, 2), (5, 3)),
    "image": ((4, 4, 2), (5, 4, 2)),
    "volume": ((2, 3, 2, 1), (3, 3, 2, 1)),
    "film": ((3, 3, 3, 1), (2, 4, 3, 1)),
    "frames": ((3, 3, 2), (4, 3, 2)),
    "clip": ((2, 2, 2, 2, 1), (2, 2, 3, 2, 1)),
    "signal": ((16,), (24,)),
    "colours": ((3, 3, 3), (4, 3, 3)),
    "tokens": ((5,), (6,)),
    "numbers": ((4,), (5,)),
}
VOCABULARY = 6


def _words(text: str) -> list[str]:
    return text.split()


def _of(make: Callable[[], Any]) -> Build:
    return lambda h: make()(h)


def _two(make: Callable[[], Any]) -> Build:
    """Return a layer of two inputs: h and a trained function of it."""
    return lambda h: make()([h, L.Dense(h.shape[-1], "tanh")(h)])


def _embedded(make: Callable[[], Any]) -> Build:
    """Return a layer behind an embedding in which token 0 is padding."""
    return lambda h: make()(L.Embedding(VOCABULARY, 2, mask_zero=True)(h))


def _masked(make: Callable[[], Any]) -> Build:
    """Return a layer behind a mask of steps that are 0."""
    return lambda h: make()(L.Masking()(h))


def _normalization() -> Any:
    layer = L.Normalization(mean=0.3, variance=1.7)
    return layer


def _attention(kind: Any, **kwargs: Any) -> Build:
    return lambda h: kind(**kwargs)([h, L.Dense(h.shape[-1], "tanh")(h), L.Dense(h.shape[-1])(h)])


def _rnn(cell: Callable[[], Any], **kwargs: Any) -> Build:
    return lambda h: L.RNN(cell(), **kwargs)(h)


ACTIVATIONS = _words(
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid "
    "log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
    "sparse_sigmoid sparsemax squareplus tanh tanh_shrink threshold"
)

VECTORS: dict[str, Build] = {
    f"Activation {name}": (lambda h, name=name: L.Activation(name)(h)) for name in ACTIVATIONS if name != "threshold"
} | {
    "ActivityRegularization": _of(lambda: L.ActivityRegularization(0.1)),
    "Add": _two(L.Add),
    "AlphaDropout": _of(lambda: L.AlphaDropout(0.3)),
    "Average": _two(L.Average),
    "BatchNormalization": _of(L.BatchNormalization),
    "Concatenate": _two(L.Concatenate),
    "Dense": _of(lambda: L.Dense(3, "relu")),
    "Dense softmax": _of(lambda: L.Dense(3, "softmax")),
    "Dense hard": _of(lambda: L.Dense(3, "hard_swish")),
    "Dense with lora": lambda h: _lora(h),
    "Dot": lambda h: L.Dot(1)([L.Reshape((h.shape[1], 1))(h), L.Reshape((h.shape[1], 1))(L.Dense(h.shape[1])(h))]),
    "Dot normalized": lambda h: L.Dot(1, normalize=True)([h, L.Dense(h.shape[1], bias_initializer="ones")(h)]),
    "Dropout": _of(lambda: L.Dropout(0.4)),
    "ELU": _of(lambda: L.ELU(0.7)),
    "EinsumDense": _of(lambda: L.EinsumDense("ab,bc->ac", output_shape=3, bias_axes="c")),
    "Flatten": _of(L.Flatten),
    "GaussianDropout": _of(lambda: L.GaussianDropout(0.3)),
    "GaussianNoise": _of(lambda: L.GaussianNoise(0.3)),
    "GroupNormalization": _of(lambda: L.GroupNormalization(2)),
    "Identity": _of(L.Identity),
    "Lambda": _of(lambda: L.Lambda(lambda h: ops.sin(h) * h)),
    "LayerNormalization": _of(L.LayerNormalization),
    "LeakyReLU": _of(lambda: L.LeakyReLU(0.2)),
    "Maximum": _two(L.Maximum),
    "Minimum": _two(L.Minimum),
    "Multiply": _two(L.Multiply),
    "Normalization": _of(_normalization),
    "PReLU": _of(L.PReLU),
    "PReLU trained": _of(lambda: L.PReLU(alpha_initializer=keras.initializers.Constant(0.25))),
    "RMSNormalization": _of(L.RMSNormalization),
    "ReLU": _of(L.ReLU),
    "ReLU leaky": _of(lambda: L.ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2)),
    "ReLU six": _of(lambda: L.ReLU(max_value=6.0)),
    "RepeatVector": _of(lambda: L.RepeatVector(2)),
    "Rescaling": _of(lambda: L.Rescaling(0.5, 0.25)),
    "Reshape": _of(lambda: L.Reshape((2, -1))),
    "Softmax": _of(L.Softmax),
    "SpectralNormalization": _of(lambda: L.SpectralNormalization(L.Dense(3))),
    "Subtract": _two(L.Subtract),
    "UnitNormalization": _of(L.UnitNormalization),
    "Subtract of relus": lambda h: L.Subtract()([L.ReLU()(h), L.ReLU()(L.Rescaling(-1.0)(h))]),
}

SEQUENCES: dict[str, Build] = {
    "AdaptiveAveragePooling1D": _of(lambda: L.AdaptiveAveragePooling1D(2)),
    "AdaptiveMaxPooling1D": _of(lambda: L.AdaptiveMaxPooling1D(3)),
    "AdditiveAttention": _attention(L.AdditiveAttention),
    "Attention": _attention(L.Attention),
    "Attention scaled": _attention(L.Attention, use_scale=True, score_mode="concat"),
    "AveragePooling1D": _of(lambda: L.AveragePooling1D(2)),
    "AveragePooling1D same": _of(lambda: L.AveragePooling1D(3, 1, padding="same")),
    "BatchNormalization of sequences": _of(L.BatchNormalization),
    "Bidirectional": _of(lambda: L.Bidirectional(L.SimpleRNN(2))),
    "Bidirectional LSTM": _of(lambda: L.Bidirectional(L.LSTM(1, return_sequences=True), merge_mode="sum")),
    "Conv1D": _of(lambda: L.Conv1D(2, 2, activation="relu")),
    "Conv1D causal": _of(lambda: L.Conv1D(2, 2, padding="causal", dilation_rate=2)),
    "Conv1D grouped": _of(lambda: L.Conv1D(2, 2, groups=1, strides=2)),
    "Conv1DTranspose": _of(lambda: L.Conv1DTranspose(2, 2, strides=2)),
    "Cropping1D": _of(lambda: L.Cropping1D(1)),
    "Dense of sequences": _of(lambda: L.Dense(2, "tanh")),
    "DepthwiseConv1D": _of(lambda: L.DepthwiseConv1D(2, depth_multiplier=2)),
    "EinsumDense of sequences": lambda h: L.EinsumDense("abc,cd->abd", (h.shape[1], 2), activation="relu")(h),
    "GRU": _of(lambda: L.GRU(2)),
    "GRU before": _of(lambda: L.GRU(2, reset_after=False, return_sequences=True)),
    "GRU unrolled": _of(lambda: L.GRU(1, unroll=True)),
    "GRUCell": _rnn(lambda: L.GRUCell(2)),
    "GlobalAveragePooling1D": _of(L.GlobalAveragePooling1D),
    "GlobalMaxPooling1D": _of(L.GlobalMaxPooling1D),
    "GroupNormalization of sequences": _of(lambda: L.GroupNormalization(1)),
    "GroupQueryAttention": lambda h: L.GroupQueryAttention(2, 2, 1)(h, h),
    "LSTM": _of(lambda: L.LSTM(2)),
    "LSTM masked": _masked(lambda: L.LSTM(2, return_sequences=True)),
    "LSTM relu": _of(lambda: L.LSTM(1, activation="relu", recurrent_activation="hard_sigmoid")),
    "LSTM unrolled": _of(lambda: L.LSTM(1, unroll=True, go_backwards=True)),
    "LSTMCell": _rnn(lambda: L.LSTMCell(1), return_sequences=True),
    "LayerNormalization two axes": _of(lambda: L.LayerNormalization(axis=[1, 2])),
    "Masking": _of(L.Masking),
    "Masking pooled": _masked(L.GlobalAveragePooling1D),
    "MaxPooling1D": _of(lambda: L.MaxPooling1D(2)),
    "MaxPooling1D same": _of(lambda: L.MaxPooling1D(2, 1, padding="same")),
    "MaxPooling1D strided": _of(lambda: L.MaxPooling1D(3, 2, padding="same")),
    "MultiHeadAttention": lambda h: L.MultiHeadAttention(2, 2)(h, h),
    "MultiHeadAttention causal": lambda h: L.MultiHeadAttention(1, 2)(h, h, use_causal_mask=True),
    "MultiHeadAttention masked": lambda h: (lambda m: L.MultiHeadAttention(1, 2)(m, m))(L.Masking()(h)),
    "PReLU shared": _of(lambda: L.PReLU(shared_axes=[1], alpha_initializer=keras.initializers.Constant(0.25))),
    "Permute": _of(lambda: L.Permute((2, 1))),
    "RMSNormalization of sequences": _of(lambda: L.RMSNormalization(axis=-1)),
    "RNN": _rnn(lambda: L.SimpleRNNCell(2)),
    "RNN of stacked cells": _rnn(lambda: [L.SimpleRNNCell(1), L.GRUCell(1)]),
    "SeparableConv1D": _of(lambda: L.SeparableConv1D(2, 2)),
    "SimpleRNN": _of(lambda: L.SimpleRNN(2)),
    "SimpleRNN relu": _of(lambda: L.SimpleRNN(2, "relu", return_sequences=True)),
    "SimpleRNN masked": _masked(lambda: L.SimpleRNN(2)),
    "SimpleRNNCell": _rnn(lambda: L.SimpleRNNCell(2), unroll=True),
    "Softmax masked": lambda h: L.Softmax()(h, mask=ops.not_equal(h, 0.0)),
    "SpatialDropout1D": _of(lambda: L.SpatialDropout1D(0.3)),
    "StackedRNNCells": _rnn(lambda: L.StackedRNNCells([L.LSTMCell(1), L.SimpleRNNCell(1)])),
    "TimeDistributed": _of(lambda: L.TimeDistributed(L.Dense(2, "relu"))),
    "UnitNormalization of sequences": _of(lambda: L.UnitNormalization(axis=[1, 2])),
    "UpSampling1D": _of(lambda: L.UpSampling1D(2)),
    "ZeroPadding1D": _of(lambda: L.ZeroPadding1D(1)),
}

IMAGES: dict[str, Build] = {
    "AdaptiveAveragePooling2D": _of(lambda: L.AdaptiveAveragePooling2D(3)),
    "AdaptiveMaxPooling2D": _of(lambda: L.AdaptiveMaxPooling2D(3)),
    "AveragePooling2D": _of(lambda: L.AveragePooling2D(2)),
    "AveragePooling2D same": _of(lambda: L.AveragePooling2D(3, 2, padding="same")),
    "BatchNormalization of images": _of(L.BatchNormalization),
    "CenterCrop": _of(lambda: L.CenterCrop(2, 2)),
    "CenterCrop larger": _of(lambda: L.CenterCrop(6, 5)),
    "Conv2D": _of(lambda: L.Conv2D(1, 2, activation="relu")),
    "Conv2D grouped": _of(lambda: L.Conv2D(2, 2, groups=2, padding="same")),
    "Conv2D dilated": _of(lambda: L.Conv2D(1, 2, dilation_rate=2)),
    "Conv2D strided": _of(lambda: L.Conv2D(1, 3, strides=2, padding="same")),
    "Conv2DTranspose": _of(lambda: L.Conv2DTranspose(1, 2, strides=2)),
    "Cropping2D": _of(lambda: L.Cropping2D(1)),
    "DepthwiseConv2D": _of(lambda: L.DepthwiseConv2D(2)),
    "GlobalAveragePooling2D": _of(L.GlobalAveragePooling2D),
    "GlobalMaxPooling2D": _of(L.GlobalMaxPooling2D),
    "GroupNormalization of images": _of(lambda: L.GroupNormalization(2)),
    "LayerNormalization of images": _of(L.LayerNormalization),
    "MaxPooling2D": _of(lambda: L.MaxPooling2D(2)),
    "MaxPooling2D same": _of(lambda: L.MaxPooling2D(2, 1, padding="same")),
    "MaxPooling2D three": _of(lambda: L.MaxPooling2D(3, 1)),
    "MaxPooling2D strided": _of(lambda: L.MaxPooling2D(3, 2, padding="same")),
    "Pipeline": _of(lambda: L.Pipeline([L.Rescaling(0.5), L.CenterCrop(2, 2)])),
    "RandomContrast": _of(lambda: L.RandomContrast(0.2)),
    "RandomCrop": lambda h: L.GlobalAveragePooling2D()(L.RandomCrop(2, 2)(h)),
    "RandomElasticTransform": _of(lambda: L.RandomElasticTransform(1.0)),
    "RandomErasing": _of(lambda: L.RandomErasing(1.0)),
    "RandomFlip": _of(L.RandomFlip),
    "RandomGaussianBlur": _of(lambda: L.RandomGaussianBlur(1.0)),
    "RandomPerspective": _of(lambda: L.RandomPerspective(1.0)),
    "RandomRotation": _of(lambda: L.RandomRotation(0.3)),
    "RandomShear": _of(lambda: L.RandomShear(0.2)),
    "RandomTranslation": _of(lambda: L.RandomTranslation(0.2, 0.2)),
    "RandomZoom": _of(lambda: L.RandomZoom(0.3)),
    "Resizing": _of(lambda: L.Resizing(3, 5)),
    "Resizing bicubic": _of(lambda: L.Resizing(3, 5, interpolation="bicubic")),
    "Resizing nearest": _of(lambda: L.Resizing(3, 5, interpolation="nearest")),
    "Resizing lanczos": _of(lambda: L.Resizing(3, 5, interpolation="lanczos3")),
    "Resizing cropped": _of(lambda: L.Resizing(3, 3, crop_to_aspect_ratio=True)),
    "SeparableConv2D": _of(lambda: L.SeparableConv2D(1, 2)),
    "SpatialDropout2D": _of(lambda: L.SpatialDropout2D(0.3)),
    "UpSampling2D": _of(lambda: L.UpSampling2D(2)),
    "UpSampling2D bilinear": _of(lambda: L.UpSampling2D(2, interpolation="bilinear")),
    "ZeroPadding2D": _of(lambda: L.ZeroPadding2D(1)),
    "MelSpectrogram": lambda h: L.MelSpectrogram(8, 4, num_mel_bins=3, sampling_rate=16, max_freq=8)(L.Flatten()(h)),
    "STFTSpectrogram": lambda h: L.STFTSpectrogram(frame_length=8, frame_step=8, fft_length=8)(L.Reshape((-1, 1))(h)),
    "STFTSpectrogram of magnitudes": lambda h: L.STFTSpectrogram("log", frame_length=8, frame_step=8, fft_length=8)(
        L.Reshape((-1, 1))(h)
    ),
}

COLOURS: dict[str, Build] = {
    "AugMix": _of(lambda: L.AugMix(value_range=(0, 1))),
    "AutoContrast": _of(lambda: L.AutoContrast(value_range=(0, 1))),
    "ContrastLimitedAdaptiveHistogramEqualization": _of(
        lambda: L.ContrastLimitedAdaptiveHistogramEqualization(value_range=(0, 1))
    ),
    "CutMix": _of(L.CutMix),
    "MixUp": _of(L.MixUp),
    "RandAugment": _of(lambda: L.RandAugment(value_range=(0, 1))),
    "RandomBrightness": _of(lambda: L.RandomBrightness(0.2, value_range=(0, 1))),
    "RandomColorDegeneration": _of(lambda: L.RandomColorDegeneration(1.0, value_range=(0, 1))),
    "RandomColorJitter": _of(lambda: L.RandomColorJitter(value_range=(0, 1), brightness_factor=0.2)),
    "RandomGrayscale": _of(L.RandomGrayscale),
    "RandomHue": _of(lambda: L.RandomHue(0.2, value_range=(0, 1))),
    "RandomInvert": _of(lambda: L.RandomInvert(1.0, value_range=(0, 1))),
    "RandomPosterization": _of(lambda: L.RandomPosterization(3, value_range=(0, 1))),
    "RandomSaturation": _of(lambda: L.RandomSaturation(0.3, value_range=(0, 1))),
    "RandomSharpness": _of(lambda: L.RandomSharpness(0.3, value_range=(0, 1))),
    "Solarization": _of(lambda: L.Solarization(threshold_factor=0.5, value_range=(0, 1))),
}

VOLUMES: dict[str, Build] = {
    "AdaptiveAveragePooling3D": _of(lambda: L.AdaptiveAveragePooling3D(2)),
    "AdaptiveMaxPooling3D": _of(lambda: L.AdaptiveMaxPooling3D(2)),
    "AveragePooling3D": _of(lambda: L.AveragePooling3D(2)),
    "Conv3D": _of(lambda: L.Conv3D(1, 2, activation="relu")),
    "Conv3DTranspose": _of(lambda: L.Conv3DTranspose(1, 2)),
    "Cropping3D": _of(lambda: L.Cropping3D(((0, 1), (1, 0), (0, 1)))),
    "GlobalAveragePooling3D": _of(L.GlobalAveragePooling3D),
    "GlobalMaxPooling3D": _of(L.GlobalMaxPooling3D),
    "MaxPooling3D": _of(lambda: L.MaxPooling3D(2)),
    "MaxPooling3D same": _of(lambda: L.MaxPooling3D(2, 1, padding="same")),
    "SpatialDropout3D": _of(lambda: L.SpatialDropout3D(0.3)),
    "UpSampling3D": _of(lambda: L.UpSampling3D(2)),
    "ZeroPadding3D": _of(lambda: L.ZeroPadding3D(1)),
}

RECURRENT: dict[str, tuple[str, Build]] = {
    "ConvLSTM1D": ("frames", _of(lambda: L.ConvLSTM1D(1, 2))),
    "ConvLSTM2D": ("film", _of(lambda: L.ConvLSTM2D(1, 2))),
    "ConvLSTM3D": ("clip", _of(lambda: L.ConvLSTM3D(1, 2))),
}

TOKENS: dict[str, Build] = {
    "Embedding": _of(lambda: L.Embedding(VOCABULARY, 2)),
    "Embedding padded": _embedded(lambda: L.LSTM(2)),
    "Embedding padded, pooled": _embedded(L.GlobalAveragePooling1D),
    "Embedding padded, attended": lambda h: (lambda e: L.MultiHeadAttention(1, 2)(e, e))(
        L.Embedding(VOCABULARY, 2, mask_zero=True)(h)
    ),
    "Embedding padded, both ways": _embedded(lambda: L.Bidirectional(L.GRU(1))),
    "ReversibleEmbedding": lambda h: _reversed(L.ReversibleEmbedding(VOCABULARY, 2), h),
    "CategoryEncoding": _of(lambda: L.CategoryEncoding(VOCABULARY, output_mode="multi_hot")),
    "Hashing": lambda h: L.Embedding(4, 2)(L.Hashing(4)(h)),
    "IntegerLookup": lambda h: L.Embedding(VOCABULARY + 2, 2)(
        L.IntegerLookup(vocabulary=list(range(1, VOCABULARY)))(h)
    ),
}

NUMBERS: dict[str, Build] = {
    "Discretization": lambda h: L.Embedding(4, 2)(L.Discretization(bin_boundaries=[-0.5, 0.1, 0.7])(h)),
    "InputLayer": lambda h: L.Dense(2, "tanh")(h),
    "PReLU of inputs": _of(lambda: L.PReLU(alpha_initializer=keras.initializers.Constant(0.25))),
}


def _reversed(embedding: Any, h: Any) -> Any:
    return embedding(L.Dense(2, "tanh")(embedding(h)), reverse=True)


def _lora(h: Any) -> Any:
    layer = L.Dense(3)
    y = layer(h)
    layer.enable_lora(1)
    return y


# name: (kind of its inputs, what is built on h)
LAYERS: dict[str, tuple[str, Build]] = {
    name: (kind, build)
    for kind, group in (
        ("vector", VECTORS),
        ("sequence", SEQUENCES),
        ("image", IMAGES),
        ("colours", COLOURS),
        ("volume", VOLUMES),
        ("tokens", TOKENS),
        ("numbers", NUMBERS),
    )
    for name, build in group.items()
} | RECURRENT

# What TensorFlow or Keras cannot compute in float64, so that there is no oracle.
ONLY_FLOAT32 = {
    "AdaptiveAveragePooling3D",
    "AdaptiveMaxPooling3D",
    "AveragePooling3D",
    "ContrastLimitedAdaptiveHistogramEqualization",
    "MaxPooling3D",
    "MaxPooling3D same",
    "MelSpectrogram",
}

# Classes that are not put into models here, by why.
WITHOUT: dict[str, str] = {
    "a base class": "Layer Wrapper InputSpec",
    "needs another framework, or a saved model": "FlaxLayer JaxLayer TFSMLayer TorchModuleWrapper",
    "takes texts": "HashedCrossing StringLookup TextVectorization",
    "takes dictionaries of bounding boxes": "MaxNumBoundingBoxes",
    "cannot be part of a functional model": "Equalization",
}


def model_of(name: str, size: int, precision: str = "float64") -> Any:
    """Return a model that is trained before and behind a layer, with weights drawn by its initialisers."""
    kind, build = LAYERS[name]
    shape = SHAPES_OF[kind][size]
    keras.utils.set_random_seed(1)
    x = keras.Input(shape, dtype="int32" if kind == "tokens" else precision)
    h = x if kind in ("tokens", "numbers") else L.Dense(shape[-1])(x)
    y = build(h)
    if kind in ("vector", "numbers") and len(y.shape) == 2 and size:
        y = L.Dense(3, "relu")(y)
    model = keras.Model(x, L.Dense(2)(L.Flatten()(y)))
    if len({v.dtype for v in model.trainable_variables}) > 1:  # Keras creates LoRA weights in float32
        model = network_in(Network(model), np.zeros((1, *shape)), precision).model
    return model


def inputs_of(name: str, size: int) -> np.ndarray:
    """Return inputs: a random one, one of zeros, of ones, half of zeros, and with repeated numbers."""
    kind, _ = LAYERS[name]
    shape = SHAPES_OF[kind][size]
    rng = np.random.default_rng(2)
    if kind == "tokens":
        random = rng.integers(1, VOCABULARY, shape)
        half = np.where(np.arange(shape[0]) < shape[0] // 2, random, 0)
        return np.stack([random, np.zeros(shape, int), np.ones(shape, int), half]).astype("int32")
    random = rng.standard_normal(shape)
    steps = np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    half = np.where(steps < (shape[0] + 1) // 2, random, 0.0)
    repeated = np.broadcast_to(random[:1], shape)
    minus = np.where(steps % 2, random, -0.0)
    return np.stack([random, np.zeros(shape), np.ones(shape), half, repeated, minus])
