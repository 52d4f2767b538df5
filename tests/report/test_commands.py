"""The commands table, export and plot on a run in a directory."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from factories import SLOPES, failed, manifest, sweep

from ntkbench.api import Run, load
from ntkbench.cli import export, plot, table
from ntkbench.errors import NtkbenchError
from ntkbench.store.frame import COLUMNS
from ntkbench.store.run_store import RunStore


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    results = [*sweep("fc", widths=(16, 32, 64), seeds=2), *sweep("cnn", widths=(4, 8), seeds=2)]
    results[3] = failed(results[3].cell, message="=cmd|' /C calc'!A0")
    path = tmp_path_factory.mktemp("runs") / "run"
    store = RunStore(path)
    store.create_or_open(manifest(results, {"fc": SLOPES}))
    for each in results:
        store.write(each)
    return path


def call(command, *words):
    return CliRunner().invoke(command.command, list(map(str, words)), catch_exceptions=False)


def test_table(run):
    assert call(table, run).output == load(run).table().text()
    assert call(table, run, "--format", "github").output == load(run).table().markdown()
    data = json.loads(call(table, run, "--json", "--quantity", "hessian_norm:max").output)
    assert list(data["rows"][0]["quantities"]) == ["hessian_norm:max"]
    with pytest.raises(NtkbenchError, match="Did you mean 'github'"):
        call(table, run, "--format", "githup")


def test_csv_round_trips(run):
    import pandas

    text = call(export, run, "--format", "csv").output
    frame = load(run).frame()
    read = pandas.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], float_precision="round_trip")
    assert list(read.columns) == list(COLUMNS) and len(read) == len(frame)
    numbers = ["width", "seed", "value", "error", "seconds", "n_parameters", "n_probes"]
    pandas.testing.assert_frame_equal(
        read[numbers].astype("float64"), frame[numbers].astype("float64"), check_exact=True
    )
    assert (read.cell == frame.cell).all() and (read.params == frame.params).all()
    messages = {row["message"] for row in csv.DictReader(io.StringIO(text))}
    assert messages == {"", "'=cmd|' /C calc'!A0"}


def test_json_has_no_nan(run):
    text = call(export, run, "--format", "json").output
    rows = json.loads(text, parse_constant=pytest.fail)
    assert rows == load(run).rows() and any(row["value"] is None for row in rows)


def test_parquet_round_trips(run, tmp_path):
    import pandas

    call(export, run, "--format", "parquet", "-o", tmp_path / "a.parquet")
    pandas.testing.assert_frame_equal(pandas.read_parquet(tmp_path / "a.parquet"), load(run).frame())
    assert [file.name for file in tmp_path.iterdir()] == ["a.parquet"]


def test_markdown_and_latex(run, tmp_path):
    assert call(export, run, "--format", "markdown").output == load(run).table().markdown()
    call(export, run, "--format", "latex", "-o", tmp_path / "table.tex")
    written = (tmp_path / "table.tex").read_text()
    assert r"\begin{tabular}" in written and r"\toprule" in written and r"\bottomrule" in written


def test_wrong_words(run, tmp_path):
    answer = call(export, run, "--format", "jsn")
    assert answer.exit_code == 2 and "Did you mean 'json'?" in answer.output
    assert call(export, run).exit_code == 2
    with pytest.raises(NtkbenchError, match="could not be written"):
        call(export, run, "--format", "csv", "-o", tmp_path / "no" / "such.csv")
    with pytest.raises(NtkbenchError, match="could not be written"):
        call(export, run, "--format", "csv", "-o", tmp_path)


def test_files_of_a_run_and_of_a_board_are_not_overwritten(run, tmp_path):
    whole = (run / "manifest.json").read_bytes()
    for path in (run / "manifest.json", run / "cells" / next((run / "cells").iterdir()).name):
        with pytest.raises(NtkbenchError, match="one of the files that a run consists of"):
            call(export, run, "--format", "json", "-o", path)
    assert (run / "manifest.json").read_bytes() == whole
    for name in ("records", "submissions"):
        (tmp_path / name).mkdir()
    for name in ("records", "submissions"):
        with pytest.raises(NtkbenchError, match="among the receipts and records of a board"):
            call(export, run, "--format", "json", "-o", tmp_path / name / "mine.json")
    call(export, run, "--format", "json", "-o", tmp_path / "manifest.json")
    assert sorted(file.name for file in tmp_path.rglob("*.json")) == ["manifest.json"]


def test_plot(run, tmp_path):
    answer = call(plot, run, "-o", tmp_path / "a.svg", "--quantity", "hessian_norm")
    assert answer.output.strip() == str(tmp_path / "a.svg") and (tmp_path / "a.svg").exists()


def test_no_run_is_a_sentence(run, tmp_path):
    with pytest.raises(NtkbenchError, match="does not exist. Did you mean .*run"):
        load(run.parent / "rum")
    with pytest.raises(NtkbenchError, match="is not a run: .* Did you mean .*run"):
        load(run.parent)
    with pytest.raises(NtkbenchError, match="is not a run"):
        load(run / "manifest.json")
    with pytest.raises(NtkbenchError, match="does not exist"):
        load(tmp_path / "a" / "b")


def test_run(run):
    loaded = load(run)
    assert isinstance(loaded, Run) and "40 of 40" in repr(loaded) and loaded.problems == []
    fits = loaded.fits()
    assert set(fits.label) == {"fc", "cnn"} and len(fits) == 10


def test_damage_is_warned_of(run, tmp_path):
    import shutil

    copy = shutil.copytree(run, tmp_path / "copy")
    next((copy / "cells").iterdir()).write_text("{")
    assert "is damaged" in call(table, copy).output
    answer = call(export, copy, "--format", "csv")
    assert "Warning:" in answer.stderr and "Warning:" not in answer.stdout


def test_reading_a_run_imports_no_framework(run):
    program = (
        "import sys\nfrom ntkbench.cli import table, export, plot\n"
        "assert not {'pandas', 'numpy', 'matplotlib', 'scipy', 'tabulate'} & set(sys.modules), 'at load'\n"
        "from ntkbench import load\n"
        f"run = load({str(run)!r}); run.table().text(); run.fits(); run.plot({str(run / 'plot.png')!r})\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "words",
    [["table"], ["export", "--format", "csv"], ["export", "--format", "parquet"], ["compare"], ["report"], ["plot"]],
)
def test_reading_commands_work_where_tensorflow_cannot_be_imported(run, tmp_path, words):
    name, *options = words
    made = {"export": "results", "report": "page", "plot": "plot.png"}.get(name)
    out = ["--output", str(tmp_path / made)] if made else []
    runs = [str(run)] * (2 if name == "compare" else 1)
    program = (
        "import sys\nsys.modules['tensorflow'] = sys.modules['keras'] = sys.modules['tensorflow_probability'] = None\n"
        f"from ntkbench.cli.main import main\nmain({[name, *runs, *options, *out]!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) if out else done.stdout.strip()
