"""From a run to the site with plain git: two branches at once, an update, a withdrawal, and what the checks refuse."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from factories import SLOPES, stored, sweep

from ntkbench.cli.main import main
from ntkbench.leaderboard.site.build import build_site

ROOT = Path(__file__).parents[2]
CHECK = ROOT / ".ci" / "submissions"
NOBODY = {
    **{f"GIT_{role}_{of}": "test" for role in ("AUTHOR", "COMMITTER") for of in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}
FLAT = dict.fromkeys(SLOPES, 0.0)

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or shutil.which("bash") is None, reason="needs git and bash"
)


class Clone:
    """A clone of the repository, in which somebody works."""

    def __init__(self, path, runs):
        self.path, self.runs, self.boards = path, runs, path / "leaderboards"

    def git(self, *words):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | NOBODY
        done = subprocess.run(["git", *words], cwd=self.path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def leaderboard(self, *words):
        assert main(["leaderboard", *map(str, words), "--boards", str(self.boards)]) == 0

    def submit(self, name, **changes):
        run = stored(self.runs / name, sweep(name, seeds=3, **changes))
        self.leaderboard("submit", run.path, "--name", name)

    def commit(self, words):
        self.leaderboard("build")
        self.git("add", "-A")
        self.git("commit", "-qm", words)


@pytest.fixture
def clone(tmp_path):
    """Return a function that clones the repository, which holds one submission."""
    (tmp_path / "hub").mkdir()
    hub = Clone(tmp_path / "hub", tmp_path / "runs")
    hub.git("init", "-q", "-b", "main")
    hub.submit("base")
    hub.commit("base")
    hub.git("checkout", "-q", "--detach")

    def make(name):
        hub.git("clone", "-q", str(hub.path), str(tmp_path / name))
        made = Clone(tmp_path / name, tmp_path / "runs")
        made.git("checkout", "-q", "-B", "main", "origin/main")
        return made

    return make


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Return a folder with a command ntkbench that takes the data and the plan of these synthetic receipts on trust."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "trusting.py").write_text(
        "import sys\nfrom ntkbench.leaderboard import verify\nfrom ntkbench.cli.main import main\n"
        "verify.plan_problems = verify.data_problems = lambda receipt, registry: []\nsys.exit(main())\n"
    )
    program = folder / "ntkbench"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{folder}/trusting.py" "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture
def checks(command, tmp_path):
    """Return a function that runs the checks of a pull request: a change, merged into the main branch."""

    def run(before, after):
        environment = dict(os.environ) | {
            "PATH": f"{command}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "CELLS": "0",
        }
        words = ["bash", str(CHECK), str(before.path), str(after.path)]
        return subprocess.run(words, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.slow
def test_two_submissions_at_once_an_update_and_a_withdrawal(clone, checks, tmp_path):
    maintainer, ada, bob = clone("maintainer"), clone("ada"), clone("bob")
    ada.submit("ada", slopes=FLAT)
    ada.commit("Submit ada")
    bob.submit("bob", scale=0.4)
    bob.commit("Submit bob")
    # Ada's change is merged first.
    maintainer.git("pull", "-q", str(ada.path), "main")
    # Bob's is then merged without a conflict, but the board of both is not built yet: the checks say what to do.
    base, merged = clone("base"), clone("merged")
    base.git("pull", "-q", str(maintainer.path), "main")
    merged.git("pull", "-q", str(maintainer.path), "main")
    merged.git("pull", "-q", "--no-rebase", "--no-edit", str(bob.path), "main")
    found = checks(base, merged)
    assert found.returncode == 1 and "run `ntkbench leaderboard build` and commit" in found.stdout, found
    bob.git("pull", "-q", "--no-rebase", "--no-edit", str(maintainer.path), "main")
    bob.commit("Build the board of both")
    found = checks(base, bob)
    assert found.returncode == 0, found
    assert "bob.json is" in found.stdout and "ada.json" not in found.stdout, "only what is new is verified"
    maintainer.git("pull", "-q", str(bob.path), "main")

    # Ada corrects her receipt and Bob withdraws his, at once.
    ada.git("pull", "-q", str(maintainer.path), "main")
    ada.submit("ada-2")
    new = ada.boards / "submissions/ada-2.json"
    words = ("--by", "Ada", "--why", "a longer run")
    ada.leaderboard("withdraw", ada.boards / "submissions/ada.json", *words, "--replaced-by", new)
    ada.commit("Correct ada")
    bob.leaderboard("withdraw", bob.boards / "submissions/bob.json", "--by", "Bob", "--why", "a wrong seed")
    bob.commit("Withdraw bob")
    maintainer.git("pull", "-q", str(ada.path), "main")
    bob.git("pull", "-q", "--no-rebase", "--no-edit", str(maintainer.path), "main")
    bob.commit("Build the board of both")
    found = checks(maintainer, bob)
    assert found.returncode == 0, found
    before = tmp_path / "before"
    shutil.copytree(maintainer.boards, before)
    build_site(bob.boards, tmp_path / "site", before=before)
    pages = {path.name for path in (tmp_path / "site/rows").glob("*.html")}
    assert pages == {"base.html", "ada-2.html"}
    text = (tmp_path / "site/submissions/ada.html").read_text("utf-8")
    assert "a longer run" in text and 'href="ada-2.html"' in text
    assert "Withdrawn" in (tmp_path / "site/submissions/bob.html").read_text("utf-8")
    assert "a wrong seed" in (tmp_path / "site/changes.html").read_text("utf-8")


def test_what_was_published_is_never_changed(clone, checks):
    base, after = clone("base"), clone("after")
    receipt = after.boards / "submissions/base.json"
    receipt.write_text(receipt.read_text().replace("0.25", "0.26"))
    found = checks(base, after)
    assert found.returncode == 1 and "submissions/base.json was changed or deleted" in found.stdout
    receipt.unlink()
    found = checks(base, after)
    assert found.returncode == 1 and "submissions/base.json was changed or deleted" in found.stdout


def test_the_workflows_are_read_and_run_only_what_is_there():
    yaml = pytest.importorskip("yaml")
    folder = ROOT / ".github/workflows"
    if not folder.exists():
        pytest.skip("a source archive has no workflows")
    for path in folder.glob("*.yml"):
        steps = [step for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values() for step in job["steps"]]
        assert steps and all(("run" in step) != ("uses" in step) for step in steps), path.name
    pages = (folder / "pages.yml").read_text("utf-8")
    assert "ntkbench leaderboard site leaderboards -o site/leaderboard --before" in pages
    assert "bash before/.ci/submissions before after" in (folder / "submissions.yml").read_text("utf-8")
