"""Inputs split over replicas give what one device gives; what cannot be split is refused by name."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from nets import build, probes
from replicas import KERNELS, METHODS

import ntkbench as nb
from ntkbench.engine.ntk.distributed import blocks
from ntkbench.engine.ops.scopes import shared
from ntkbench.engine.partition import shares
from ntkbench.engine.replicas import strategy_of


def start(*words, **environment):
    """Start replicas.py in a process of its own."""
    root = Path(nb.__file__).parents[1]
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).parents[1] / "kit" / "replicas.py"), *words],
        env={**os.environ, "PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": "-1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def report_of(process):
    out, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(out.splitlines()[-1])


def check(found, replicas):
    assert found.pop("replicas") == replicas
    assert found.pop("failure")
    for what, (distance, same_form) in found.items():
        # kernels: sums in another order; norms: other random starts, tol 1e-4, error of its square
        assert same_form and distance <= (1e-4 if what in METHODS or what == "nested norms" else 1e-5), (what, distance)


def test_two_logical_devices():
    found = report_of(start("mirrored", "trace", "full", "factored"))
    assert found["failure"] == "no memory"
    check(found, 2)


@pytest.mark.slow
def test_two_logical_devices_in_every_way():
    found = report_of(start("mirrored", *KERNELS, *METHODS))
    assert len(found) == 2 + 2 * len(KERNELS) + 2 + len(METHODS) + 3
    check(found, 2)


@pytest.mark.slow
def test_two_workers():
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in range(2)]
    workers = [start("multiworker", "trace", "full", "factored", TF_CONFIG=json.dumps(config)) for config in configs]
    try:
        first, second = map(report_of, workers)
    finally:
        for worker in workers:
            worker.kill()
    assert first["failure"] == "Replica 1 failed on another worker; see that worker's error."
    assert second["failure"] == "no memory"
    check(first, 2)
    check(second, 2)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("n", [1, 2, 5, 16, 33])
def test_blocks_cover_a_kernel_once_and_weigh_alike(n, count):
    dealt = blocks(n, None, count)
    covered = np.zeros((n, n), int)
    weights = []
    for of in dealt:
        weights.append(0)
        for rows, columns in of:
            covered[rows, columns or rows] += 1
            if columns is not None:
                covered[columns, rows] += 1
            area = np.zeros((n, n))[rows, columns or rows].size
            weights[-1] += area if columns is not None else area / 2
    assert (covered == 1).all() and len(dealt) == count
    if n == 33:
        assert max(weights) <= 1.5 * n * n / 2 / count
    covered = np.zeros((n, 7), int)
    for rows, columns in (block for of in blocks(n, 7, count) for block in of):
        covered[rows, columns] += 1
    assert (covered == 1).all()
    assert sum(part.stop - part.start for part in shares(n, count)) == n


def test_one_replica_is_the_kernel_itself():
    model, x = build("fc"), probes("fc", 4)
    np.testing.assert_allclose(nb.empirical_ntk(model, x, strategy="mirrored"), nb.empirical_ntk(model, x), rtol=1e-5)


def test_refusals_are_sentences(tmp_path):
    model, x = build("fc"), probes("fc", 4)
    with pytest.raises(nb.NtkbenchError, match="Unknown strategy 'miror'. Did you mean 'mirrored'"):
        nb.empirical_ntk(model, x, strategy="miror")
    with pytest.raises(nb.NtkbenchError, match="MultiWorkerMirrored or TPU strategy; got a OneDevice"):
        nb.hessian_norm(model, x, strategy=tf.distribute.OneDeviceStrategy("CPU:0"))
    with pytest.raises(nb.NtkbenchError, match="gathers the kernel in memory, but out= writes it"):
        nb.empirical_ntk(model, x, strategy="mirrored", out=tmp_path / "k.npy")
    with pytest.raises(nb.NtkbenchError, match="cannot create a tpu strategy"):
        strategy_of("tpu")

    class Module(tf.Module):
        def __init__(self):
            self.w = tf.Variable(tf.ones([x.shape[1], 1], x.dtype))

        def __call__(self, x):
            return x @ self.w

    with pytest.raises(nb.NtkbenchError, match="Only Keras models can be copied .*; got a Module"):
        nb.empirical_ntk(Module(), x, strategy="mirrored")


def test_a_scope_lasts_until_the_last_thread_leaves():
    events = []

    @shared
    def scope():
        events.append("in")
        try:
            yield
        finally:
            events.append("out")

    inside, leave = threading.Event(), threading.Event()

    def first():
        with scope():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with scope():
        leave.set()
        thread.join()
        assert events == ["in"]
        with pytest.raises(ZeroDivisionError), scope():
            raise ZeroDivisionError
    assert events == ["in", "out"]
