"""The kit passes what ntkbench and its two packages register, and pytest collects its subclasses only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import register

import ntkbench as nb
from ntkbench import testing
from ntkbench.cli.main import main
from ntkbench.registry.current import registry
from ntkbench.testing.checks import numbered_tests

ROOT = Path(__file__).parents[2]
QUICK = ("hessian", "digits", "diabetes", "sphere", "gaussian", "fully-connected", "convolutional")
SUBJECTS = sorted(
    {
        name
        for kind in ("architectures", "measurements", "datasets", "kernels")
        for name, entry in registry().everything()[kind].items()
        if entry.distribution == "ntkbench"
    }
)


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SUBJECTS]
)
def test_what_ntkbench_registers_passes(name):
    found = testing.check(name)
    assert [str(each) for each in found if each.status == "failed"] == [] and len(found) >= 6


OUR_PACKAGES = ("dynamics", "features", "gated", "recurrent", "spectrum")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [f"ntkbench-{each}" for each in OUR_PACKAGES])
def test_the_tests_of_our_packages_pass(name, tmp_path):
    module = name.replace("-", "_")
    register(tmp_path, name, f"{module} = {module}", version="0.1.0")
    path = os.pathsep.join(map(str, [tmp_path, ROOT / "plugins" / name, ROOT]))
    environment = {**os.environ, "PYTHONPATH": path, "NTKBENCH_CACHE": str(tmp_path / "cache")}
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=ROOT / "plugins" / name, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.fixture
def installed(tmp_path):
    """The function that runs the command line with three packages installed and returns what it prints."""
    names = ("ntkbench-gated", "ntkbench-spectrum", "ntkbench-zoo")
    for name in names:
        module = name.replace("-", "_")
        register(tmp_path, name, f"{module} = {module}", version="0.1.0")
    folders = [tmp_path, *(ROOT / "plugins" / name for name in names), ROOT]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, folders)), "NTKBENCH_CACHE": str(tmp_path / "cache")}

    def ntkbench(*words):
        command = [sys.executable, "-m", "ntkbench", *words]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0 and done.stderr == "", done.stderr
        return done.stdout

    return ntkbench


def test_our_packages_are_listed(installed):
    assert max(map(len, installed("list").splitlines())) <= 100
    assert max(map(len, installed("list", "measurements").splitlines())) <= 100
    found = {each["name"]: each for each in json.loads(installed("list", "--json"))}
    assert {"glu", "swiglu", "highway", "moe"} <= set(found)
    assert found["moe"]["distribution"] == "ntkbench-gated" and found["moe"]["version"] == "0.1.0"
    rows = installed("list", "--priority", "A").splitlines()
    assert max(map(len, rows)) <= 100
    assert {"recurrent", "  mamba:heads=grow", "  attention:heads=grow"} <= {
        row.split("  A ")[0].rstrip() for row in rows
    }
    found = {each["name"]: each for each in json.loads(installed("list", "measurements", "--json"))}
    assert {"ntk_spectrum", "hessian_density"} <= set(found)


@pytest.mark.slow
def test_our_packages_run_with_all(installed):
    """In a dry run, which builds each network small."""
    words = ["--measure", "all", "--widths", "8", "--seeds", "1", "--dry-run", "--json"]
    planned = {each["architecture"] for each in json.loads(installed("run", "--arch", "all", *words))}
    assert {"glu", "swiglu", "highway", "moe", "fc"} <= planned


def test_bases_are_not_collected_and_subclasses_are(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "from ntkbench.testing import ArchitectureChecks, DatasetChecks, LayerRuleChecks, MeasurementChecks\n"
        "class TestDigits(DatasetChecks):\n    dataset = 'digits'\n"
    )

    class Collected:
        def pytest_collection_finish(self, session):
            self.names = [item.name for item in session.items]
            self.classes = {item.cls.__name__ for item in session.items}

    found = Collected()
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path)]
    assert pytest.main([*options, str(tmp_path / "test_it.py")], plugins=[found]) == 0
    assert found.classes == {"TestDigits"} and len(found.names) == 9


def test_the_kit_is_reached_without_tensorflow_and_needs_no_pytest():
    code = (
        "import sys, ntkbench as nb; nb.testing; found = {'pytest', 'tensorflow', 'keras'} & set(sys.modules);"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=ROOT)
    for file in Path(testing.__file__).parent.glob("*.py"):
        assert "import pytest" not in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["ArchitectureChecks", "MeasurementChecks", "DatasetChecks", "LayerRuleChecks"])
def test_checks_are_numbered_one_after_the_other_and_say_what_they_are(name):
    kit = getattr(nb.testing, name)
    tests = numbered_tests(kit)
    assert [int(test.number[1:]) for test in tests] == list(range(1, len(tests) + 1))
    assert f"{tests[0].number} to {tests[-1].number} of " in kit.__doc__
    for test in tests:
        assert test.__name__.startswith(f"test_{test.number[0].lower()}{int(test.number[1:]):02}_")
        assert test.__doc__.strip().endswith(".")


def test_a_users_file_gets_the_same_checks(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("my_net.py").write_text(
        "import keras\nfrom ntkbench import layers\n\n\ndef build(width, *, input_shape, seed):\n"
        "    dense = layers.Dense(width, activation='tanh', seed=seed), layers.Dense(1, seed=seed + 1)\n"
        "    return keras.Sequential([keras.Input(input_shape), *dense])\n\n\n"
        "def stubborn(width, *, input_shape, seed):\n    return build(8, input_shape=input_shape, seed=seed)\n"
    )
    assert main(["plugin", "check", "my_net.py:build"]) == 0
    out = capsys.readouterr().out
    assert "✓ A14" in out and "All of them passed" in out and max(map(len, out.splitlines())) <= 100
    assert main(["plugin", "check", "my_net.py:stubborn", "--json"]) == 1
    failed = [each for each in json.loads(capsys.readouterr().out) if each["status"] == "failed"]
    assert [each["number"] for each in failed] == ["A6"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [("hesian", "Did you mean 'hessian'"), ("none.py:build", "File not found"), ("fc:dpth=3", "depth")],
)
def test_unknown_names(name, hint, capsys):
    code = main(["plugin", "check", name])
    out, err = capsys.readouterr()
    assert (code, hint in err) == (2, True) or (code, hint in out) == (1, True)
