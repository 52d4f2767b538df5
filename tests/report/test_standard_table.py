"""The standard table says what was measured, fits 100 columns, and is sound JSON."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from factories import SLOPES, cell, failed, manifest, result, sweep
from hypothesis import given, settings, strategies as st

from ntkbench.errors import NtkbenchError
from ntkbench.report.choice import HEADLINES
from ntkbench.report.standard_table import standard_table
from ntkbench.report.table import FORMATS
from ntkbench.types import Status, Value

FLAT = dict.fromkeys(SLOPES, 0.0)
RESULTS = [
    *sweep("fc"),
    *sweep("cnn", widths=(16, 32, 64)),
    *sweep("fc-bottleneck", label="fc-bottleneck:k=4", slopes=FLAT, noise=0.3),
]
MANIFEST = manifest(RESULTS, {"fc": SLOPES, "cnn": SLOPES, "fc-bottleneck": SLOPES})
HOSTILE = "<b>|`x`\x1b[31m\u202e\n=1+1 \\end{tabular} ✓"


def line_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def test_it_says_what_was_measured():
    text = standard_table(RESULTS, MANIFEST).text()
    assert line_of(text, "fc ").count("✓") == 4 and "48/48" in line_of(text, "fc ")
    assert "(-½) ✗" in line_of(text, "fc-bottleneck:k=4") and "(0)" in line_of(text, "fc-bottleneck:k=4")
    assert "16…64" in text and "cnn: channels" in text
    assert "8 probes" in text and "R = 1" in text and "3 seeds" in text


def test_json_is_complete():
    table = standard_table(RESULTS, MANIFEST)
    data = json.loads(json.dumps(table.to_json(), allow_nan=False))
    assert set(data) == {"title", "settings", "rows", "notes"}
    row = data["rows"][0]
    assert (row["label"], row["widths"], row["seeds"]) == ("fc", [64, 128, 256, 512], [0, 1, 2])
    assert (row["cells_ok"], row["cells_total"]) == (48, 48) and list(row["quantities"]) == list(HEADLINES)
    law = row["quantities"]["hessian_norm"]
    assert law["low"] < law["slope"] < law["high"] and law["theory"] == -0.5
    assert (law["agrees"], law["kind"]) == ("agrees", "rate")
    assert law["source"] == "Liu et al. 2020" and law["first_width"] == 64 and law["last_width"] == 512
    assert data["settings"]["n_probes"] == 8 and data["settings"]["precision"] == "float32"


def test_the_marks_of_theory():
    noisy = [*sweep("fc", noise=0.4, slopes=dict.fromkeys(SLOPES, -0.25))]
    claims = {"gradient_norm": 0.0, "hessian_norm": -0.5, "kernel_change_worst": 0.0, "kernel_change_gd": -3.0}
    table = standard_table(noisy, manifest(noisy, {"fc": claims}))
    row = line_of(table.text(), "fc ")
    assert "(0) ·" in row and "(-3) ✗" in row and "✓" not in row and "·: it overlaps both" in " ".join(table.notes)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_writes_every_row(format):
    text = standard_table(RESULTS, MANIFEST).text(format)
    assert text.count("fc-bottleneck") >= 1 and "16" in text and text.endswith("\n")
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("format", FORMATS)
def test_hostile_names_are_inert(format):
    results = [
        *(evolve(each, cell=evolve(each.cell, architecture=HOSTILE, label=HOSTILE)) for each in sweep("fc")),
        failed(cell(HOSTILE, dataset=HOSTILE, label="x"), message=HOSTILE),
    ]
    text = standard_table(results, manifest(results)).text(format)
    assert "\x1b" not in text and "\u202e" not in text
    plain = standard_table(sweep("fc"), manifest(sweep("fc"))).text(format)
    if format in ("github", "pipe", "html", "unsafehtml"):
        assert "<b>" not in text
    if format.startswith("latex"):
        ends = [sum(r"\end{" in line for line in each.splitlines() if line[0] != "%") for each in (text, plain)]
        assert ends[0] == ends[1]
    if format in ("github", "pipe"):
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len({row.replace(r"\|", "").count("|") for row in rows}) == 1
    if format == "tsv":
        assert {line.count("\t") for line in text.splitlines()} == {6}, "one for each dataset"


def test_an_unknown_format_is_a_sentence():
    with pytest.raises(NtkbenchError, match=r"Did you mean 'simple'"):
        standard_table(RESULTS, MANIFEST).text("simpel")


@settings(max_examples=40, deadline=None)
@given(
    names=st.lists(st.text("abcxyz-_:=|0123", min_size=1, max_size=60), min_size=1, max_size=3, unique=True),
    slope=st.floats(-9, 9),
    noise=st.floats(0, 9),
    scale=st.floats(1e-12, 1e12),
    theory=st.floats(-9, 9),
    seeds=st.integers(1, 4),
)
def test_it_fits_100_columns(names, slope, noise, scale, theory, seeds):
    slopes = dict.fromkeys(SLOPES, slope)
    results = [each for name in names for each in sweep(name, slopes=slopes, noise=noise, scale=scale, seeds=seeds)]
    table = standard_table(results, manifest(results, {name: dict.fromkeys(SLOPES, theory) for name in names}))
    grid = table.text("simple").split("\n\n")[1]
    assert max(map(len, grid.splitlines())) <= 100
    json.dumps(table.to_json(), allow_nan=False)


def test_exact_zero_prints_0():
    zeros = [evolve(each, values={key: Value(0.0) for key in each.values}) for each in sweep("linear")]
    table = standard_table(zeros, manifest(zeros, {"linear": SLOPES}))
    assert line_of(table.text(), "linear").split() == ["linear", "0", "0", "0", "0", "48/48"]
    law = table.to_json()["rows"][0]["quantities"]["hessian_norm"]
    assert law["slope"] is None and law["note"] == "exactly 0" and law["agrees"] is None


def test_a_saved_model_has_values_and_no_exponents():
    results = sweep("net.keras", widths=(1,))
    text = standard_table(results, manifest(results)).text()
    assert line_of(text, "net.keras").split()[1:5] == ["–"] * 4 and "saved model" in text and "→" not in text


def test_half_finished_and_failed_cells_are_told():
    results = sweep("fc")
    kept = [failed(each.cell, Status.OOM, "12 GiB\nneeded") if each.cell.width == 512 else each for each in results[5:]]
    table = standard_table(kept, manifest(results), problems=["cells/x.json is damaged: truncated."])
    text = table.text()
    assert "31/48" in text and "5 of 48 planned cells are missing" in text
    assert "oom: fc width 512" in text and "12 GiB needed" in text and "cells/x.json is damaged" in text
    assert "3 of 11 values are missing" in text
    assert table.to_json()["rows"][0]["cells_total"] == 48


def test_only_headlines_unless_asked_or_alone():
    assert [column.header[0] for column in standard_table(RESULTS, MANIFEST).columns][1:3] == list(HEADLINES[:2])
    asked = standard_table(RESULTS, MANIFEST, ["hessian_norm"])
    assert list(asked.records[0]["quantities"]) == ["hessian_norm"]
    asked = standard_table(RESULTS, MANIFEST, ["hessian_norm:max", "gradient_norm"])
    assert list(asked.records[0]["quantities"]) == ["hessian_norm:max", "gradient_norm"]
    mine = [result(cell(measurement="mine", quantities=("sharpness",), width=width)) for width in (16, 32)]
    assert "sharpness" in standard_table(mine, manifest(mine)).text()
    with pytest.raises(NtkbenchError, match=r"did not measure 'hesian_norm'.*Did you mean 'hessian_norm'"):
        standard_table(RESULTS, MANIFEST, ["hesian_norm"])


def test_two_precisions_are_two_rows():
    results = [*sweep("fc"), *sweep("fc", precision="float64")]
    text = standard_table(results, manifest(results)).text()
    assert "  float32" in text and "  float64" in text and text.count("48/48") == 2


def test_nothing_measured_is_a_table_too():
    for format in FORMATS:
        standard_table([], manifest(RESULTS)).text(format)
    assert "132 of 132 planned cells are missing" in standard_table([], MANIFEST).text()


def test_a_run_that_went_on_elsewhere_says_what_differs():
    here = {"tensorflow": "2.21.0", "cpu": "EPYC", "cpu_count": 2, "intra_op_threads": 1}
    there = here | {"cpu": "Xeon", "cpu_count": 8, "intra_op_threads": 4}
    alike = [evolve(each, provenance=here) for each in RESULTS]
    note = standard_table(alike, MANIFEST).notes[-1]
    assert "EPYC, 2 cores, on cpu" in note and "differ" not in note and "threads" not in note
    moved = [evolve(each, provenance=there, device="gpu:0") for each in alike[:5]] + alike[5:]
    note = standard_table(moved, MANIFEST).notes[-1]
    assert "TensorFlow 2.21.0" in note.partition(";")[0] and "EPYC" not in note.partition(";")[0]
    ending = f"Cells differ: {len(RESULTS) - 5} cells (EPYC, 2 cores, on cpu, threads 1)"
    assert note.endswith(f"{ending}; 5 cells (Xeon, 8 cores, on gpu:0, threads 4).")


def test_many_files_that_hold_no_cell_are_counted():
    notes = standard_table(RESULTS, MANIFEST, problems=[f"file {number} is damaged." for number in range(9)]).notes
    assert [note for note in notes if "file 4" in note] and not [note for note in notes if "file 5" in note]
    assert "4 more files have such problems." in notes


def test_a_measurement_that_is_not_shown_is_named():
    spectrum = cell(measurement="spectrum", quantities=("kernel_trace",))
    both = [*RESULTS, result(spectrum), failed(evolve(spectrum, measurement="broken"))]
    assert "Measured but not shown: kernel_trace. `ntkbench" in standard_table(both, MANIFEST).text()
    for results, quantities in ((RESULTS, ()), ([result(spectrum)], ()), (both, ["kernel_trace"])):
        assert "not shown" not in standard_table(results, MANIFEST, quantities).text()
