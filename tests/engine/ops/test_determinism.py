"""The scope of deterministic operations, with a GPU that is only pretended."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.python.framework import config

from ntkbench.engine.ops import deterministic


def test_nothing_changes_without_a_gpu():
    with deterministic():
        assert not config.is_op_determinism_enabled()


def test_gpu_operations_are_deterministic_inside_only(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["gpu"])
    with deterministic(), deterministic():
        assert config.is_op_determinism_enabled()
    assert not config.is_op_determinism_enabled()


def test_a_users_own_choice_stays(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["gpu"])
    tf.config.experimental.enable_op_determinism()
    try:
        with deterministic():
            assert config.is_op_determinism_enabled()
        assert config.is_op_determinism_enabled()
    finally:
        config.disable_op_determinism()
