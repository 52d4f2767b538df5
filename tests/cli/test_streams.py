"""Standard output carries the answer only, in any encoding, and no stream costs a cell or an exit code."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from ntkbench.cli.main import VERBS
from ntkbench.streams import answer, answer_json, answering

SMALL = "--widths 8,16 --seeds 1 --probes 4 --measure hessian_norm --quiet"
LOUD = """
import os
import sys
import keras
from ntkbench import layers

print("from Python")
print("to the first stream", file=sys.__stdout__)
os.system("echo child")


def build(width, *, input_shape, seed):
    print("é✓" * 5000)
    hidden = layers.Dense(width, activation="tanh", seed=seed)
    return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(1, seed=seed + 1)])
"""
NATIVE = 'import os\nos.write(1, b"native\\n")\n'


def shell(words, folder, **environment):
    """Run `ntkbench WORDS` in a shell, redirections included."""
    return subprocess.run(
        ["bash", "-c", f"exec {shlex.quote(sys.executable)} -m ntkbench {words}"],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=300,
    )


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "cp932", "latin-1", "ascii", "cp1252:strict"])
@pytest.mark.parametrize("words", ["list", "list measurements --json", "--help", "list --nonsense-é✓"])
def test_an_old_code_page_is_no_error(tmp_path, encoding, words):
    done = shell(words, tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == (2 if "nonsense" in words else 0), done.stderr
    assert b"unexpectedly" not in done.stderr and b"Traceback" not in done.stderr
    if "--json" in words:
        unicode = json.loads(shell(words, tmp_path, PYTHONIOENCODING="utf-8").stdout)
        assert json.loads(done.stdout.decode(encoding.partition(":")[0])) == unicode


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_closed_or_full_stream_is_no_error(tmp_path, redirected):
    whole = shell("list", tmp_path).stdout
    done = shell(f"list {redirected}", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == (b"" if ">&-" in redirected.replace("2>&-", "") else whole)


def test_an_answer_that_cannot_be_written_is_a_sentence_and_exit_1(tmp_path):
    done = shell("list >/dev/full", tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr == b"Error: Standard output could not be written: No space left on device. Redirect it elsewhere.\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", ">&-", "<&- >&- 2>&-", ">/dev/full", "| head -c 1"])
def test_a_stream_costs_a_run_nothing(tmp_path, redirected):
    (tmp_path / "loud.py").write_text(LOUD, encoding="utf-8")
    small = SMALL.removesuffix(" --quiet")
    pipe = "; exit ${PIPESTATUS[0]}" if "|" in redirected else ""
    words = f"run --arch loud.py:build {small} --out run {redirected}{pipe}"
    done = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m ntkbench {words}"],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    cells = [json.loads(file.read_text(encoding="utf-8")) for file in (tmp_path / "run" / "cells").iterdir()]
    assert [cell["status"] for cell in cells] == ["ok", "ok"]
    assert (b"The results are kept in run." in done.stderr) == (redirected == ">/dev/full")


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        f"run --arch loud.py:build {SMALL} --json --out run",
        f"run --arch loud.py:build {SMALL} --json --executor serial --out run",
        f"run --arch loud.py:build {SMALL} --json --executor dask --workers 1 --out run",
        f"run --arch loud.py:build {SMALL} --json --dry-run",
        "plugin check loud.py:build --json",
        "doctor loud.py:build --json",
    ],
)
def test_what_a_users_file_prints_is_no_json(tmp_path, words):
    (tmp_path / "loud.py").write_text(NATIVE + LOUD, encoding="utf-8")
    done = shell(words, tmp_path, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr[-500:]
    assert json.loads(done.stdout)
    assert b"native" not in done.stdout


def test_only_answers_reach_standard_output_while_a_command_runs(capsys):
    @answering
    def command():
        print("from elsewhere")
        answer("the table")
        answer_json(["✓"])

    command()
    print("after it")
    out, err = capsys.readouterr()
    assert out == 'the table\n[\n "\\u2713"\n]\nafter it\n'
    assert err == "from elsewhere\n"


def test_every_command_answers(request):
    folder = request.config.rootpath / "ntkbench" / "cli"
    for verb in VERBS:
        text = (folder / f"{verb}.py").read_text(encoding="utf-8")
        assert "writing_to" in text or "@answering\ndef " in text, verb
