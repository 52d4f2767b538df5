"""Training of models with several inputs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from ntkbench import NtkbenchError
from ntkbench.engine.model.casting import dtype_policy
from ntkbench.nests import map_leaves
from ntkbench.training import Trainer, critical_step, load

N, BATCH, RATE = 7, 3, 0.1
RNG = np.random.default_rng(0)
LEFT, RIGHT, Y = RNG.standard_normal((N, 3)), RNG.standard_normal((N, 2)), RNG.standard_normal((N, 2))
TOKENS = RNG.integers(0, 9, (N, 4))
MASK = np.arange(4) < np.array([4, 1, 3, 2, 4, 4, 2])[:, None]


def linear(structure):
    """Return f = [left, right]·w, whose input is a dict, list or tuple."""
    with dtype_policy("float64"):
        left, right = (keras.Input((n,), name=name, dtype="float64") for name, n in (("left", 3), ("right", 2)))
        f = keras.layers.Dense(2, use_bias=False)(keras.layers.Concatenate()([left, right]))
        return keras.Model({"left": left, "right": right} if structure is dict else [left, right], f)


def recurrent():
    """Return an LSTM over embedded tokens, with a mask."""
    with dtype_policy("float64"):
        keras.utils.set_random_seed(1)
        tokens = keras.Input((4,), dtype="int32", name="tokens")
        mask = keras.Input((4,), dtype="bool", name="mask")
        h = keras.layers.LSTM(3)(keras.layers.Embedding(9, 3)(tokens), mask=mask)
        return keras.Model({"tokens": tokens, "mask": mask}, keras.layers.Dense(2)(h))


@pytest.mark.parametrize("structure", [dict, list, tuple])
def test_two_inputs_train_as_one_array_does(structure):
    x = {"left": LEFT, "right": RIGHT} if structure is dict else structure([LEFT, RIGHT])
    trainer = Trainer(linear(structure), x, Y, learning_rate=RATE, batch_size=BATCH)
    start = trainer.start()
    whole, w = np.concatenate([LEFT, RIGHT], 1), start.weights.reshape(5, 2)
    with dtype_policy("float64"):
        one = keras.Sequential([keras.Input((5,), dtype="float64"), keras.layers.Dense(2, use_bias=False)])
    alone = Trainer(one, whole, Y, learning_rate=RATE, batch_size=BATCH)
    state = trainer.advance(start, 8)
    np.testing.assert_allclose(state.weights, alone.advance(alone.start(start.weights), 8).weights, rtol=1e-12)
    full = Trainer(linear(structure), x, Y, learning_rate=RATE)
    w = w - RATE * whole.T @ (whole @ w - Y) / N
    np.testing.assert_allclose(full.advance(start, 1).weights, w.ravel(), rtol=1e-12)
    np.testing.assert_allclose(full.outputs(full.advance(start, 1)), whole @ w, rtol=1e-12)
    np.testing.assert_allclose(critical_step(linear(structure), x), 2 * N / np.linalg.norm(whole, 2) ** 2, rtol=1e-6)


def test_a_step_on_tokens_is_that_of_finite_differences():
    model, x = recurrent(), {"tokens": TOKENS, "mask": MASK}
    trainer = Trainer(model, x, Y, learning_rate=RATE)
    start = trainer.start()
    step = (start.weights - trainer.advance(start, 1).weights) / RATE
    linearized = Trainer(model, x, Y, learning_rate=RATE, linearize_at=start.weights)
    np.testing.assert_allclose((start.weights - linearized.advance(start, 1).weights) / RATE, step, rtol=1e-10)
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(start.weights.size)
        up, down = (trainer.loss(trainer.start(start.weights + h * direction)) for h in (1e-5, -1e-5))
        np.testing.assert_allclose(step @ direction, (up - down) / 2e-5, rtol=1e-6)


def test_stop_and_continue_on_tokens_is_uninterrupted(tmp_path):
    trainer = Trainer(
        recurrent(), {"tokens": TOKENS, "mask": MASK}, Y, learning_rate=RATE, momentum=0.9, batch_size=BATCH
    )
    trainer.advance(trainer.start(), 4).save(tmp_path / "s.npz")
    continued = trainer.advance(load(tmp_path / "s.npz"), 5)
    np.testing.assert_array_equal(continued.weights, trainer.advance(trainer.start(), 9).weights)


def test_padding_changes_no_weight():
    def trained(tokens):
        trainer = Trainer(recurrent(), {"tokens": tokens, "mask": MASK}, Y, learning_rate=RATE, batch_size=BATCH)
        return trainer.advance(trainer.start(), 5).weights

    np.testing.assert_array_equal(trained(TOKENS), trained(np.where(MASK, TOKENS, 8 - TOKENS)))


def test_wrong_inputs_are_sentences():
    x = {"left": LEFT, "right": RIGHT}
    for bad, sentence in (
        ({"left": LEFT}, "right"),
        ({"left": LEFT, "right": RIGHT[:4]}, "has 4 samples"),
        ({"left": LEFT, "right": RIGHT * np.nan}, "NaN"),
        (LEFT, "single array"),
    ):
        with pytest.raises(NtkbenchError, match=sentence):
            Trainer(linear(dict), bad, Y, learning_rate=RATE)
    trainer = Trainer(linear(dict), x, Y, learning_rate=RATE)
    assert trainer.outputs(trainer.start(), map_leaves(lambda part: part[:2], x)).shape == (2, 2)
    with pytest.raises(NtkbenchError, match="single array"):
        trainer.outputs(trainer.start(), LEFT)
