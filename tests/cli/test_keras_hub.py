"""Backbones of KerasHub in a user's file, untouched: `ntkbench run` and `ntkbench doctor`."""

from __future__ import annotations

import json

import pytest

import ntkbench as nb
from ntkbench.cli.main import main

pytest.importorskip("keras_hub", reason="keras_hub is not installed")

CODE = """
import keras
import keras_hub

SIZES = {"num_layers": 1, "num_heads": 2, "intermediate_dim": 8}


def gpt2(width, *, input_shape, vocabulary, seed, inputs="tokens"):
    keras.utils.set_random_seed(seed)
    return keras_hub.models.GPT2Backbone(
        vocabulary_size=vocabulary, hidden_dim=width, max_sequence_length=input_shape["token_ids"][0], **SIZES
    )


def bert(width, *, input_shape, vocabulary, seed, inputs="tokens"):
    keras.utils.set_random_seed(seed)
    return keras_hub.models.BertBackbone(
        vocabulary_size=vocabulary, hidden_dim=width, max_sequence_length=input_shape["token_ids"][0], **SIZES
    )


def llama(width, *, input_shape, vocabulary, seed, inputs="tokens"):
    keras.utils.set_random_seed(seed)
    return keras_hub.models.LlamaBackbone(
        vocabulary_size=vocabulary,
        num_layers=1,
        num_query_heads=2,
        num_key_value_heads=1,
        hidden_dim=width,
        intermediate_dim=8,
    )
"""
MODELS = {
    "gpt2": ("hub.py:gpt2", "entities"),
    "bert": ("hub.py:bert:output=pooled_output", "entities:segments=true"),
    "llama": ("hub.py:llama", "entities"),
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub.py").write_text(CODE)
    return tmp_path


@pytest.mark.parametrize("name", MODELS)
def test_a_backbone_is_measured(here, capsys, name):
    arch, dataset = MODELS[name]
    words = ["run", "--arch", arch, "--dataset", dataset, "--widths", "4", "--seeds", "1", "--probes", "2"]
    words += ["--measure", "gradient_norm", "--measure", "hessian_norm", "--executor", "serial", "--out", "r"]
    assert main([*words, "--quiet"]) == 0, capsys.readouterr().err
    results = nb.load("r").results
    assert len(results) == 2 and all(value.value > 0 for each in results for value in each.values.values())


@pytest.mark.parametrize("name", MODELS)
def test_the_doctor_finds_nothing_wrong(here, capsys, name):
    arch, dataset = MODELS[name]
    assert main(["doctor", arch, "--dataset", dataset, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][0]["problems"] == []


def test_a_backbone_with_two_outputs_needs_a_choice(here, capsys):
    words = ["run", "--arch", "hub.py:bert", "--dataset", "entities:segments=true", "--widths", "4", "--out", "r"]
    assert main([*words, "--seeds", "1", "--executor", "serial"]) == 2
    assert "select one by appending :output=sequence_output" in capsys.readouterr().err
