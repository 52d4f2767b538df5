"""Tests of what the saved functions of a model follow from, and of measurements that use them."""

from __future__ import annotations

import os
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from attrs import evolve
from factories import cell
from measuring import Extended, cells

from ntkbench import layers
from ntkbench.cache_folder import CacheFolder
from ntkbench.engine.model import Network, fingerprint
from ntkbench.registry.current import registry
from ntkbench.registry.specs import Architecture
from ntkbench.runner import saved_functions as module
from ntkbench.runner.saved_functions import opened, own_code, saved_functions
from ntkbench.runner.worker import GroupWorker

MEASURED = ("gradient", "hessian", "ball", "gd")
OTHERS = ("fc", "cnn", "rnn", "fc-lazy", "attention", "linear")


@pytest.fixture
def folder(tmp_path):
    return CacheFolder.opened(tmp_path / "functions")


@pytest.fixture
def network():
    return Network(keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)]))


def results(folder, group, known=None):
    return [each.values for each in GroupWorker(group, known or registry(), functions=folder).results()]


def names(folder):
    return {path.name for path in folder.path.iterdir()}


def built_in(name, measure=("gradient",), **options):
    return [evolve(each, architecture_plugin="ntkbench") for each in cells(name, measure=measure, **options)]


@pytest.mark.parametrize("name", ["fc-relu", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)])
def test_every_bit_is_the_same_with_and_without(folder, name):
    group = built_in(name, MEASURED, width=4, seeds=(0, 1))
    plain = results(None, group)
    written = results(folder, group)
    known = names(folder)
    again = results(folder, group)
    assert known
    assert names(folder) == known
    assert plain == written == again


def traced(folder, group, monkeypatch, known=None):
    """Return how many functions were traced although their traces could be saved."""
    count = []
    write = module.Saved.write
    monkeypatch.setattr(module.Saved, "write", lambda self, *args: (count.append(1), write(self, *args)))
    results(folder, group, known)
    monkeypatch.setattr(module.Saved, "write", write)
    return len(count)


def test_what_the_functions_follow_from(folder, monkeypatch):
    group = built_in("fc", width=4)
    assert traced(folder, group, monkeypatch) == 1
    assert traced(folder, group, monkeypatch) == 0
    others = [
        [evolve(each, seed=1) for each in group],
        [evolve(each, precision="float64") for each in group],
        built_in("fc", width=5),
        built_in("fc", width=4, activation="erf"),
        [evolve(each, data_hash="e" * 32) for each in group],
        [evolve(each, settings={**each.settings, "n_probes": 3}) for each in group],
    ]
    for other in others:
        assert traced(folder, other, monkeypatch) == 1
    with monkeypatch.context() as patch:
        patch.setattr(module, "own_code", lambda: "edited")
        assert traced(folder, group, monkeypatch) == 1
    with monkeypatch.context() as patch:
        patch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        assert traced(folder, group, monkeypatch) == 1
    for name in ("versions", "settings"):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, lambda: ["other"])
            assert traced(folder, group, monkeypatch) == 1
    assert traced(folder, group, monkeypatch) == 0


def test_damaged_and_deleted_entries_are_traced_anew(folder, monkeypatch):
    group = built_in("fc", ("gradient", "hessian"), width=4)
    plain, count = results(None, group), traced(folder, group, monkeypatch)
    for path in folder.path.iterdir():
        path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    assert results(folder, group) == plain
    assert traced(folder, group, monkeypatch) == 0, "they were saved again"
    for path in folder.path.iterdir():
        path.unlink()
    assert traced(folder, group, monkeypatch) == count


def test_an_edit_of_this_package_changes_its_hash(tmp_path):
    (tmp_path / "engine").mkdir()
    file = tmp_path / "engine" / "rule.py"
    found = []
    for text in ("x = 1\n", "x = 2\n"):
        file.write_text(text)
        own_code.cache_clear()
        found.append(own_code(tmp_path))
    file.rename(tmp_path / "rule.py")
    own_code.cache_clear()
    found.append(own_code(tmp_path))
    assert len(set(found)) == 3
    own_code.cache_clear()
    assert own_code() == own_code()


def test_an_edited_model_is_traced_anew(folder, monkeypatch):
    def model(activation):
        def build(width, *, input_shape, seed):
            hidden = layers.Dense(width, activation=activation, seed=seed)
            return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(1, seed=seed + 1)])

        return Extended(Architecture(name="own", target=build))

    def group(known, code):
        return [evolve(each, source_hash=code) for each in cells("own", 4, measure=["gradient"], known=known)]

    tanh, erf = model("tanh"), model("erf")
    assert traced(folder, group(tanh, "a"), monkeypatch, tanh) == 1
    assert traced(folder, group(tanh, "a"), monkeypatch, tanh) == 0
    assert traced(folder, group(tanh, "b"), monkeypatch, tanh) == 1, "another file"
    assert traced(folder, group(erf, "a"), monkeypatch, erf) == 1, "another graph, however the code looks"


def test_constants_that_do_not_follow_from_the_seed(folder):
    """A matrix that is drawn without a seed belongs to one model; another one must not get it with the functions."""
    drawn = []

    def build(width, *, input_shape, seed):
        drawn.append(np.random.default_rng().standard_normal((input_shape[0], 3)).astype("float32"))
        a = drawn[-1]
        fixed = keras.layers.Lambda(lambda h: h @ keras.ops.cast(keras.ops.convert_to_tensor(a), h.dtype))
        return keras.Sequential([keras.Input(input_shape), fixed, layers.Dense(1, seed=seed)])

    known = Extended(Architecture(name="own", target=build))
    group = [evolve(each, source_hash="a") for each in cells("own", 4, measure=["gradient"], known=known)]
    for _ in range(3):
        (found,) = results(folder, group, known)
        context = GroupWorker(group, known).context(group[0])  # draws again: only the data are used
        gradients = np.asarray(context.inputs, np.float64) @ drawn[-2]
        scale = found["gradient_norm"].value / np.sqrt(np.mean(np.sum(gradients**2, 1) / 3))
        assert scale == pytest.approx(1, rel=1e-4)


def test_a_model_of_unknown_code_is_not_saved(folder, network):
    own = cell(architecture_plugin="")
    given = folder, own, network, np.ones((2, 3), "float32"), registry(), "cpu"
    assert saved_functions(*given) is None
    assert saved_functions(folder, evolve(own, architecture_code="a"), *given[2:]) is not None


def test_a_model_that_cannot_be_traced_is_not_saved(folder):
    class OnlyEager(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(x) * float(np.asarray(x).max() > -100)

    model, x = OnlyEager(), np.ones((2, 3), "float32")
    model(x)
    own = cell(architecture_plugin="", source_hash="a")
    assert saved_functions(folder, own, Network(model), tf.constant(x), registry(), "cpu") is None


def test_layer_rules_of_plugins_count(folder, network, monkeypatch):
    class Known:
        layer_rules = types.MappingProxyType({})

    given = folder, cell(), network, np.ones((2, 3), "float32")
    before = saved_functions(*given, Known(), "cpu").name
    assert before == saved_functions(*given, Known(), "cpu").name
    assert before != saved_functions(*given, Known(), "cpu:1").name
    entry = evolve(next(iter(registry().layer_rules.values())), distribution="plugin", version="1")
    Known.layer_rules = {"rule": entry}
    monkeypatch.setattr(module, "code_of_entry", lambda entry: type("Code", (), {"fingerprint": "a"}))
    assert saved_functions(*given, Known(), "cpu").name != before


def test_names_of_layers_do_not_count_in_a_graph():
    def of(activation, scale):
        x = keras.Input((3,))
        h = keras.layers.Dense(4, activation=activation)(x)
        net = Network(keras.Model(x, keras.layers.Dense(1)(h * scale)))
        return fingerprint(net, net.inputs(np.ones((2, 3))))

    assert of("tanh", 2.0) == of("tanh", 2.0)
    assert len({of("tanh", 2.0), of("relu", 2.0), of("tanh", 2.1)}) == 3


def test_the_folder_and_its_switch(tmp_path, monkeypatch):
    monkeypatch.setenv("NTKBENCH_CACHE", str(tmp_path / "cache"))
    for word in ("off", "OFF"):
        monkeypatch.setenv("NTKBENCH_FUNCTION_CACHE", word)
        assert opened() is None
    assert not (tmp_path / "cache").exists()
    monkeypatch.delenv("NTKBENCH_FUNCTION_CACHE")
    assert opened().path == tmp_path / "cache" / "functions"
    if os.name == "posix":
        (tmp_path / "cache" / "functions").chmod(0o777)
        assert opened() is None
