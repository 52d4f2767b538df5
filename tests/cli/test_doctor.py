"""`ntkbench doctor`: what it says about models that are right, wrong or broken, and how it exits."""

from __future__ import annotations

import json

import pytest

from ntkbench.cli import doctor
from ntkbench.cli.main import main
from ntkbench.registry.current import registry
from ntkbench.runner.examine import ERRORS

MODELS = """
import keras
import tensorflow as tf

class StoppedNorm(keras.layers.Layer):
    def call(self, x):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - tf.stop_gradient(mean)), -1, keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-3)

class Noisy(keras.layers.Layer):
    def call(self, x):
        return x + tf.random.normal(tf.shape(x), dtype=x.dtype)

def build(width, *, input_shape, seed, norm="none"):
    keras.utils.set_random_seed(seed % 2**31)
    between = {"none": [], "stopped": [StoppedNorm()], "noisy": [Noisy()]}[norm]
    layers = [keras.layers.Dense(width // 8, "tanh"), *between, keras.layers.Dense(1)]
    return keras.Sequential([keras.Input(input_shape), *layers, keras.layers.Activation("tanh")])

def not_finite(width, *, input_shape, seed):
    model = build(width, input_shape=input_shape, seed=seed)
    model.layers[0].bias.assign([float("nan")] * (width // 8))
    return model

def broken(width, *, input_shape):
    raise RuntimeError("no such luck")

def only_float32(width, *, input_shape):
    class Own(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(tf.ones((input_shape[0], 1)) / input_shape[0])

        def __call__(self, x):
            return tf.tanh(tf.matmul(x, self.w))

    return Own()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(MODELS)
    return tmp_path


def examine(capsys, *words):
    code = main(["doctor", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_every_registered_architecture_is_right(capsys, monkeypatch):
    # Some of each kind; the command itself takes them all.
    some = ("linear", "fc", "fc-relu", "cnn", "attention", "fc-softmax-output")
    everything = registry().architectures
    monkeypatch.setattr(
        type(registry()), "architectures", property(lambda _: {name: everything[name] for name in some})
    )
    code, out, _ = examine(capsys)
    assert code == 0
    assert "No problems found in 6 models." in out
    lines = out.splitlines()
    assert max(map(len, lines)) <= 100
    for name in some:
        assert any(line.startswith(f"{name} ") and line.endswith("✓") for line in lines)
    for words in ("tensorflow 2.", "python 3.", "CPU:0", "computing on cpu", "TensorFloat-32  off", "float64"):
        assert words in out


def test_a_right_model_as_json(capsys, here):
    code, out, _ = examine(capsys, "nets.py:build", "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["problems"]) == (0, True, [])
    assert {"python", "ntkbench", "tensorflow", "keras", "numpy"} <= set(found["versions"])
    (model,) = found["models"]
    assert model["precision"] == "float64" and model["sure"]
    assert model["parameters"] == 61 * 4 + 4 + 4 + 1
    assert model["repeat"] == 0.0
    assert model["hessian"] < 1e-6 and model["kernel"] < 1e-12
    assert [layer["kind"] for layer in model["routes"]["layers"]] == ["Dense"]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nets.py:build:norm=stopped", "StoppedNorm 'stopped_norm"),
        pytest.param("nets.py:build:norm=noisy", "Noisy 'noisy", marks=pytest.mark.slow),
        ("nets.py:not_finite", "not finite"),
        ("nets.py:broken", "RuntimeError: no such luck (in broken"),
    ],
)
def test_what_is_wrong_is_named(capsys, here, spec, said):
    code, out, err = examine(capsys, spec)
    assert code == 1
    assert said in out and "✗" in out
    assert "Traceback" not in out + err
    assert max(map(len, out.splitlines())) <= 100


def test_models_that_cannot_be_cast_are_tested_as_they_are(capsys, here):
    code, out, _ = examine(capsys, "nets.py:only_float32")
    assert code == 0
    assert "· float32" in out and "0.002 in float32" in " ".join(out.split())


def test_saved_models_get_inputs_of_their_own_shape(capsys, here):
    import keras

    layers = keras.layers
    image = keras.Sequential([keras.Input((5, 7, 3)), layers.Flatten(), layers.Dense(2, "tanh")])
    image.save("image.keras")
    words = [keras.Input((None,), dtype="int32"), layers.Embedding(5, 3), layers.GlobalAveragePooling1D()]
    keras.Sequential([*words, layers.Dense(1, "tanh")]).save("words.keras")
    for name, weights in (("image", 212), ("words", 19)):
        code, out, _ = examine(capsys, f"{name}.keras", "--json")
        (model,) = json.loads(out)["models"]
        assert (code, model["width"], model["parameters"]) == (0, None, weights)
    code, out, err = examine(capsys, "image.keras", "--dataset", "digits")
    assert (code, out) == (
        2,
        "",
    ) and "takes inputs of shape [5, 7, 3], but dataset 'digits' has inputs of shape [8, 8, 1]" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rbf"], "'rbf' is a kernel, not a model; check it with `ntkbench plugin check rbf`"),
        (["fcc"], "Did you mean 'fc'"),
        (["fc:dpth=2"], "Did you mean 'depth'"),
        (["no_such.keras"], "File not found"),
        (["fc", "--dataset", "digit"], "Did you mean 'digits'"),
        (["cnn", "--dataset", "diabetes"], "'cnn' takes images"),
        (["fc", "--device", "gpux"], "Did you mean 'gpu'"),
        (["fc", "surplus"], "surplus"),
    ],
)
def test_a_wrong_command_is_one_sentence(capsys, words, message):
    code, out, err = examine(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err and err.count("\n") == 1


def test_a_mixed_table_is_narrow_and_says_what_is_float32():
    errors = dict.fromkeys((*ERRORS, "kernel"), 1.234e-10)
    shared = errors | {"width": 64, "parameters": 25_557_032, "sure": True, "problems": []}
    found = [
        shared | {"model": "a_file_with_a_name.py:function:depth=3,activation=tanh,alpha=1e-3", "precision": "float32"},
        shared | {"model": "fc", "precision": "float64"},
    ]
    text = doctor._table(found, "digits").text()
    assert max(map(len, text.splitlines())) <= 100
    assert "could be made: a_file_with_a_name.py:function" in " ".join(text.split())
    assert "1e-5 in float64" in text and "0.002 in float32" in " ".join(text.split())


def test_what_cannot_be_told_is_said():
    unsure = {"model": "kinks", "sure": False, "problems": []}
    right = {"model": "fc", "sure": True, "problems": []}
    (line,) = doctor._verdict_lines([unsure, right], [])
    assert line.startswith("? kinks: ")
    assert doctor._verdict_lines([right], []) == ["No problems found."]
