"""A snapshot notices every change of a model's objects, also in its quick comparison."""

import dataclasses
import functools
import types
from collections import deque

import attrs
import keras
import numpy as np
import pytest
import tensorflow as tf

from ntkbench.engine.checks.snapshot import Snapshot

SHIFT = 1.0
TABLE = np.arange(3.0)


def shifted(x):
    return x + SHIFT + TABLE[0]


class Own(keras.layers.Layer):
    """A layer whose result depends on all kinds of attributes."""

    level = 2.0

    def __init__(self):
        super().__init__()
        self.scale, self.items, self.names, self.settings = 1.0, [1.0, 2.0], {"a"}, {"k": {"deep": 1.0}}
        self.array, self.nothing, self.helper = np.ones(3), None, Helper()
        self.partial = functools.partial(shifted)

    def call(self, x):
        return self.scale * x


class Helper:
    def __init__(self):
        self.value = 1.0


def model():
    constant = [3.0]
    layers = [
        keras.Input((2,)),
        keras.layers.Dense(3, activation="tanh"),
        keras.layers.LayerNormalization(),
        keras.layers.Lambda(lambda x: shifted(x) + constant[0]),
        Own(),
    ]
    built = keras.Sequential(layers)
    built.constant = constant
    return built


def test_nothing_changes_when_the_model_is_called():
    net = model()
    net(np.ones([1, 2]))
    taken = Snapshot(net)
    net(np.ones([4, 2]))
    net.predict(np.ones([4, 2]), verbose=0)
    assert not Snapshot(net).differences(taken)
    assert taken.unchanged() or not Snapshot(net).differences(taken)


CHANGES = {
    "activation": lambda net: setattr(net.layers[0], "activation", keras.activations.relu),
    "epsilon": lambda net: setattr(net.layers[1], "epsilon", 0.5),
    "number": lambda net: setattr(net.layers[3], "scale", 2.0),
    "new attribute": lambda net: setattr(net.layers[3], "more", 2.0),
    "deleted attribute": lambda net: delattr(net.layers[3], "nothing"),
    "list": lambda net: net.layers[3].items.append(3.0),
    "list element": lambda net: net.layers[3].items.__setitem__(0, 9.0),
    "set": lambda net: net.layers[3].names.add("b"),
    "nested dictionary": lambda net: net.layers[3].settings["k"].__setitem__("deep", 2.0),
    "array": lambda net: net.layers[3].array.__setitem__(0, 5.0),
    "object": lambda net: setattr(net.layers[3].helper, "value", 2.0),
    "method": lambda net: setattr(net.layers[3], "call", lambda x: x),
    "closure": lambda net: net.constant.__setitem__(0, 4.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change):
    net = model()
    net(np.ones([1, 2]))
    taken = Snapshot(net)
    assert taken.unchanged()
    CHANGES[change](net)
    assert not taken.unchanged()
    assert Snapshot(net).differences(taken)


def test_changes_of_classes_globals_and_keras_settings_are_noticed(monkeypatch):
    net = model()
    for change in (
        lambda patch: patch.setattr(Own, "level", 3.0),
        lambda patch: patch.setattr(Own, "call", lambda self, x: x),
        lambda patch: patch.setitem(globals(), "SHIFT", 2.0),
        lambda patch: patch.setitem(globals(), "shifted", lambda x: x),
    ):
        taken = Snapshot(net)
        with monkeypatch.context() as patch:
            change(patch)
            assert not taken.unchanged()
        assert taken.unchanged()
    taken, before = Snapshot(net), keras.config.epsilon()
    keras.config.set_epsilon(1e-3)
    try:
        assert not taken.unchanged()
    finally:
        keras.config.set_epsilon(before)


def test_an_array_of_a_global_edited_in_place_is_noticed():
    taken = Snapshot(model())
    TABLE[0] = 7.0
    try:
        assert not taken.unchanged()
    finally:
        TABLE[0] = 0.0
    assert taken.unchanged()


# -- what a call reads besides its own attributes ----------------------------------------------------------------------

LIMIT = 1.0
settings = types.ModuleType("settings")
settings.CLIP, settings.inner = 1.0, types.ModuleType("inner")
settings.inner.CLIP = 1.0


class Constants:
    CLIP = 1.0


@attrs.define
class Slots:
    value: float = 1.0


@dataclasses.dataclass(slots=True)
class DataSlots:
    value: float = 1.0


def limited(x):
    return x * limited.factor


limited.factor = 1.0


class Reads(keras.layers.Layer):
    """A layer whose helpers, not its call, read everything."""

    bounds, table = [1.0], {"k": 1.0}

    def __init__(self):
        super().__init__()
        self.slots, self.data, self.queue, self.module = Slots(), DataSlots(), deque([1.0]), settings
        self.helper = Worker()

    def call(self, x):
        return self.act(x) * self.level * self.fixed(x) * self.helper.work(x)

    def act(self, x):
        return x * settings.CLIP * settings.inner.CLIP * Constants.CLIP

    @property
    def level(self):
        return LIMIT

    @staticmethod
    @functools.lru_cache
    def fixed(x):
        return limited(x)

    @tf.function
    def compiled(self, x):
        return x * TABLE[0]


class Worker:
    def work(self, x):
        return x * SHIFT


class Inherits(Reads):
    pass


class Inside(tf.Module):
    def __call__(self, x):
        return self.act(x)

    def act(self, x):
        return x * LIMIT


class OfModule(Inside):
    pass


READ = {
    "attribute of a module": lambda net, patch: patch.setattr(settings, "CLIP", 2.0),
    "attribute of a module in a module": lambda net, patch: patch.setattr(settings.inner, "CLIP", 2.0),
    "attribute of a class": lambda net, patch: patch.setattr(Constants, "CLIP", 2.0),
    "global of a property": lambda net, patch: patch.setitem(globals(), "LIMIT", 2.0),
    "global of a helper's method": lambda net, patch: patch.setitem(globals(), "SHIFT", 2.0),
    "attribute of a function": lambda net, patch: patch.setattr(limited, "factor", 2.0),
    "method": lambda net, patch: patch.setattr(Reads, "act", lambda self, x: x),
    "method of a helper": lambda net, patch: patch.setattr(Worker, "work", lambda self, x: x),
    "list of a class": lambda net, patch: patch.setattr(Reads, "bounds", [2.0]),
    "item of a list of a class": lambda net, patch: Reads.bounds.append(2.0),
    "item of a dictionary of a class": lambda net, patch: patch.setitem(Reads.table, "k", 2.0),
    "slot (attrs)": lambda net, patch: patch.setattr(net.slots, "value", 2.0),
    "slot (dataclass)": lambda net, patch: patch.setattr(net.data, "value", 2.0),
    "queue": lambda net, patch: net.queue.append(2.0),
    "array of a compiled method": lambda net, patch: TABLE.__setitem__(1, TABLE[1] + 1),
}


@pytest.mark.parametrize("kind", [Reads, Inherits])
@pytest.mark.parametrize("what", READ)
def test_what_is_read_through_methods_modules_and_slots_is_noticed(what, kind, monkeypatch):
    net = kind()
    taken = Snapshot(net)
    assert taken.unchanged()
    READ[what](net, monkeypatch)
    assert not taken.unchanged()
    assert Snapshot(net).differences(taken)


def test_what_the_inherited_call_of_a_module_reads_is_noticed(monkeypatch):
    net = OfModule()
    taken = Snapshot(net)
    assert taken.unchanged()
    monkeypatch.setitem(globals(), "LIMIT", 2.0)
    assert not taken.unchanged()
    assert Snapshot(net).differences(taken)


def test_what_no_call_reads_is_not_noticed(monkeypatch):
    net = OfModule()
    taken = Snapshot(net)
    monkeypatch.setitem(globals(), "SHIFT", 2.0)
    monkeypatch.setattr(settings, "other", 2.0, raising=False)
    assert taken.unchanged()
    assert not Snapshot(net).differences(taken)
