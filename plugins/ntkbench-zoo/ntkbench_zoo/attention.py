"""Attention and mixing of tokens, sequences [N, T, a], tokens or images → [N, outputs].

D is a dense layer of all steps: weights N(0, 1), times 1/√fan-in, no biases. n normalises over channels, without
trained weights. Activations are gelu.
"""

import math

import keras
import numpy as np
from keras import ops

from .common import (
    Maker,
    add,
    array_input,
    attention,
    constant,
    heads_of,
    joined,
    mlp,
    multiple,
    norm,
    numbers,
    precision,
    scores,
    split,
)

PATCH = 2


def build_linear_attention(width, *, input_shape, outputs=1, seed, heads=4):
    """Build h = D x, h + D y and a readout of all steps, where y_t = Σ_s (q_t · k_s / √d) v_s / T in each head.

    q, k and v are D n(h). Source: Katharopoulos et al. 2020 (arXiv 2006.16236), without feature map and normalisation.
    """
    make, x = Maker(seed), array_input(input_shape)
    heads = heads_of(width, heads)
    h = make.dense(width)(x)
    query, key, value = (split(make.dense(width)(norm(h)), heads) for _ in range(3))
    mixed = ops.matmul(scores(query, key), value) / input_shape[0]
    h = add(h, make.dense(width)(joined(mixed)))
    return keras.Model(x, make.readout(h, outputs))


def build_decoder(width, *, input_shape, outputs=1, seed, vocabulary=256, heads=4):
    """Build a decoder block on tokens, E[token] + P[position], and a readout of the last valid token.

    The block is h ← h + attention(n(h)), h ← h + D φ D n(h), in which a token reads itself and earlier ones. The
    entries of E and P are N(0, 1).

    Source: Radford et al. 2018, "Improving language understanding by generative pre-training".
    """
    make, heads = Maker(seed), heads_of(width, heads)
    inputs, tokens, mask = _tokens(input_shape)
    steps = tokens.shape[1]
    h = make.dense(width, fan_in=1)(ops.one_hot(tokens, vocabulary, dtype=precision()))
    h = add(h, make.table(steps, h, width))
    # A valid token reads valid tokens only, because padding is on the right.
    h = add(h, attention(make, norm(h), width, heads, np.tri(steps, dtype=bool)[None, None]))
    h = mlp(make, h, width)
    last = mask - ops.pad(mask[:, 1:], [[0, 0], [0, 1]])
    return keras.Model(inputs, make.dense(outputs)(ops.sum(h * last[:, :, None], axis=1)))


def _tokens(input_shape):
    """Return the inputs of a network of tokens, the tokens [N, T], and a mask [N, T] of numbers, 1 for valid ones."""
    if not isinstance(input_shape, dict):
        tokens = keras.Input(tuple(input_shape), dtype="int32")
        return tokens, tokens, ops.ones_like(tokens, dtype=precision())
    types = {name: "bool" if name == "padding_mask" else "int32" for name in input_shape}
    inputs = {name: keras.Input(tuple(input_shape[name]), dtype=types[name], name=name) for name in types}
    return inputs, inputs["token_ids"], ops.cast(inputs["padding_mask"], precision())


def build_vit(width, *, input_shape, outputs=1, seed, heads=4):
    """Build a vision transformer block on patches of 2×2 pixels and a class token, and a readout of the class token.

    Tokens are D of the patches and a trained class token, plus trained positions; entries of both are N(0, 1). The
    block is h ← h + attention(n(h)), h ← h + D φ D n(h). Source: Dosovitskiy et al. 2020 (arXiv 2010.11929).
    """
    make, x = Maker(seed), array_input(input_shape)
    heads = heads_of(width, heads)
    rows, columns, channels = input_shape
    rows, columns = (multiple(side, PATCH, "the image is cut into patches") for side in (rows, columns))
    apart = ops.reshape(x, (-1, rows, PATCH, columns, PATCH, channels))
    patches = ops.reshape(ops.transpose(apart, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, PATCH * PATCH * channels))
    h = ops.pad(make.dense(width)(patches), [[0, 0], [1, 0], [0, 0]])
    first = np.eye(rows * columns + 1)[:, :1]
    h = add(h, make.dense(width, fan_in=1)(constant(first, x)), make.table(len(first), x, width))
    h = mlp(make, add(h, attention(make, norm(h), width, heads)), width)
    return keras.Model(x, make.dense(outputs)(h[:, 0]))


def build_fnet(width, *, input_shape, outputs=1, seed):
    """Build u = D x, h = u + Re(F u F), h + D φ D n(h), and a readout of all steps.

    F u F is the discrete Fourier transform over steps and channels, which has no weights; both are unitary.

    Source: Lee-Thorp et al. 2021 (arXiv 2105.03824).
    """
    make, x = Maker(seed), array_input(input_shape)
    u = make.dense(width)(x)
    (cos_t, sin_t), (cos_c, sin_c) = (_fourier(size) for size in (input_shape[0], width))
    over_steps = [ops.einsum("ts,nsc->ntc", each, u) for each in (cos_t, sin_t)]
    mixed = ops.matmul(over_steps[0], cos_c) - ops.matmul(over_steps[1], sin_c)
    return keras.Model(x, make.readout(mlp(make, add(u, mixed), width), outputs))


def _fourier(size):
    """Return real and imaginary part of the unitary discrete Fourier transform, [size, size] each."""
    angles = 2 * math.pi * np.outer(np.arange(size), np.arange(size)) / size
    return numbers(np.cos(angles) / math.sqrt(size)), numbers(-np.sin(angles) / math.sqrt(size))


def build_gmlp(width, *, input_shape, outputs=1, seed):
    """Build h = D x, h + D (u ⊙ (W n(v) + 1)) and a readout of all steps, where (u, v) is gelu(D n(h)).

    W mixes steps and is shared by all channels. Source: Liu et al. 2021 (arXiv 2105.08050).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width)(x)
    u, v = make.dense(width, "gelu")(norm(h)), make.dense(width, "gelu")(norm(h))
    h = add(h, make.dense(width)(u * (_over_steps(make, norm(v)) + 1)))
    return keras.Model(x, make.readout(h, outputs))


def build_token_mix(width, *, input_shape, outputs=1, seed):
    """Build u = D x, h = u + W n(u), h + D φ D n(h) and a readout of all steps.

    W mixes steps and is shared by all channels.

    Source: Touvron et al. 2021 (arXiv 2105.03404).
    """
    make, x = Maker(seed), array_input(input_shape)
    u = make.dense(width)(x)
    return keras.Model(x, make.readout(mlp(make, add(u, _over_steps(make, norm(u))), width), outputs))


def _over_steps(make, h):
    """Return a dense layer over steps, shared by all channels."""
    return ops.transpose(make.dense(h.shape[1])(ops.transpose(h, (0, 2, 1))), (0, 2, 1))


def build_perceiver(width, *, input_shape, outputs=1, seed, latents=4):
    """Build trained latents, whose queries read the steps D x in 4 heads, h + D φ D n(h), and a readout of all latents.

    Source: Jaegle et al. 2021 (arXiv 2103.03206).
    """
    make, x = Maker(seed), array_input(input_shape)
    heads = heads_of(width, 4)
    u = norm(make.dense(width)(x))
    h = make.table(latents, x, width)
    h = mlp(make, add(h, attention(make, norm(h), width, heads, of=u)), width)
    return keras.Model(x, make.readout(h, outputs))


def build_set_transformer(width, *, input_shape, outputs=1, seed, points=4):
    """Build h = D x of the elements x of a set, which trained points read and h reads back, and D mean φ D n(h).

    There are `points` points. Both attentions have 4 heads and a residual connection.

    Source: Lee et al. 2018 (arXiv 1810.00825).
    """
    make, x = Maker(seed), array_input(input_shape)
    heads = heads_of(width, 4)
    h, point = make.dense(width)(x), make.table(points, x, width)
    point = add(point, attention(make, norm(point), width, heads, of=norm(h)))
    h = add(h, attention(make, norm(h), width, heads, of=norm(point)))
    return keras.Model(x, make.readout(ops.mean(make.dense(width, "gelu")(norm(h)), axis=1), outputs))


def build_retnet(width, *, input_shape, outputs=1, seed, heads=4):
    """Build h = D x, h + D y, h + D φ D n(h) and a readout of all steps.

    y_t = Σ_{s ≤ t} γ^(t−s) (q_t · k_s/√d) v_s in each head, with γ = 1 − 2^(−5−i) for head i = 0…7 and as in head 7 for
    later ones.

    Source: Sun et al. 2023 (arXiv 2307.08621), without rotation and group norm.
    """
    make, x = Maker(seed), array_input(input_shape)
    steps, heads = input_shape[0], heads_of(width, heads)
    h = make.dense(width)(x)
    query, key, value = (split(make.dense(width)(norm(h)), heads) for _ in range(3))
    rate = 1 - 2.0 ** (-5 - np.minimum(np.arange(heads), 7))
    lag = np.arange(steps)[:, None] - np.arange(steps)
    decay = numbers(np.where(lag >= 0, rate[:, None, None] ** np.maximum(lag, 0), 0))
    mixed = ops.matmul(scores(query, key) * decay, value)
    h = mlp(make, add(h, make.dense(width)(joined(mixed))), width)
    return keras.Model(x, make.readout(h, outputs))


def build_attention_bias(width, *, input_shape, outputs=1, seed):
    """Build h = D x, h + D y, h + D φ D n(h) and a readout of all steps, where y is attention with a trained bias.

    y_t = Σ_s p_ts v_s in each of 4 heads, where p_t is the softmax of q_t · k_s/d + B_ts over s. q, k and v are D n(h).
    The entries of B [T, T] are N(0, 1) and shared by all heads.

    Source: Shaw, Uszkoreit, Vaswani 2018 (arXiv 1803.02155) and Raffel et al. 2019 (arXiv 1910.10683), whose biases
    depend on t − s only; Ke, He, Liu 2020 (arXiv 2006.15595) for one of each pair of steps.
    """
    make, x = Maker(seed), array_input(input_shape)
    steps, heads = input_shape[0], heads_of(width, 4)
    h = make.dense(width)(x)
    query, key, value = (split(make.dense(width)(norm(h)), heads) for _ in range(3))
    logits = scores(query, key) / math.sqrt(width // heads) + make.table(steps, x, steps)[:, None]
    mixed = ops.matmul(ops.softmax(logits, axis=-1), value)
    h = mlp(make, add(h, make.dense(width)(joined(mixed))), width)
    return keras.Model(x, make.readout(h, outputs))


def build_attention_pool(width, *, input_shape, outputs=1, seed, pool="attention"):
    """Build h = φ D x and a readout of Σ_t p_t h_t, with p = softmax over steps of D h; with pool="mean", of the mean.

    Source: Ilse, Tomczak, Welling 2018 (arXiv 1802.04712).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width, "tanh")(x)
    pooled = ops.mean(h, axis=1)
    if pool == "attention":
        pooled = ops.sum(ops.softmax(make.dense(1)(h), axis=1) * h, axis=1)
    return keras.Model(x, make.readout(pooled, outputs))


def build_bert(width, *, input_shape, outputs=1, seed, heads=4):
    """Build a post-norm transformer block on D x, and a readout of all steps.

    The block is h ← n(h + attention(h)), h ← n(h + D φ D h).

    Source: Devlin et al. 2018 (arXiv 1810.04805).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = make.dense(width)(x)
    h = norm(add(h, attention(make, h, width, heads_of(width, heads))))
    h = norm(add(h, make.dense(width)(make.dense(width, "gelu")(h))))
    return keras.Model(x, make.readout(h, outputs))


def build_tied_embedding(width, *, input_shape, seed, vocabulary=256):
    """Build the scores width^(−1/2) E[next token] · φ(D E[token]) of a tied language model, summed over a text.

    The sum is divided by the root of its number of terms. The entries of the embedding E are N(0, 1), and it is used
    twice. Source: Press, Wolf 2016 (arXiv 1608.05859).
    """
    make = Maker(seed)
    inputs, tokens, mask = _tokens(input_shape)
    e = make.dense(width, fan_in=1)(ops.one_hot(tokens, vocabulary, dtype=precision()))
    score = ops.sum(make.dense(width, "tanh")(e)[:, :-1] * e[:, 1:], axis=2) / math.sqrt(width)
    valid = mask[:, 1:]
    total = ops.sum(score * valid, axis=1, keepdims=True)
    return keras.Model(inputs, total * ops.rsqrt(ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1)))
