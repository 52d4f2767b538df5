"""Numbers do not depend on the Keras settings of the user, and these are left as they were."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import keras
import pytest

import ntkbench as nb
from ntkbench.engine.ops.keras_settings import keras_settings

WORDS = ["run", "--arch", "cnn", "--arch", "fc", "--widths", "4", "--seeds", "1", "--measure", "gradient", "--quiet"]


def values(folder, **environment):
    subprocess.run(
        [sys.executable, "-m", "ntkbench", *WORDS, "--out", str(folder)],
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    return {(r["architecture"], r["quantity"]): r["value"] for r in nb.load(folder).rows()}


@pytest.mark.parametrize("executor", ["processes", "serial"])
def test_a_run_does_not_see_keras_json(tmp_path, executor, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "WORDS", [*WORDS, "--executor", executor])
    settings = {"image_data_format": "channels_first", "floatx": "bfloat16", "epsilon": 0.1, "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    plain = values(tmp_path / "plain")
    assert values(tmp_path / "set", KERAS_HOME=str(tmp_path), KERAS_BACKEND="torch") == plain


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
