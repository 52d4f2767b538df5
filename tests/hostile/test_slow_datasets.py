"""With a time limit, a plugin's dataset that hangs or ends its process while a run is planned costs a sentence."""

from __future__ import annotations

import os

import pytest
from fakes import install, ntkbench

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")

CODE = """
import os, time
import numpy as np
from ntkbench import Task, hookimpl

def right(*, form, n, seed):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 4)), np.sign(rng.standard_normal(n))

def hanging(*, form, n, seed, **given):
    time.sleep(1000)

def hanging_task(*, form, seed, fold):
    time.sleep(1000)

def exiting(*, form, n, seed):
    os._exit(3)

@hookimpl
def ntkbench_register_datasets(register):
    register("hanging", hanging, summary="a dataset", forms=["vector", "image"])
    register("exiting", exiting, summary="a dataset", forms=["vector"])
    register("patient", right, summary="a dataset", forms=["vector"], task=hanging_task)
"""
RUN = ["run", "--widths", "4", "--seeds", "1", "--probes", "2", "--quiet", "--out", "r"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    install(folder, "acme-slow", CODE)
    return folder


def run(folder, *words):
    return ntkbench(folder, *RUN, *words, NTKBENCH_CACHE=str(folder / "cache"), NTKBENCH_PLUGINS="acme-slow")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--arch", "all", "--dataset", "hanging", "--measure", "gradient_norm"],
            "The data of 'hanging', in the form 'vector', was loaded once before the run. It did not finish within "
            "--timeout 2 s, and its process was killed.",
        ),
        (
            ["--arch", "linear", "--dataset", "exiting", "--measure", "gradient_norm"],
            "It ended its process; its exit code was 3.",
        ),
        (["--arch", "linear", "--dataset", "patient", "--measure", "task"], "The task of 'patient', in the form"),
    ],
)
def test_a_load_that_does_not_end_is_a_sentence(folder, words, sentence):
    done = run(folder, *words, "--timeout", "2")
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_what_is_not_needed_is_not_loaded(folder):
    done = run(folder, "--arch", "linear", "--dataset", "patient", "--measure", "gradient_norm", "--timeout", "60")
    assert done.returncode == 0, done.stderr
