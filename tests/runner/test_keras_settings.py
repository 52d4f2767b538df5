"""Numbers do not depend on the Keras settings of the user, and these are left as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import ntkbench as nb
from ntkbench.engine.ops.keras_settings import keras_settings
from ntkbench.runner.device import quiet_environment

WORDS = ["run", "--arch", "cnn", "--arch", "fc", "--widths", "4", "--seeds", "1", "--measure", "gradient", "--quiet"]


def values(folder, **environment):
    subprocess.run(
        [sys.executable, "-m", "ntkbench", *WORDS, "--out", str(folder)],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return {(r["architecture"], r["quantity"]): r["value"] for r in nb.load(folder).rows()}


@pytest.mark.parametrize("executor", ["processes", pytest.param("serial", marks=pytest.mark.slow)])
def test_a_run_does_not_see_keras_json(tmp_path, executor, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "WORDS", [*WORDS, "--executor", executor])
    settings = {"image_data_format": "channels_first", "floatx": "bfloat16", "epsilon": 0.1, "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    plain = values(tmp_path / "plain")
    assert values(tmp_path / "set", KERAS_HOME=str(tmp_path), KERAS_BACKEND="torch") == plain


def test_nor_does_a_kernel_of_tensorflow_probability(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "bfloat16"}')  # stops TF-Keras too
    words = ["--arch", "rbf", "--widths", "inf", "--measure", "kernel", "--executor", "serial", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-m", "ntkbench", "run", *words, "--out", str(tmp_path / "run")],
        env={**os.environ, "KERAS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


HOME = """
import keras


def build(width, *, input_shape):
    path = keras.utils.get_file("weights.txt", "file:///not/there", cache_subdir="models")
    scale = float(open(path).read())
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(1), keras.layers.Rescaling(scale)])
"""


@pytest.mark.parametrize("executor", ["processes", "serial"])
def test_downloads_of_keras_are_found_and_nothing_is_left_behind(tmp_path, executor):
    home, scratch = tmp_path / "home", tmp_path / "scratch"
    (home / "models").mkdir(parents=True)
    scratch.mkdir()
    (home / "models" / "weights.txt").write_text("2.0")
    (tmp_path / "net.py").write_text(HOME)
    words = ["--arch", str(tmp_path / "net.py:build"), "--widths", "4", "--seeds", "2", "--measure", "gradient"]
    done = subprocess.run(
        [sys.executable, "-m", "ntkbench", "run", *words, "--executor", executor, "--out", str(tmp_path / "run")],
        env={**os.environ, "KERAS_HOME": str(home), "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not [path.name for path in scratch.iterdir() if path.name.startswith("ntkbench-")]


@pytest.mark.parametrize(
    ("content", "stops"),
    [
        ("{}", False),
        ("not JSON", False),
        ('{"floatx": "float64", "epsilon": 0.1, "image_data_format": "channels_first", "backend": "jax"}', False),
        ('{"floatx": "bfloat16"}', True),
        ('{"floatx": ["float32"]}', True),
        ('{"epsilon": 1}', True),
        ('{"image_data_format": null}', True),
        ("[]", True),
        (None, True),
    ],
)
def test_only_files_that_keras_cannot_read_are_ignored(tmp_path, content, stops, monkeypatch):
    path = tmp_path / "keras.json"
    path.mkdir() if content is None else path.write_text(content)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    quiet_environment(ours=True)
    assert (os.environ["KERAS_HOME"] == os.devnull) == stops


def test_settings_are_put_back():
    config = keras.config
    config.set_image_data_format("channels_first")
    config.set_epsilon(0.5)
    try:
        with keras_settings():
            assert (config.image_data_format(), config.epsilon()) == ("channels_last", 1e-7)
            with keras_settings():
                pass
            assert config.epsilon() == 1e-7
        assert (config.image_data_format(), config.epsilon()) == ("channels_first", 0.5)
    finally:
        config.set_image_data_format("channels_last")
        config.set_epsilon(1e-7)


RUDE = """
import random

import keras
import numpy as np
import numpy as np
import tensorflow as tf
from ntkbench import layers


def spoil():
    keras.config.set_floatx("float64")
    keras.config.set_image_data_format("channels_first")
    keras.config.set_epsilon(0.5)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    tf.config.run_functions_eagerly(True)
    tf.config.experimental.enable_tensor_float_32_execution(True)
    np.seterr(all="raise")
    random.seed(7), np.random.seed(7)


spoil()
DRAWN = random.random()


def polite(width, input_shape):
    hidden = keras.layers.Dense(width, activation="tanh")
    return keras.Sequential([keras.Input(input_shape), hidden, keras.layers.Dense(1)])


def rude(width, input_shape):
    spoil()
    return polite(width, input_shape)
"""


def test_a_file_that_changes_settings_moves_no_other_cell(tmp_path):
    """At import and in every build; its own cells are alike whether it was imported for them or before."""
    (tmp_path / "rude.py").write_text(RUDE)
    words = {"widths": [4], "seeds": 2, "probes": 2, "measure": ["gradient", "hessian"], "device": "cpu"}
    file = str(tmp_path / "rude.py")

    def found(*arch, **changes):
        run = nb.run([*arch], **{**words, **changes}, out=tmp_path / f"{len(list(tmp_path.iterdir()))}")
        return {(r["architecture"], r["seed"], r["quantity"], r["reduction"]): r["value"] for r in run.rows()}

    plain = found("cnn", "fc")

    def settings():
        return tf.config.functions_run_eagerly(), np.geterr(), keras.config.floatx(), keras.config.dtype_policy()

    before = settings()
    together = found(f"{file}:rude", f"{file}:polite", "cnn", "fc")
    assert {key: together[key] for key in plain} == plain
    assert (
        tf.config.functions_run_eagerly(),
        np.geterr(),
        keras.config.floatx(),
        keras.config.dtype_policy(),
    ) == before
    (tmp_path / "rude.py").write_text(RUDE + "\n")  # imported anew, in the second cell's turn
    again = found(f"{file}:polite", seeds=1)
    assert {key: together[key] for key in again} == again
