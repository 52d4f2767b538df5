"""Two branches that both submit a run merge with plain git, and one build gives the board of both."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from factories import SLOPES, stored, sweep

from ntkbench.cli.main import main

NOBODY = {
    **{f"GIT_{role}_{of}": "test" for role in ("AUTHOR", "COMMITTER") for of in ("NAME", "EMAIL")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def git(tmp_path):
    """Return a function that runs git in a new repository, with nobody's configuration."""

    def call(*words, check=True):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | NOBODY
        done = subprocess.run(["git", *words], cwd=tmp_path / "repo", env=environment, capture_output=True, text=True)
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done

    (tmp_path / "repo").mkdir()
    call("init", "-q", "-b", "main")
    return call


@pytest.fixture
def publish(tmp_path, git):
    """Return a function that submits a run of a name, builds the board and commits both."""

    def call(name, **changes):
        run = stored(tmp_path / f"run-{name}", sweep(name, seeds=3, **changes))
        boards = ["--boards", str(tmp_path / "repo" / "boards")]
        assert main(["leaderboard", "submit", str(run.path), "--name", name, *boards]) == 0
        assert main(["leaderboard", "build", *boards]) == 0
        git("add", "-A")
        git("commit", "-qm", name)

    return call


@pytest.mark.parametrize(
    "how", ["merge", *(pytest.param(how, marks=pytest.mark.slow) for how in ("rebase", "cherry-pick"))]
)
def test_two_branches_that_both_submit_have_no_conflict(tmp_path, git, publish, how):
    publish("base")
    git("checkout", "-qb", "other")
    publish("mine", slopes=dict.fromkeys(SLOPES, 0.0))
    git("checkout", "-q", "main")
    publish("theirs", scale=0.4)
    if how == "rebase":
        git("checkout", "-q", "other")
    words = {
        "merge": ["merge", "-q", "other"],
        "rebase": ["rebase", "-q", "main"],
        "cherry-pick": ["cherry-pick", "other"],
    }
    git(*words[how])
    assert git("status", "--porcelain").stdout == ""
    boards = tmp_path / "repo" / "boards"
    assert {path.stem for path in (boards / "submissions").iterdir()} == {"base", "mine", "theirs"}

    assert main(["leaderboard", "build", "--boards", str(boards)]) == 0
    alone = tmp_path / "alone"
    shutil.copytree(boards / "submissions", alone / "submissions")
    assert main(["leaderboard", "build", "--boards", str(alone)]) == 0
    for path in (alone / "v1").iterdir():
        if path.suffix in (".md", ".csv", ".html"):
            assert (boards / "v1" / path.name).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in (boards / "v1").iterdir()} == {path.name for path in (alone / "v1").iterdir()}


def test_what_a_merge_makes_of_the_board_stops_no_command(tmp_path, git, publish, capsys):
    publish("base")
    boards = tmp_path / "repo" / "boards"
    for path in (boards / "v1").iterdir():
        path.write_text(path.read_text() + "<<<<<<< ours\n")
    for words in (["verify", str(boards / "submissions/base.json"), "--cells", "0"], ["build"]):
        main(["leaderboard", *words, "--boards", str(boards)])
        assert "unexpectedly" not in capsys.readouterr().err
    assert git("status", "--porcelain").stdout == "", "the build has written the same bytes again"


def test_attributes_of_a_users_own_stay(tmp_path, publish):
    attributes = tmp_path / "repo" / "boards" / ".gitattributes"
    attributes.parent.mkdir()
    attributes.write_text("*.json text\n")
    publish("base")
    assert attributes.read_text() == "*.json text\n"
