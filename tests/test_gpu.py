"""What the driver says of the GPUs decides what fits; the driver here is a stand-in on PATH."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from ntkbench.cli.main import main
from ntkbench.engine import budget as engine_budget
from ntkbench.engine.budget import GIB, SHARE, budget, power_of_two
from ntkbench.engine.model.explained import explained
from ntkbench.errors import NtkbenchError, TooLarge
from ntkbench.gpu import Gpu, gpu_of, visible_gpus
from ntkbench.plan.cost import device_memory_gib, estimate, machine_memory_gib, refuse_what_cannot_fit
from ntkbench.plan.options import RunOptions
from ntkbench.plan.plan import make_plan
from ntkbench.registry.current import registry as the_registry

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for nvidia-smi is a shell script")

SMALL, LARGE = Gpu("GPU-aaaa", "NVIDIA Small", 2.0), Gpu("GPU-bbbb", "NVIDIA Large, 80GB", 80.0)
ROWS = "GPU-aaaa, NVIDIA Small, 2048\nGPU-bbbb, NVIDIA Large, 80GB, 81920\n"


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Return a function that puts an nvidia-smi of some output and exit code on PATH."""

    def put(output=ROWS, code=0):
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    return put


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (None, [SMALL, LARGE]),
        ("1", [LARGE]),
        ("1,0", [LARGE, SMALL]),
        ("GPU-b", [LARGE]),
        ("0,7,1", [SMALL]),
        ("-1", []),
        ("", []),
    ],
)
def test_what_is_visible_is_what_cuda_sees(driver, monkeypatch, chosen, found):
    driver()
    if chosen is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == found
    assert gpu_of("auto") == gpu_of("gpu") == (found[0] if found else None)
    assert gpu_of("gpu:1") == (found[1] if len(found) > 1 else None)
    assert gpu_of("cpu") is None is gpu_of("tpu")


@pytest.mark.parametrize(("output", "code"), [("", 0), ("No devices were found\n", 6), ("a, b\n", 0), ("é, x, y\n", 0)])
def test_a_driver_without_gpus_is_no_error(driver, output, code):
    driver(output, code)
    assert visible_gpus() == []
    assert device_memory_gib("auto") == (machine_memory_gib(), "this machine")


def test_a_width_is_refused_by_the_memory_of_the_device(driver):
    driver()
    wide = {"arch": "fc", "widths": [8192], "seeds": 1, "measure": "gradient"}
    for device, refused in (("gpu", True), ("auto", True), ("gpu:1", False)):
        estimates = estimate(make_plan(RunOptions(**wide, device=device), the_registry()))
        if refused:
            with pytest.raises(NtkbenchError, match=r"its GPU \(NVIDIA Small\) has 2 GiB"):
                refuse_what_cannot_fit(estimates)
        else:
            refuse_what_cannot_fit(estimates)


def test_the_dry_run_says_whose_memory_it_is(driver, capsys):
    driver()
    words = ["run", "--arch", "linear", "--widths", "8", "--seeds", "1", "--dry-run"]
    assert main([*words, "--device", "gpu:1"]) == 0
    assert "Its GPU (NVIDIA Large, 80GB) has 80 GiB of memory." in capsys.readouterr().out
    assert main([*words, "--device", "cpu"]) == 0
    assert f"This machine has {machine_memory_gib():.3g} GiB of memory." in capsys.readouterr().out


def test_the_engine_plans_for_the_device_it_computes_on(driver, monkeypatch):
    driver()
    device = SimpleNamespace(name="/physical_device:GPU:1")
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [device] if kind == "GPU" else [])
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"current": 30 * GIB, "peak": 60 * GIB})
    assert budget(None) == power_of_two(SHARE * 50 * GIB)
    assert budget(1.5) == int(1.5 * GIB)
    monkeypatch.setattr(engine_budget, "_sharing", 1)  # restored after the test
    engine_budget.share_gpu(2)
    assert budget(None) == power_of_two(SHARE * (40 - 30) * GIB)
    monkeypatch.setattr(engine_budget, "gpu_of", lambda device: None)
    assert budget(None) == power_of_two(SHARE * engine_budget.psutil.virtual_memory().available)


def test_a_full_device_is_a_sentence_that_says_what_helps():
    with (
        pytest.raises(TooLarge, match="ran out of memory .*OOM when allocating.* a smaller memory_gib"),
        explained("x"),
    ):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[4,4]\n[[node]]")


def test_memory_that_ran_out_reaches_the_user_of_the_engine(monkeypatch):
    import ntkbench as nb
    from ntkbench.engine.ntk import empirical

    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(empirical, "compute", full)
    model = nb.layers.Dense(1)
    model.build((2, 3))
    with pytest.raises(TooLarge, match="memory_gib"):
        nb.empirical_ntk(model, np.ones((2, 3), "float32"))
