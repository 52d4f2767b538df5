"""`ntkbench plugin new`: a package that installs, passes its own tests, and equals plugins/template."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from fakes import register

from ntkbench.atomic import write_atomically
from ntkbench.cli.main import main
from ntkbench.errors import NtkbenchError
from ntkbench.registry.current import registry
from ntkbench.scaffold import new
from ntkbench.scaffold.new import KINDS, Names, files

ROOT = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(folder: Path) -> dict[str, str]:
    """Return the text of every file of a package, what Python and pytest leave there aside."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    left = ("__pycache__", ".pytest_cache", ".ruff_cache", ".dist-info", ".egg-info")
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in found
        if not any(part.endswith(left) for part in path.relative_to(folder).parts)
    }


def test_plugins_template_is_the_output(here, capsys):
    assert main(["plugin", "new", "ntkbench-template", "-o", "template"]) == 0
    assert made(here / "template") == made(ROOT / "plugins/template"), (
        "plugins/template is not what the template gives; remove it and run "
        "`ntkbench plugin new ntkbench-template -o plugins/template`"
    )
    assert "template/pyproject.toml" in capsys.readouterr().out


# How many tests a new package has: the checks of its kind, and one or more of its own.
TESTS = {"architecture": 15, "measurement": 9, "dataset": 7, "kernel": 7, "suite": 4, "rule": 10}


@pytest.mark.slow
@pytest.mark.parametrize("kind", TESTS)
def test_generation_to_green(here, capsys, kind):
    """Its own tests pass, as in an environment in which it is installed."""
    assert main(["plugin", "new", "Acme.Things", "--kind", kind]) == 0
    package = here / "Acme.Things"
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    ((entry, module),) = project["entry-points"]["ntkbench"].items()
    assert (project["name"], entry, module) == ("Acme.Things", "acme-things", "acme_things")
    site = here / "site"
    register(site, project["name"], f"{entry} = {module}", version=project["version"])
    path = os.pathsep.join(map(str, [site, package, ROOT]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": path, "NTKBENCH_CACHE": str(here / "cache")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert f"{TESTS[kind]} passed" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "ntkbench", "plugin", "check", project["name"], "--json"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": path, "NTKBENCH_CACHE": str(here / "cache")},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert {each["status"] for each in json.loads(done.stdout)} <= {"ok", "skipped"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_generation_to_green_in_a_fresh_environment(here):
    """Only ntkbench is installed, from a wheel, outside the clone; then the new package with its tests."""
    run = {"check": True, "cwd": here, "timeout": 800}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-m", "venv", "venv"], **run)
    python = here / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(ROOT)], env=environment, **run)
    subprocess.run([python, "-m", "ntkbench", "plugin", "new", "ntkbench-wavy"], env=environment, **run)
    subprocess.run([python, "-m", "pip", "install", "-q", "./ntkbench-wavy[test]"], env=environment, **run)
    subprocess.run([python, "-m", "pytest", "-q"], env=environment, **{**run, "cwd": here / "ntkbench-wavy"})
    subprocess.run([python, "-m", "ntkbench", "plugin", "list", "--strict"], env=environment, **run)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["3"], "Invalid package name"),
        (["../x"], "Invalid package name"),
        (["a b"], "Invalid package name"),
        (["x" * 51], "Invalid package name"),
        (["json"], "would shadow the module 'json'"),
        (["ntkbench"], "would shadow the module 'ntkbench'"),
        (["class"], "would shadow the module 'class'"),
        (["ntkbench-fc"], "ntkbench already registers the architecture 'fc'"),
        (["hessian", "--kind", "measurement"], "ntkbench already registers the measurement 'hessian'"),
        (["full"], "full already exists"),
        (["x", "--kind", "kernle"], "unknown value 'kernle'. Did you mean 'kernel'"),
    ],
)
def test_mistakes(here, capsys, words, sentence):
    (here / "full").mkdir()
    (here / "full/file").write_text("")
    assert main(["plugin", "new", *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and sentence in err and err.count("\n") == 1
    assert [path.name for path in here.iterdir()] == ["full"]


def test_a_package_that_cannot_be_written_leaves_nothing(here, capsys, monkeypatch):
    """Otherwise the same command would refuse the folder next time, because it is not empty."""

    def full(path, data):
        if path.name == "pyproject.toml":
            raise NtkbenchError(f"{path} could not be written: No space left on device.")
        write_atomically(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(new, "write_atomically", full)
        assert main(["plugin", "new", "ntkbench-wavy"]) == 2
    assert "No space left" in capsys.readouterr().err and not Path("ntkbench-wavy").exists()
    assert main(["plugin", "new", "ntkbench-wavy"]) == 0


def test_every_kind_of_the_registry_has_a_template():
    assert set(KINDS) == set(TESTS) and set(KINDS.values()) == set(registry().everything())


@pytest.mark.parametrize("kind", TESTS)
def test_no_placeholder_is_left(kind):
    for path, text in files(Names.of("ntkbench-wavy"), kind).items():
        assert "{{" not in path + text.replace("${{ matrix.python }}", "")
