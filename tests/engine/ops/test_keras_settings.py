"""The settings of Keras and TensorFlow that measurements fix, and give back."""

from __future__ import annotations

import threading

import tensorflow as tf

from ntkbench.engine.ops import isolated_settings, keras_settings


def skips_graph_optimizer() -> bool:
    return tf.config.optimizer.get_experimental_options()["disable_meta_optimizer"]


def test_the_graph_optimizer_is_skipped_inside_only():
    assert not skips_graph_optimizer()
    with keras_settings(), isolated_settings():
        assert skips_graph_optimizer()
    assert not skips_graph_optimizer()


def test_a_user_who_skips_the_graph_optimizer_goes_on_skipping_it():
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        with keras_settings():
            assert skips_graph_optimizer()
        assert skips_graph_optimizer()
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})


def test_with_a_gpu_graphs_are_optimized_as_always(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["gpu"])
    with keras_settings():
        assert not skips_graph_optimizer()


def test_settings_last_until_the_last_thread_leaves():
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with keras_settings():
            entered.set()
            leave.wait()

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait()
    try:
        with keras_settings():
            pass
        assert skips_graph_optimizer()
    finally:
        leave.set()
        thread.join()
    assert not skips_graph_optimizer()
