"""Backbones of KerasHub with a linear readout: tokens or images → [N, outputs].

Nothing is downloaded: the backbones are built from their constructors. Their hidden layers have 2·width units, and
dropout is off.
"""

import keras
from keras import ops

from ntkbench import NtkbenchError, layers

CHANNELS = 8
"""Channels of a head if the number of heads grows with width."""
EXPANSION = 2
PATCH = 2


def hub():
    """Return the module keras_hub; raise NtkbenchError if it is not installed."""
    try:
        import keras_hub
    except ImportError as error:
        raise NtkbenchError(
            f"KerasHub could not be imported ({error}). Install it: pip install 'ntkbench-hub[keras-hub]'."
        ) from error
    return keras_hub


def build_llama(width, *, input_shape, outputs=1, seed, vocabulary=256, heads=4, layers=1):
    """Build a Llama backbone, and a readout of the last valid token.

    Source: Touvron et al. 2023 (arXiv 2302.13971).
    """
    number = _heads(width, heads, even=True)
    backbone = hub().models.LlamaBackbone(
        vocabulary_size=vocabulary,
        num_layers=layers,
        num_query_heads=number,
        num_key_value_heads=number,
        hidden_dim=width,
        intermediate_dim=EXPANSION * width,
    )
    return _last_token(backbone, input_shape, outputs, seed)


def build_gemma(width, *, input_shape, outputs=1, seed, vocabulary=256, heads=4, layers=1):
    """Build a Gemma backbone, and a readout of the last valid token.

    Source: Gemma Team 2024 (arXiv 2403.08295).
    """
    number = _heads(width, heads, even=True)
    backbone = hub().models.GemmaBackbone(
        vocabulary_size=vocabulary,
        num_layers=layers,
        num_query_heads=number,
        num_key_value_heads=number,
        head_dim=width // number,
        hidden_dim=width,
        intermediate_dim=EXPANSION * width,
    )
    return _last_token(backbone, input_shape, outputs, seed)


def build_gpt2(width, *, input_shape, outputs=1, seed, vocabulary=256, heads=4, layers=1):
    """Build a GPT-2 backbone, and a readout of the last valid token.

    Source: Radford et al. 2019, "Language models are unsupervised multitask learners".
    """
    backbone = hub().models.GPT2Backbone(
        vocabulary_size=vocabulary,
        num_layers=layers,
        num_heads=_heads(width, heads),
        hidden_dim=width,
        intermediate_dim=EXPANSION * width,
        dropout=0.0,
        max_sequence_length=_steps(input_shape),
    )
    return _last_token(backbone, input_shape, outputs, seed)


def build_bert(width, *, input_shape, outputs=1, seed, vocabulary=256, heads=4, layers=1):
    """Build a BERT backbone, and a readout of the mean of all valid tokens.

    Source: Devlin et al. 2018 (arXiv 1810.04805).
    """
    backbone = hub().models.BertBackbone(
        vocabulary_size=vocabulary,
        num_layers=layers,
        num_heads=_heads(width, heads),
        hidden_dim=width,
        intermediate_dim=EXPANSION * width,
        dropout=0.0,
        max_sequence_length=_steps(input_shape),
    )
    inputs, given, mask = _tokens(input_shape)
    given["segment_ids"] = inputs["segment_ids"] if "segment_ids" in input_shape else ops.zeros_like(given["token_ids"])
    h = backbone(given)["sequence_output"]
    return keras.Model(inputs, _readout(_weighted(h, mask / ops.sum(mask, axis=1, keepdims=True)), outputs, seed))


def build_vit(width, *, input_shape, outputs=1, seed, heads=4, layers=1):
    """Build a ViT backbone on patches of 2×2 pixels, and a readout of the class token.

    Source: Dosovitskiy et al. 2020 (arXiv 2010.11929).
    """
    if any(side % PATCH for side in input_shape[:2]):
        raise NtkbenchError(f"Images of {input_shape[0]}×{input_shape[1]} cannot be cut into patches of 2×2 pixels.")
    backbone = hub().models.ViTBackbone(
        image_shape=tuple(input_shape),
        patch_size=PATCH,
        num_layers=layers,
        num_heads=_heads(width, heads),
        hidden_dim=width,
        mlp_dim=EXPANSION * width,
    )
    x = keras.Input(tuple(input_shape), dtype=_precision())
    return keras.Model(x, _readout(backbone(x)[:, 0], outputs, seed))


def _heads(width, given, even=False):
    """Return the number of heads; raise NtkbenchError unless it divides the width into heads that the model takes."""
    number = width // CHANNELS if given == "grow" else given
    if number < 1 or width % number or (given == "grow" and width % CHANNELS):
        wanted = f"heads=grow takes {CHANNELS} channels each" if given == "grow" else f"{given} heads share it evenly"
        multiple = CHANNELS if given == "grow" else given
        raise NtkbenchError(f"Width {width} does not fit: {wanted}; use a multiple of {multiple}.")
    if even and width // number % 2:
        raise NtkbenchError(
            f"Width {width} does not fit: rotary positions need an even number of channels in each of the {number} "
            f"heads; use a multiple of {2 * number}."
        )
    return number


def _precision():
    return keras.config.dtype_policy().compute_dtype


def _steps(input_shape):
    """Return the number of tokens of a text."""
    return (input_shape["token_ids"] if isinstance(input_shape, dict) else input_shape)[0]


def _tokens(input_shape):
    """Return the inputs of a model of tokens, what a backbone takes, and a mask [N, T] of numbers, 1 for valid ones."""
    if not isinstance(input_shape, dict):
        tokens = inputs = keras.Input(tuple(input_shape), dtype="int32")
        mask = ops.ones_like(tokens)
    else:
        inputs = {
            name: keras.Input(tuple(shape), dtype="bool" if name == "padding_mask" else "int32", name=name)
            for name, shape in input_shape.items()
        }
        tokens, mask = inputs["token_ids"], ops.cast(inputs["padding_mask"], "int32")
    return inputs, {"token_ids": tokens, "padding_mask": mask}, ops.cast(mask, _precision())


def _last_token(backbone, input_shape, outputs, seed):
    """Return the model that reads the last valid token of a backbone."""
    inputs, given, mask = _tokens(input_shape)
    last = mask - ops.pad(mask[:, 1:], [[0, 0], [0, 1]])  # padding is on the right
    return keras.Model(inputs, _readout(_weighted(backbone(given), last), outputs, seed))


def _weighted(h, weights):
    """Return Σ_t weights_t h_t: [N, m]."""
    return ops.sum(ops.expand_dims(weights, -1) * h, axis=1)


def _readout(h, outputs, seed):
    return layers.Dense(outputs, seed=seed)(h)
