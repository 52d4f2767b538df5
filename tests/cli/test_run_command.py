"""`ntkbench run` end to end, on nets of four units."""

from __future__ import annotations

import json

import pytest

import ntkbench as nb
from ntkbench.cli.main import main

TINY = ["--widths", "4,8", "--seeds", "2", "--probes", "3", "--measure", "gradient", "--measure", "hessian_norm"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_main_job(here, capsys):
    assert main(["run", "--arch", "fc", "--arch", "linear", *TINY]) == 0
    out, err = capsys.readouterr()
    assert "hessian_norm" in out and "linear" in out
    assert max(map(len, out.splitlines())) <= 100
    path = err.splitlines()[-1]
    assert path.startswith("runs/")
    assert (here / path / "manifest.json").is_file()

    assert main(["table", path]) == 0
    assert capsys.readouterr().out == out

    frame = nb.load(path).frame()
    assert set(frame.status) == {"ok"}
    assert len(frame) == 2 * 2 * 2 * 4


def test_json_alone_on_standard_output_and_resuming(here, capsys):
    words = ["run", "--arch", "fc", *TINY, "--out", "r", "--json", "--quiet"]
    assert main(words) == 0
    first, err = capsys.readouterr()
    assert err == "r\n"
    assert json.loads(first)["rows"]
    cells = {path: path.stat().st_mtime_ns for path in (here / "r" / "cells").iterdir()}
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == json.loads(first)["rows"]
    assert {path: path.stat().st_mtime_ns for path in (here / "r" / "cells").iterdir()} == cells


def test_failed_cells_give_1_and_their_reason(here, capsys, monkeypatch):
    # Four heads do not divide six channels: these cells fail, the others go on.
    words = ["run", "--arch", "attention", "--widths", "4,6", "--seeds", "1", "--probes", "2", "--measure", "gradient"]
    assert main([*words, "--out", "r"]) == 1
    out, err = capsys.readouterr()
    assert "1 of 2 cells failed" in err
    assert "heads" in err
    assert err.splitlines()[-1] == "r"
    assert "1/2" in out


def test_a_users_own_files(here, capsys, monkeypatch):
    (here / "my_net.py").write_text(
        "import keras\n"
        "def build(width, *, input_shape, seed, depth=1):\n"
        "    keras.utils.set_random_seed(seed % 2**31)\n"
        "    hidden = [keras.layers.Dense(width, activation='tanh') for _ in range(depth)]\n"
        "    return keras.Sequential([keras.Input(input_shape), *hidden, keras.layers.Dense(1)])\n"
        "def broken(width, *, input_shape):\n"
        "    model = build(width, input_shape=input_shape, seed=0)\n"
        "    model.layers[-1].bias.assign([float('nan')])\n"
        "    return model\n"
    )
    words = ["--seeds", "2", "--probes", "3", "--measure", "gradient_norm", "--quiet"]
    assert main(["run", "--arch", "my_net.py:build:depth=2", "--widths", "4,8", *words, "--out", "r"]) == 0
    assert "my_net.py" in capsys.readouterr().out
    assert main(["run", "--arch", "my_net.py:broken", "--widths", "4", *words, "--out", "r"]) == 2
    assert "not finite" in capsys.readouterr().err

    monkeypatch.syspath_prepend(here)
    from my_net import build

    build(8, input_shape=(61,), seed=1).save("net.keras")
    build(8, input_shape=(64,), seed=1).save("wide.keras")
    assert main(["run", "--arch", "net.keras", *words, "--out", "saved"]) == 0
    assert main(["run", "--arch", "net.keras", "--reinit", *words, "--out", "redrawn"]) == 0
    assert main(["run", "--arch", "wide.keras", *words, "--out", "wide"]) == 2
    assert "takes inputs of shape 64, but the dataset 'digits' provides 61" in capsys.readouterr().err
    saved, redrawn = (nb.load(name).frame().value.to_list() for name in ("saved", "redrawn"))
    assert len(saved) == len(redrawn) == 2
    assert saved != redrawn


def test_dry_run_measures_nothing(here, capsys):
    assert main(["run", "--arch", "fc", "--arch", "fc-bottleneck:k=2", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "293,888" in out
    assert "96 cells" in out
    assert not (here / "runs").exists()
    assert main(["run", "--arch", "fc", "--widths", "1000000", "--dry-run", "--json"]) == 2
    out, err = capsys.readouterr()
    assert json.loads(out)[0]["architecture"] == "fc"
    assert "fc at width 1000000 needs about" in err


def test_dry_run_refuses_what_the_run_refuses(here, capsys):
    words = ["run", "--arch", "fc", "--arch", "linear", *TINY, "--dry-run"]
    (here / "file").write_text("")
    (here / "folder").mkdir()
    (here / "folder" / "thesis.tex").write_text("")
    for out, says in (("file", "file is a file"), ("file/r", "file is a file"), ("folder", "contains no run")):
        assert main([*words, "--out", out]) == 2
        assert says in capsys.readouterr().err
        assert main(["run", "--suite", "liu2020", "--dry-run", "--out", out]) == 2
        assert says in capsys.readouterr().err
    assert main([*words, "--device", "tpu", "--workers", "2"]) == 2
    assert "by one worker only" in capsys.readouterr().err
    assert main(["run", "--suite", "liu2020", "--dry-run", "--executor", "threads"]) == 2
    assert "Unknown executor 'threads'" in capsys.readouterr().err


def test_dry_run_does_not_refuse_what_the_run_does_not_refuse(here, capsys):
    words = ["--seeds", "1", "--dataset", "sphere:d=10", "--measure", "gradient", "--dry-run"]
    assert main(["run", "--arch", "fc", "--widths", "4096", "--probes", "20000", *words]) == 0
    assert "fc at width 4096 needs about" in (err := capsys.readouterr().err) and "The run is not refused" in err


def test_from_python(here):
    run = nb.run("fc", widths=[4, 8], seeds=1, measure="gradient_norm", probes=2, out="r")
    assert sorted(run.frame().width.unique()) == [4, 8]
    with pytest.raises(nb.NtkbenchError, match="Did you mean 'fc'"):
        nb.run("fcc")


def test_an_interrupted_run_says_how_to_go_on(here, capsys, monkeypatch):
    from ntkbench.runner.executors.serial import Serial

    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(Serial, "results", interrupted)
    assert main(["run", "--arch", "fc", "--executor", "serial", *TINY]) == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2] == f"  ntkbench run --arch fc --executor serial {' '.join(TINY)} --out {lines[-1]}"
    assert (here / lines[-1] / "manifest.json").is_file()


def test_a_run_interrupted_again_while_it_closes_says_how_to_go_on(here, capsys, monkeypatch):
    from ntkbench.runner.executors.serial import Serial

    def interrupted(*_):
        raise KeyboardInterrupt
        yield

    def again(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Serial, "results", interrupted)
    monkeypatch.setattr(Serial, "close", again)
    words = ["run", "--arch", "fc", "--executor", "serial", *TINY, "--out", "r"]
    assert main(words) == 130
    lines = capsys.readouterr().err.splitlines()
    assert "Interrupted with 0 of 8 cells finished; they are kept. To resume:" in lines
    assert lines[-2:] == [f"  ntkbench {' '.join(words)}", "r"]
    monkeypatch.setattr("ntkbench.runner.run.run_plan", again)
    assert main(words) == 130
    assert "Interrupted; finished cells are kept. To resume:" in capsys.readouterr().err


def test_a_run_interrupted_before_its_table_says_how_to_print_it(here, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    words = ["run", "--arch", "fc", *TINY, "--out", "r", "--executor", "serial", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(nb.api.Run, "table", interrupted)
        assert main(words) == 130
    out, err = capsys.readouterr()
    assert not out and "all results are kept. To print it, rerun the command with --out r." in err
    assert main(words) == 0
    assert "hessian_norm" in capsys.readouterr().out


def test_an_architecture_without_its_option_is_a_sentence(capsys):
    assert main(["run", "fc", "--widths", "4"]) == 2
    assert capsys.readouterr().err == (
        "Error: Unexpected argument 'fc'. Name architectures with --arch, such as --arch fc.\n"
    )


def test_several_radii(here, capsys):
    words = ["run", "--arch", "fc", "--widths", "4,8,16", "--seeds", "2", "--probes", "3", "--quiet", "--out", "r"]
    words += ["--measure", "kernel_change_worst", "--measure", "kernel_change_gd", "--executor", "serial"]
    assert main([*words, "--radius", "1"]) == 0
    first = {path.name for path in (here / "r" / "cells").iterdir()}
    assert main([*words, "--radius", "1", "--radius", "5"]) == 0
    assert first < {path.name for path in (here / "r" / "cells").iterdir()}
    assert len(list((here / "r" / "cells").iterdir())) == 3 * 2 * 3
    table = nb.load("r").table()
    assert [row[0][-1].strip() for row in table.rows] == ["R = 1", "R = 5"] and "R = 1 and R = 5" in table.title
    near, far = (record["quantities"] for record in table.records)
    assert near["kernel_change_gd"] == far["kernel_change_gd"]
    assert far["kernel_change_worst"]["last_value"] > 2 * near["kernel_change_worst"]["last_value"]
    same = nb.run("fc", widths=[4, 8, 16], seeds=2, probes=3, measure="kernel_change_worst", radius=(1, 5), out="r2")
    assert same.table(["kernel_change_worst"]).records[1]["quantities"] == {
        "kernel_change_worst": far["kernel_change_worst"]
    }
    capsys.readouterr()
    assert main([*words, "--radius", "big"]) == 2
    assert "The radius must be a positive number, got 'big'; write, for example, --radius 1." in capsys.readouterr().err


@pytest.mark.parametrize("minutes", ["nan", "inf", "-1"])
def test_a_budget_is_a_number_of_minutes(minutes, capsys):
    assert main(["run", "--arch", "linear", "--until-decided", "--budget", minutes]) == 2
    assert f"--budget is {minutes}; it must be a number of minutes" in capsys.readouterr().err
