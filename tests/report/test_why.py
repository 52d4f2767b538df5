"""`ntkbench table RUN --why ARCH`, `Run.why`, and the same in the report."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from click.testing import CliRunner

import ntkbench as nb
from ntkbench.cli.main import main
from ntkbench.cli.table import command
from ntkbench.errors import NtkbenchError
from ntkbench.report.page import report_page

SIZES = ["--widths", "8,16", "--seeds", "2", "--probes", "3"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    words = ["run", "--arch", "fc", "--arch", "linear", *SIZES, "--measure", "bend", "--measure", "gradient_norm"]
    assert main([*words, "--out", str(folder / "r"), "--quiet", "--executor", "serial"]) == 0
    return nb.load(folder / "r")


def call(run, *words):
    return CliRunner().invoke(command, [str(run.path), *words], catch_exceptions=False)


def test_a_row_for_each_variable(run):
    out = call(run, "--why", "fc").output
    assert out == run.why("fc").text() and max(map(len, out.splitlines())) <= 100
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if "/kernel" in line}
    assert {name: cells[0] for name, cells in rows.items()} == {
        "hidden_1/kernel": "976", "hidden_2/kernel": "256", "readout/kernel": "16",
    }  # fmt: skip
    for column in range(1, 5):  # bend and K at both widths
        total = sum(float(cells[column].rstrip("%")) for cells in rows.values())
        assert total == pytest.approx(100, abs=10)  # medians over seeds
    bent = [float(cells[2].rstrip("%")) for cells in rows.values()]
    assert bent == sorted(bent, reverse=True)


def test_as_json(run):
    rows = json.loads(call(run, "--why", "fc", "--json").output)["rows"]
    assert {row["variable"] for row in rows} == {"hidden_1/kernel", "hidden_2/kernel", "readout/kernel"}
    assert rows[0]["last_width"] == 16 and rows[0]["last"]["size"] == 16 and 0 < rows[0]["last"]["bend"] < 1
    assert not any(row["culprit"] for row in rows)


def test_unknown_or_not_measured(run, tmp_path):
    with pytest.raises(NtkbenchError, match="Unknown architecture 'linaer' in this run. Did you mean 'linear'"):
        call(run, "--why", "linaer")
    words = ["run", "--arch", "fc", *SIZES, "--measure", "gradient_norm", "--out", str(tmp_path / "r"), "--quiet"]
    assert main([*words, "--executor", "serial"]) == 0
    with pytest.raises(NtkbenchError, match="did not measure bend_share of fc") as caught:
        nb.load(tmp_path / "r").why("fc")
    given = str(caught.value).partition("ntkbench run ")[2]
    assert given.endswith(f"--out {tmp_path / 'r'} --quiet --executor serial --measure bend")
    assert main(["run", *given.split()]) == 0
    assert nb.load(tmp_path / "r").why("fc").rows
    assert main(["table", str(run.path), "--why", "fc", "--quantity", "kernel_slope"]) == 2


def test_the_default_table_export_and_fits_hold_no_number_per_variable(run, capsys):
    assert "_share" not in run.table().text() and "share" not in str(run.table(["kernel_slope"]).to_json()["rows"])
    assert set(run.fits().quantity) == {"gradient_norm", "kernel_slope"}
    frame = run.frame()
    bent = frame[(frame.quantity == "bend_share") & (frame.architecture == "fc")]
    assert len(bent) == 2 * 2 * 3 and set(bent.reduction) == {"hidden_1/kernel", "hidden_2/kernel", "readout/kernel"}
    assert bent.value.notna().all() and set(bent.unit) == {"1"}
    with pytest.raises(NtkbenchError, match="--why"):
        run.table(["bend_share"])


def test_the_report_shows_the_same(run):
    page = report_page(run.results, run.manifest)
    assert page.count("Shares of the bend by variable") == 2
    for name in ("hidden_1/kernel", "readout/kernel"):
        assert f'<th scope="row">{name}</th>' in page
    without = [evolve(each, values={}) for each in run.results if each.cell.measurement == "gradient"]
    assert "Shares of the bend by variable" not in report_page(without, run.manifest)


def test_two_conditions_are_told_apart(run, tmp_path):
    words = ["run", "--arch", "fc", "--widths", "8", "--seeds", "1", "--probes", "2", "--measure", "bend", "--quiet"]
    for precision in ("float32", "float64"):
        assert main([*words, "--precision", precision, "--out", str(tmp_path / "r"), "--executor", "serial"]) == 0
    names = [row[0][0] for row in nb.load(tmp_path / "r").why("fc").rows]
    assert len(names) == 6 and names[0].endswith("(float32)") and names[-1].endswith("(float64)")
