"""Recurrent networks and state-space models, sequences [N, T, a] → [N, outputs].

D is a dense layer of all steps: weights N(0, 1), times 1/√fan-in, no biases. n normalises over channels, without
trained weights. Steps are unrolled or written out as sums over pairs of steps, because second derivatives of loops fail
in compiled graphs.
"""

import math

import keras
import numpy as np
from keras import ops

from ntkbench import layers

from .common import (
    HEAD,
    Maker,
    add,
    array_input,
    constant,
    count,
    heads_of,
    joined,
    mlp,
    multiple,
    norm,
    numbers,
    own,
    scores,
    split,
)

STATE = 4


def build_echo_state(width, *, input_shape, outputs=1, seed):
    """Build h ← tanh(W h + U x) with frozen weights, and a trained readout of the last state.

    Source: Jaeger 2001, "The echo state approach to analysing and training recurrent neural networks".
    """
    make, x = Maker(seed), array_input(input_shape)
    first, *steps = ops.unstack(make.dense(width, trainable=False)(x), axis=1)
    recurrent = make.dense(width, trainable=False)
    h = ops.tanh(first)
    for step in steps:
        h = ops.tanh(recurrent(h) + step)
    return keras.Model(x, make.readout(h, outputs))


def build_s4d(width, *, input_shape, outputs=1, seed):
    """Build u = D x, h = u + D (K ∗ n(u)), h + D φ D n(h) with gelu φ, and a readout of all steps.

    K has a kernel for each channel, K_t = ½ Σ_n C_n e^(−a_n t) cos(b_n t) with n = 1…4. All three are trained; C starts
    at N(0, 1), a_n at ½ and b_n at πn/T.

    Source: Gu et al. 2022 (arXiv 2206.11893).
    """
    make, x = Maker(seed), array_input(input_shape)
    steps = input_shape[0]
    u = make.dense(width)(x)
    ones = constant(np.ones((steps, width * STATE)), x)
    time = constant(np.repeat(np.arange(steps)[:, None], width * STATE, axis=1), x)
    modes = np.tile(np.arange(1, STATE + 1), width)
    decay = layers.Gain(start=np.full(width * STATE, 0.5))(time)
    angle = layers.Gain(start=math.pi * modes / steps)(time)
    weight = layers.Gain(start=np.random.default_rng(seed).standard_normal(width * STATE))(ones)
    terms = weight * ops.exp(-decay) * ops.cos(angle)
    kernel = ops.sum(ops.reshape(terms, (-1, steps, width, STATE)), axis=-1) / 2
    h = add(u, make.dense(width)(layers.LagConvolution()(kernel, norm(u))))
    return keras.Model(x, make.readout(mlp(make, h, width), outputs))


def build_mamba(width, *, input_shape, outputs=1, seed, heads=1, state=STATE):
    """Build h = D x, h ← h + y ⊙ silu(D n(h)), h + D φ D n(h) with gelu φ, and a readout of all steps.

    y_tc = Σ_{s ≤ t} u_sc Δ_sc Σ_n C_tn B_sn exp(−a_cn Σ_{s < r ≤ t} Δ_rc) / √`state`, with n = 1…`state`; the state
    "grow" is width/8. The steps Δ = softplus(D n(h)) and the input u = D n(h) have an entry for each channel. B and C,
    which are D n(h) too, have `state` entries for each head; a head is a group of consecutive channels. The trained
    a_cn start at n.

    Source: Gu, Dao 2023 (arXiv 2312.00752), with one head; Dao, Gu 2024 (arXiv 2405.21060) for heads.
    """
    make, x = Maker(seed), array_input(input_shape)
    steps, heads, state = input_shape[0], heads_of(width, heads), count(width, state, "state")
    h = make.dense(width)(x)
    normal = norm(h)
    u, gate = make.dense(width)(normal), make.dense(width, "silu")(normal)
    delta = make.dense(width, "softplus")(normal)
    b, c = (ops.reshape(make.dense(heads * state)(normal), (-1, steps, heads, state)) for _ in range(2))
    rates = ops.reshape(own(x, np.tile(np.arange(1, state + 1), width)), (-1, 1, 1, width, state))
    until = ops.cumsum(delta, axis=1)
    causal = numbers(np.tri(steps))[None, :, :, None]
    passed = (until[:, :, None] - until[:, None]) * causal  # [N, t, s, c]
    decay = ops.reshape(ops.exp(-rates * passed[..., None]), (-1, steps, steps, heads, width // heads, state))
    products = (c[:, :, None] * b[:, None])[:, :, :, :, None]  # shared by the channels of a head
    mixing = ops.reshape(ops.sum(products * decay, axis=-1), (-1, steps, steps, width)) * causal / math.sqrt(state)
    y = ops.sum(mixing * (u * delta)[:, None], axis=2)
    return keras.Model(x, make.readout(mlp(make, add(h, y * gate), width), outputs))


def build_rwkv(width, *, input_shape, outputs=1, seed):
    """Build h = D x, h ← h + D (σ(D n(h)) ⊙ y), h + D φ D n(h) with gelu φ, and a readout of all steps.

    y_tc = Σ_{s ≤ t} e^(k_sc − w_c (t−s)) v_sc / Σ_{s ≤ t} e^(k_sc − w_c (t−s)), with k and v equal to D n(h), and
    trained decays w_c, which start at 1.

    Source: Peng et al. 2023 (arXiv 2305.13048).
    """
    make, x = Maker(seed), array_input(input_shape)
    steps = input_shape[0]
    h = make.dense(width)(x)
    normal = norm(h)
    key, value = make.dense(width)(normal), make.dense(width)(normal)
    gate = make.dense(width, "sigmoid")(normal)
    lag = numbers(np.maximum(np.arange(steps)[:, None] - np.arange(steps), 0))[None, :, :, None]
    causal = numbers(np.tri(steps))[None, :, :, None]
    rates = ops.reshape(own(x, np.ones(width)), (-1, 1, 1, width))
    weights = ops.exp(key[:, None] - rates * lag) * causal  # [N, t, s, c]
    y = ops.sum(weights * value[:, None], axis=2) / ops.sum(weights, axis=2)
    h = add(h, make.dense(width)(gate * y))
    return keras.Model(x, make.readout(mlp(make, h, width), outputs))


def build_tcn(width, *, input_shape, outputs=1, seed):
    """Build two causal convolutions φ(W h_t + V h_{t−δ}) with δ = 1, then 2, and a readout of all steps.

    Source: Bai, Kolter, Koltun 2018 (arXiv 1803.01271).
    """
    make, x = Maker(seed), array_input(input_shape)
    h = x
    for lag in (1, 2):
        fan_in = 2 * h.shape[2]
        before = ops.pad(h, [[0, 0], [lag, 0], [0, 0]])[:, : input_shape[0]]
        h = ops.tanh(make.dense(width, fan_in=fan_in)(h) + make.dense(width, fan_in=fan_in)(before))
    return keras.Model(x, make.readout(h, outputs))


def build_lru(width, *, input_shape, outputs=1, seed):
    """Build u = D x, u + D y and a readout of all steps, where y is the real part of h_t = λ ⊙ h_{t−1} + D n(u)_t.

    λ_c = e^(−a_c + i b_c), with own trained a_c and b_c, which start evenly distributed in [0.05, 0.5] and [0, π].

    Source: Orvieto et al. 2023 (arXiv 2303.06349).
    """
    make, x = Maker(seed), array_input(input_shape)
    steps, rng = input_shape[0], np.random.default_rng(seed)
    u = make.dense(width)(x)
    time = constant(np.repeat(np.arange(steps)[:, None], width, axis=1), x)
    decay = layers.Gain(start=rng.uniform(0.05, 0.5, width))(time)
    angle = layers.Gain(start=rng.uniform(0, math.pi, width))(time)
    y = layers.LagConvolution()(ops.exp(-decay) * ops.cos(angle), make.dense(width)(norm(u)))
    return keras.Model(x, make.readout(add(u, make.dense(width)(y)), outputs))


def build_birnn(width, *, input_shape, outputs=1, seed):
    """Build h ← φ(D h + D x) forwards and backwards in time, each with weights of its own, and a readout of both ends.

    Source: Schuster, Paliwal 1997, "Bidirectional recurrent neural networks".
    """
    make, x = Maker(seed), array_input(input_shape)
    ends = []
    for order in (1, -1):
        first, *steps = ops.unstack(make.dense(width)(x), axis=1)[::order]
        recurrent, h = make.dense(width), ops.tanh(first)
        for step in steps:
            h = ops.tanh(recurrent(h) + step)
        ends.append(h)
    return keras.Model(x, make.readout(ops.stack(ends, axis=1), outputs))


def build_mlstm(width, *, input_shape, outputs=1, seed, heads=4):
    """Build h = D x, h + D (σ(D n(h)) ⊙ y) and a readout of all steps, where y reads a matrix memory in each head.

    The memory C_t = f_t C_{t−1} + i_t v_t k_tᵀ/√d and its normaliser n_t = f_t n_{t−1} + i_t k_t/√d start at 0, and
    y_t = C_t q_t/√(1 + (n_t · q_t)²). q, k and v are D n(h). The gates i = exp(½ D n(h)) and f = σ(½ D n(h)) have one
    entry for each head; the ½ keeps the tails of i light. Written as sums over pairs of steps, C_t q_t = Σ_{s ≤ t} w_ts
    v_s and n_t · q_t = Σ_{s ≤ t} w_ts with w_ts = (q_t · k_s/√d) i_s Π_{s < r ≤ t} f_r.

    Source: Beck et al. 2024 (arXiv 2405.04517), equations 19 to 27, without convolution, projection to more channels
    and group norm. The paper divides by max(|n_t · q_t|, 1), which has kinks; the root is smooth and lies between the
    maximum and √2 times the maximum.
    """
    make, x = Maker(seed), array_input(input_shape)
    heads = heads_of(width, heads)
    h = make.dense(width)(x)
    normal = norm(h)
    query, key, value = (split(make.dense(width)(normal), heads) for _ in range(3))
    enter, forget = (ops.transpose(make.dense(heads, weight_std=0.5)(normal), (0, 2, 1)) for _ in range(2))
    kept = ops.cumsum(-ops.softplus(-forget), axis=2)  # log Π f
    causal = numbers(np.tri(input_shape[0]))
    gates = ops.exp((kept[..., None] - kept[:, :, None]) * causal + enter[:, :, None]) * causal
    weights = scores(query, key) * gates
    total = ops.sum(weights, axis=3, keepdims=True)
    read = ops.matmul(weights, value) / ops.sqrt(1 + ops.square(total))
    h = add(h, make.dense(width)(make.dense(width, "sigmoid")(normal) * joined(read)))
    return keras.Model(x, make.readout(h, outputs))


def build_slstm(width, *, input_shape, outputs=1, seed):
    """Build u = D x, u + D y and a readout of all steps, where y has scalar memories with exponential gates.

    c_t = f_t ⊙ c_{t−1} + i_t ⊙ z_t and n_t = f_t ⊙ n_{t−1} + i_t start at 0, and y_t = o_t ⊙ c_t/n_t. z, i, f and o are
    tanh, exp, σ and σ of D n(u)_t + R y_{t−1}, with a D and an R for each. R is block-diagonal, with blocks of 8
    channels, the heads.

    Source: Beck et al. 2024 (arXiv 2405.04517), equations 8 to 14, without convolution, group norm and the MLP that
    follows. The number of heads is fixed in the paper and grows here.
    """
    make, x = Maker(seed), array_input(input_shape)
    heads = multiple(width, HEAD, f"heads have {HEAD} channels")
    u = make.dense(width)(x)
    normal = norm(u)
    steps = zip(*(ops.unstack(make.dense(width)(normal), axis=1) for _ in range(4)), strict=True)
    recurrent = [make.blocks(width, heads) for _ in range(4)]
    c = n = y = None
    read = []
    for step in steps:
        before = [0] * 4 if y is None else [layer(y) for layer in recurrent]
        z, i, f, o = (now + past for now, past in zip(step, before, strict=True))
        z, i, f, o = ops.tanh(z), ops.exp(i), ops.sigmoid(f), ops.sigmoid(o)
        c, n = (i * z, i) if y is None else (f * c + i * z, f * n + i)
        y = o * c / n
        read.append(y)
    return keras.Model(x, make.readout(add(u, make.dense(width)(ops.stack(read, axis=1))), outputs))
