"""The border: exit codes, one sentence for each mistake, and what starting costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ntkbench.cli import main as cli


def ntkbench(capsys, *words):
    code = cli.main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rnu"], "Did you mean 'run'"),
        (["run", "--arhc", "fc"], "--arch"),
        (["run", "--arch", "fcc"], "Did you mean 'fc'"),
        (["run", "--arch", "fc:dpth=3"], "Did you mean 'depth'"),
        (["run", "--widths", "0"], "Invalid width 0"),
        (["run", "--widths", "a"], "expected an integer"),
        (["run", "--seeds", "0"], "at least 1"),
        (["run", "--preset", "quik"], "Did you mean 'quick'"),
        (["run", "--precision", "float16"], "Did you mean 'float64'"),
        (["run", "--measure", "hesian_norm"], "Did you mean 'hessian_norm'"),
        (["run", "--dataset", "digit"], "Did you mean 'digits'"),
        (["run", "--arch", "cnn", "--dataset", "diabetes"], "'cnn' takes images, but the dataset 'diabetes'"),
        (["run", "--arch", "no_such.py:build"], "File not found"),
        (["run", "--format", "gihub"], "Did you mean 'github'"),
        (["run", "--device", "gpux"], "Did you mean 'gpu'"),
        (["run", "--arch", "fc", "--probes", "5000"], "at most 1797"),
        (["run", "surplus"], "surplus"),
        (["list", "archs"], "Known: architectures"),
        (["table", "no/such/run"], "no/such/run"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(capsys, words, message):
    code, out, err = ntkbench(capsys, *words)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


def test_help_and_version(capsys):
    assert ntkbench(capsys, "--help")[0] == 0
    assert ntkbench(capsys, "run", "--help")[0] == 0
    assert ntkbench(capsys, "--version")[1].startswith("ntkbench, version")
    assert ntkbench(capsys)[0] == 2


def test_an_unexpected_error_is_a_sentence(capsys, monkeypatch):
    monkeypatch.setattr("ntkbench.cli.list.registry", lambda: 1 / 0)
    code, _, err = ntkbench(capsys, "list")
    assert code == 1
    assert "ZeroDivisionError" in err and "NTKBENCH_DEBUG=1" in err and "Traceback" not in err
    monkeypatch.setenv("NTKBENCH_DEBUG", "1")
    assert "Traceback" in ntkbench(capsys, "list")[2]


def test_ctrl_c_is_130(capsys, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("ntkbench.cli.list.registry", interrupted)
    assert ntkbench(capsys, "list")[0] == 130


def test_ctrl_c_while_an_interrupted_command_ends_shows_no_traceback():
    code = (
        "import atexit, signal, sys; from ntkbench.cli import main as cli;"
        "signal.signal(signal.SIGINT, signal.default_int_handler);"  # background jobs begin without it
        "atexit.register(signal.raise_signal, signal.SIGINT);"
        "cli.importlib.import_module = lambda *_: signal.raise_signal(signal.SIGINT);"
        "sys.exit(cli.main())"
    )
    done = subprocess.run([sys.executable, "-c", code, "list"], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\nInterrupted.\n")


@pytest.mark.parametrize(
    "words", [["--help"], ["run", "--help"], ["list"], ["list", "measurements", "--json"], ["--version"]]
)
def test_starting_imports_no_framework(words):
    code = (
        "import sys; from ntkbench.cli.main import main; code = main(sys.argv[1:]);"
        "heavy = {'tensorflow', 'keras', 'numpy', 'pandas', 'rich', 'sklearn', 'matplotlib'} & set(sys.modules);"
        "assert not heavy and code == 0, (heavy, code)"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=60, stdout=subprocess.DEVNULL)


def test_every_verb_has_its_file_and_its_name():
    import click

    for verb in cli.VERBS:
        command = cli.ntkbench.get_command(click.Context(cli.ntkbench), verb)
        assert command.name == verb
